"""Microscopy bulk simple annotations (`slide.ann.dcm`): the objects of `slide.xml`, as archives keep them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.ann import AnnotationGroup, Measurements, MicroscopyBulkSimpleAnnotations
from highdicom.color import CIELabColor
from highdicom.sr import CodedConcept
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from glomspike import __version__
from glomspike.annotate.dicom import codes
from glomspike.annotate.dicom.origin import Origin, coordinates, values_as_they_stand
from glomspike.annotate.layers import Region, RegionType
from glomspike.annotate.marks import LESION_PREFIX, SPIKE_TILES, Mark, Style, slide_marks, styles_of
from glomspike.findings import Mpp, Points, SlideResult

SERIES_NUMBER = 9001  # beyond those that scanners give
_GRAPHICS = {RegionType.ELLIPSE: "ELLIPSE", RegionType.POLYGON: "POLYGON", RegionType.RECTANGLE: "RECTANGLE"}


def annotations_of(
    result: SlideResult, origin: Origin, parameters: Mapping[str, str]
) -> MicroscopyBulkSimpleAnnotations | None:
    """The glomeruli of a slide, a group for each layer of `slide.xml`; None without any, as DICOM wants one.

    Coordinates have double precision, so that they are exact on the widest slide. `parameters` are what the
    algorithm was run with, by name.
    """
    styles = styles_of(result)
    marks = sorted(slide_marks(result, "dicom"), key=lambda mark: styles.index(mark.style))
    if not marks:
        return None
    algorithm = codes.algorithm(parameters)
    groups = [
        _group(number, style, list(alike), origin, result.slide.mpp, algorithm)
        for number, (style, alike) in enumerate(groupby(marks, key=lambda mark: mark.style), start=1)
    ]
    with values_as_they_stand():
        annotations = MicroscopyBulkSimpleAnnotations(
            source_images=[origin.header],
            annotation_coordinate_type="2D" if origin.is_image else "3D",
            annotation_groups=groups,
            series_instance_uid=generate_uid(prefix=None),
            series_number=SERIES_NUMBER,
            sop_instance_uid=generate_uid(prefix=None),
            instance_number=1,
            manufacturer="glomspike",
            manufacturer_model_name="glomspike",
            software_versions=__version__,
            device_serial_number=__version__,
            content_label="GLOMSPIKE",
            content_description=codes.short_text(f"Glomeruli of {result.slide.name}"),
            series_description="Glomeruli, for research use only",
            specific_character_set="ISO_IR 192",
            coding_schemes=codes.SCHEMES,
        )
    annotations.Laterality = origin.header.get("Laterality", "")  # of which kidney
    if not origin.is_image:
        del annotations.ReferencedImageSequence, annotations.ReferencedSeriesSequence
    return annotations


def _group(
    number: int,
    style: Style,
    marks: Sequence[Mark],
    origin: Origin,
    mpp: Mpp,
    algorithm: AlgorithmIdentificationSequence,
) -> AnnotationGroup:
    """The shapes of a layer, which are all of one type."""
    category, kind = _property(style)
    return AnnotationGroup(
        number=number,
        uid=generate_uid(prefix=None),
        label=codes.short_text(style.name),
        annotated_property_category=category,
        annotated_property_type=kind,
        graphic_type=_GRAPHICS[marks[0].region.type],
        graphic_data=[coordinates(_graphic0(mark.region), origin, mpp) for mark in marks],
        algorithm_type="AUTOMATIC",
        algorithm_identification=algorithm,
        measurements=list(_measurements(marks)),
        display_color=CIELabColor.from_rgb(*style.colour),
    )


def _property(style: Style) -> tuple[Code, Code | CodedConcept]:
    """What the shapes of a layer mark: category and type."""
    if style == SPIKE_TILES:
        return codes.ABNORMALITY, codes.SPIKE_TILE
    if style.name.startswith(LESION_PREFIX):
        return codes.ABNORMALITY, codes.lesion_code(style.name.removeprefix(LESION_PREFIX))
    return codes.STRUCTURE, codes.GLOMERULUS


def _graphic0(region: Region) -> Points:
    """The vertices of a region; of an ellipse the ends of its longer, then those of its shorter axis."""
    if region.type is not RegionType.ELLIPSE:
        return region.vertices_viewer
    left, top, right, bottom = region.box_viewer
    x, y = (left + right) / 2, (top + bottom) / 2
    across, down = [[left, y], [right, y]], [[x, top], [x, bottom]]
    return np.array(across + down if right - left >= bottom - top else down + across)


def _measurements(marks: Sequence[Mark]) -> Iterator[Measurements]:
    """The numbers that belong to the shapes; NaN where one has none of a name that others have."""
    yield Measurements(
        codes.NUMBER, np.array([mark.glomerulus for mark in marks], np.float64), codes.NO_UNITS
    )
    for name, (code, unit) in codes.MEASURES.items():
        values = np.array([mark.measurements.get(name, np.nan) for mark in marks])
        if not np.isnan(values).all():
            yield Measurements(code, values, unit)
