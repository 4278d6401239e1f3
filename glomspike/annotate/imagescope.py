"""Aperio ImageScope annotation files (`slide.xml`): written from results, written from layers, read back.

The format has no open specification; the attributes and their order are those of genuine files.
"""

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import numpy as np
from lxml import etree

from glomspike.annotate.document import read_document
from glomspike.annotate.layers import PIXELS, Layer, Region, RegionType, region_area, region_length
from glomspike.annotate.marks import slide_marks, styles_of
from glomspike.errors import AnnotationError
from glomspike.findings import Mpp, Points, SlideResult
from glomspike.geometry.frames import mpp_shown

_HEADERS = ((9999, "Region"), (9997, "Length"), (9996, "Area"), (9998, "Text"), (1, "Description"))
_FEWEST_VERTICES = {
    RegionType.POLYGON: 3,
    RegionType.RECTANGLE: 4,
    RegionType.ELLIPSE: 2,
    RegionType.ARROW: 2,
    RegionType.RULER: 2,
    RegionType.COUNTER: 1,
}
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_imagescope(path: Path, result: SlideResult) -> None:
    """The glomeruli of a slide as an ImageScope file: five layers, empty or not, and those of lesions."""
    marks = slide_marks(result, "imagescope")
    layers = [
        Layer(style.name, style.colour, tuple(mark.region for mark in marks if mark.style == style))
        for style in styles_of(result)
    ]
    write_layers(path, layers, mpp_shown(result.slide, "imagescope"))


def write_layers(path: Path, layers: Iterable[Layer], mpp_viewer: Mpp) -> None:
    """Layers as an ImageScope file; `mpp_viewer` is µm/px along the axes as ImageScope shows the slide."""
    root = etree.Element("Annotations", MicronsPerPixel=f"{mpp_viewer.mean:.6f}")
    first_region_id = 1
    for layer_id, layer in enumerate(layers, start=1):
        _add_layer(root, layer, layer_id, first_region_id, mpp_viewer)
        first_region_id += len(layer.regions)
    document = etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)
    path.write_bytes(document)


def _add_layer(
    root: etree._Element, layer: Layer, layer_id: int, first_region_id: int, mpp_viewer: Mpp
) -> None:
    red, green, blue = layer.colour
    name = _text(layer.name)
    annotation = etree.SubElement(
        root,
        "Annotation",
        Id=str(layer_id),
        Name=name,
        ReadOnly="0",
        NameReadOnly="0",
        LineColorReadOnly="0",
        Incremental="0",
        Type="4",
        LineColor=str(red + 256 * green + 65536 * blue),
        Visible="1",
        Selected="0",
        MarkupImagePath="",
        MacroName="",
    )
    # Some readers take a layer's name from here, others from the annotation.
    etree.SubElement(etree.SubElement(annotation, "Attributes"), "Attribute", Name=name, Id="0", Value="")
    regions = etree.SubElement(annotation, "Regions")
    headers = etree.SubElement(regions, "RegionAttributeHeaders")
    for header_id, header in _HEADERS:
        etree.SubElement(headers, "AttributeHeader", Id=str(header_id), Name=header, ColumnWidth="-1")
    for index, region in enumerate(layer.regions):
        _add_region(regions, region, first_region_id + index, index + 1, mpp_viewer)
    etree.SubElement(annotation, "Plots")


def _add_region(
    regions: etree._Element, region: Region, region_id: int, display_id: int, mpp_viewer: Mpp
) -> None:
    element = etree.SubElement(
        regions,
        "Region",
        Id=str(region_id),
        Type=str(int(region.type)),
        Zoom="1",
        Selected="0",
        ImageLocation="",
        ImageFocus="0",
        Length=_number(region_length(region, PIXELS)),
        Area=_number(region_area(region, PIXELS)),
        LengthMicrons=_number(region_length(region, mpp_viewer)),
        AreaMicrons=_number(region_area(region, mpp_viewer)),
        Text=_text(region.text),
        NegativeROA="1" if region.negative else "0",
        InputRegionId="0",
        Analyze="1",
        DisplayId=str(display_id),
    )
    etree.SubElement(element, "Attributes")
    vertices = etree.SubElement(element, "Vertices")
    points = region.vertices_viewer
    if region.type is RegionType.POLYGON:
        # ImageScope measures a freehand line as it is drawn: only a closed one has the whole perimeter.
        points = np.concatenate([points, points[:1]])
    for x, y in points.tolist():
        etree.SubElement(vertices, "Vertex", X=_number(x), Y=_number(y), Z="0")


def _number(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"  # adding zero turns -0.00 into 0.00


def _text(text: str) -> str:
    """Text without the characters that XML cannot hold, even escaped."""
    return _NOT_IN_XML.sub("\ufffd", text)


def read_imagescope(path: Path) -> tuple[Layer, ...]:
    """The layers of an ImageScope file, regions as the viewer counts pixels.

    Vertices may carry Z or not, and polygons may repeat their first vertex or not. A rectangle of more
    than four corners, as genuine files have it, is a polygon. Regions of too few vertices, which a click
    leaves behind, and regions of unknown type are among the layer's `skipped`.

    Raises AnnotationError, naming layer and line, for a file that is not one, is larger than
    `MAX_FILE_BYTES`, declares a document type, or holds a vertex that is no point.
    """
    root = _parse(path)
    if root.tag != "Annotations":
        raise AnnotationError(
            path,
            f"its outermost element is {root.tag}, not Annotations",
            "give a file that ImageScope saved",
        )
    return tuple(_layer(path, element) for element in root.iterchildren("Annotation"))


def _parse(path: Path) -> etree._Element:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True
    )
    document = read_document(path)
    try:
        root = etree.fromstring(document, parser)
    except etree.XMLSyntaxError as error:
        raise AnnotationError(path, f"is not XML ({error.msg})", "save it again in ImageScope") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise AnnotationError(
            path, "declares a document type, which ImageScope never does", "remove the DOCTYPE"
        )
    return root


def _layer(path: Path, element: etree._Element) -> Layer:
    line_colour = element.get("LineColor", "0")
    if not re.fullmatch(r"-?\d{1,10}", line_colour):
        _refuse(path, element, f"LineColor {line_colour!r} is not a number")
    colour = int(line_colour)
    rgb = (colour & 255, colour >> 8 & 255, colour >> 16 & 255)
    read = [_region(path, region) for region in element.iterfind("Regions/Region")]
    regions = tuple(one for one in read if isinstance(one, Region))
    return Layer(_layer_name(element), rgb, regions, tuple(one for one in read if isinstance(one, str)))


def _layer_name(element: etree._Element) -> str:
    attribute = element.find("Attributes/Attribute")
    names = (element.get("Name"), None if attribute is None else attribute.get("Name"))
    return next((name for name in names if name), "")


def _region(path: Path, element: etree._Element) -> Region | str:
    """The region, or which one it is and why it is skipped."""
    place = f"region {element.get('Id') or f'on line {element.sourceline}'}"
    written = element.get("Type", str(int(RegionType.POLYGON)))
    if written not in {str(int(kind)) for kind in RegionType}:
        return f"{place} is of the unknown type {written!r}"
    kind = RegionType(int(written))
    points = np.array(
        [_vertex(path, vertex) for vertex in element.iterfind("Vertices/Vertex")], dtype=np.float64
    ).reshape(-1, 2)
    if kind in (RegionType.POLYGON, RegionType.RECTANGLE):
        points = _without_repeated_first(points)
    if len(points) < _FEWEST_VERTICES[kind]:
        return f"{place} has too few vertices ({len(points)}) for its type, {kind.name.lower()}"
    if kind is RegionType.RECTANGLE and len(points) > 4:
        kind = RegionType.POLYGON
    return Region(kind, points, element.get("Text", ""), element.get("NegativeROA") == "1")


def _vertex(path: Path, element: etree._Element) -> tuple[float, float]:
    try:
        x, y = float(element.attrib["X"]), float(element.attrib["Y"])
    except (KeyError, ValueError):
        _refuse(path, element, f"vertex X={element.get('X')!r} Y={element.get('Y')!r} is not a point")
    if not (math.isfinite(x) and math.isfinite(y)):
        _refuse(path, element, "vertex is not finite")
    return x, y


def _without_repeated_first(points: Points) -> Points:
    closed = len(points) > 1 and np.array_equal(points[0], points[-1])
    return points[:-1] if closed else points


def _refuse(path: Path, element: etree._Element, cause: str) -> NoReturn:
    annotation = next(element.iterancestors("Annotation"), element)
    where = f"line {element.sourceline}, layer {_layer_name(annotation)!r}"
    raise AnnotationError(path, f"{where}: {cause}", "correct or delete that region in ImageScope")
