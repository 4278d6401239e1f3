"""GeoJSON for QuPath (`slide.geojson`): the objects of `slide.xml`, and back."""

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry import Polygon

from glomspike.annotate.document import read_document
from glomspike.annotate.layers import Colour, Layer, Region, RegionType
from glomspike.annotate.marks import Mark, slide_marks, styles_of
from glomspike.errors import AnnotationError
from glomspike.findings import Points, SlideResult
from glomspike.geometry.circles import circle_polygon

_CIRCLE_VERTICES = 128  # less than an eighth of a µm inside a circle of 400 µm
_GRID = 0.01  # level-0 pixels that coordinates are rounded to
FEWEST_CORNERS = 3  # of a polygon
UNCLASSIFIED_COLOUR = (200, 200, 200)
_IDS = uuid.UUID("7b1f4f5e-6d0c-5a53-9a1e-3c1f4f0f2a57")


def write_geojson(path: Path, result: SlideResult) -> None:
    """The glomeruli of a slide as a FeatureCollection that QuPath imports, counted from the bounds' origin.

    Every polygon is valid: QuPath refuses a whole file for one that crosses itself. Spiked glomeruli come
    first, as QuPath lists objects in their order.
    """
    styles = styles_of(result)
    marks = sorted(slide_marks(result, "qupath"), key=lambda mark: styles.index(mark.style))
    write_marks(path, marks, result.slide.name)


def write_marks(path: Path, marks: Sequence[Mark], slide_name: str) -> None:
    """Marks of a slide, as QuPath counts pixels, as a FeatureCollection in their order."""
    features = [
        feature
        for index, mark in enumerate(marks)
        if (feature := _feature(mark, f"{slide_name}/{index}")) is not None
    ]
    collection = {"type": "FeatureCollection", "features": features}
    path.write_text(json.dumps(collection, ensure_ascii=False, allow_nan=False, indent=1) + "\n", "utf-8")


def _feature(mark: Mark, key: str) -> dict[str, Any] | None:
    polygon = _valid_polygon(_ring(mark.region))
    if polygon is None:
        return None
    ring = [[round(x, 2), round(y, 2)] for x, y in polygon.exterior.coords]
    return {
        "type": "Feature",
        # The same result gives the same ids; another slide or shape gives others.
        "id": str(uuid.uuid5(_IDS, f"{key}/{mark.style.name}/{mark.region.text}/{ring}")),
        "geometry": _geometry(mark.region, ring),
        "properties": {
            "objectType": "annotation",
            "name": mark.region.text,
            "classification": {"name": mark.style.name, "color": list(mark.style.colour)},
            "isLocked": False,
            "measurements": {name: round(value, 6) for name, value in mark.measurements.items()},
        },
    }


def _geometry(region: Region, ring: list[list[float]]) -> dict[str, Any]:
    geometry: dict[str, Any] = {"type": "Polygon", "coordinates": [ring]}
    # QuPath marks its ellipses so: they stay ellipses, which a click moves and resizes.
    return geometry | {"isEllipse": True} if region.type is RegionType.ELLIPSE else geometry


def _ring(region: Region) -> Points:
    if region.type is not RegionType.ELLIPSE:
        return region.vertices_viewer
    left, top, right, bottom = region.box_viewer
    unit = circle_polygon(0, 0, 1, _CIRCLE_VERTICES)
    ring: Points = (
        np.array([left + right, top + bottom]) / 2 + unit * np.array([right - left, bottom - top]) / 2
    )
    return ring


def _valid_polygon(ring: Points) -> Polygon | None:
    """The valid polygon a ring encloses, on the grid of written coordinates; its largest part if it has many.

    None where nothing is left of it on that grid.
    """
    rounded = shapely.set_precision(shapely.make_valid(Polygon(np.round(ring, 2))), _GRID)
    parts = [part for part in shapely.get_parts(rounded) if isinstance(part, Polygon) and part.area > 0]
    return Polygon(max(parts, key=lambda part: part.area).exterior) if parts else None


def read_geojson(path: Path) -> tuple[Layer, ...]:
    """The objects of a GeoJSON file of QuPath's as layers, one for each class, in QuPath's pixels.

    A ring is the ellipse that QuPath says it is, a rectangle where it follows one along the axes, else a
    polygon. Inner rings are negative regions, points are counters, and each part of a multiple geometry is a
    region. An object's name is its text. Objects without a geometry, with rings of too few vertices, or of
    a kind that QuPath does not draw are among the layer's `skipped`.

    Raises AnnotationError, naming object and class, for a file that is not one, is too large, or holds
    coordinates that are no points.
    """
    layers: dict[str, Layer] = {}
    for number, feature in enumerate(_features(path), start=1):
        name, colour = _classification(feature)
        try:
            drawn = list(_regions(feature))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            cause = f"object {number}, class {name!r}: its geometry cannot be understood ({error})"
            raise AnnotationError(path, cause, "correct or delete that object in QuPath") from error
        layer = layers.get(name, Layer(name, colour, ()))
        regions = tuple(one for one in drawn if isinstance(one, Region))
        skipped = tuple(f"object {number} {one}" for one in drawn if isinstance(one, str))
        layers[name] = replace(layer, regions=layer.regions + regions, skipped=layer.skipped + skipped)
    return tuple(layers.values())


def _features(path: Path) -> list[dict[str, Any]]:
    """QuPath writes a collection, or a bare list where the user so chose."""
    document = read_document(path)
    try:
        content = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise AnnotationError(path, f"is not JSON ({error})", "export it again in QuPath") from error
    if isinstance(content, dict):
        content = [content] if content.get("type") == "Feature" else content.get("features")
    if not isinstance(content, list) or not all(isinstance(feature, dict) for feature in content):
        raise AnnotationError(
            path, "is JSON, but not GeoJSON features", "export annotations as GeoJSON in QuPath"
        )
    return content


def _classification(feature: dict[str, Any]) -> tuple[str, Colour]:
    """Class name and colour; newer versions of QuPath write the name's parts, older ones a packed colour.

    Other programs write the name alone.
    """
    stored = _properties(feature).get("classification")
    if isinstance(stored, str):
        return stored, UNCLASSIFIED_COLOUR
    if not isinstance(stored, dict):
        return "", UNCLASSIFIED_COLOUR
    parts = stored.get("names")
    name = stored.get("name") or (": ".join(map(str, parts)) if isinstance(parts, list) else "")
    colour, packed = stored.get("color"), stored.get("colorRGB")
    if isinstance(packed, int):
        colour = [packed >> 16 & 255, packed >> 8 & 255, packed & 255]
    if not (isinstance(colour, list) and len(colour) == 3 and all(isinstance(c, int) for c in colour)):
        return str(name), UNCLASSIFIED_COLOUR
    return str(name), (colour[0] & 255, colour[1] & 255, colour[2] & 255)


def _properties(feature: dict[str, Any]) -> dict[str, Any]:
    properties = feature.get("properties")
    return properties if isinstance(properties, dict) else {}


def _regions(feature: dict[str, Any]) -> Iterator[Region | str]:
    """The regions of an object, or in words why a part of it is none.

    Raises KeyError, TypeError or ValueError where its coordinates are no points.
    """
    geometry, text = feature.get("geometry"), str(_properties(feature).get("name") or "")
    if geometry is None:
        yield "has no geometry"
        return
    kind = geometry["type"]
    if kind == "Polygon":
        yield from _polygon(geometry["coordinates"], text, geometry.get("isEllipse") is True)
    elif kind == "MultiPolygon":
        for rings in geometry["coordinates"]:
            yield from _polygon(rings, text, is_ellipse=False)
    elif kind in ("Point", "MultiPoint"):
        coordinates = geometry["coordinates"]
        points = _points([coordinates] if kind == "Point" else coordinates)
        yield from (Region(RegionType.COUNTER, point[None], text) for point in points)
    elif kind == "LineString":
        yield Region(RegionType.RULER, _points(geometry["coordinates"]), text)
    else:
        yield f"is of the unknown kind {kind!r}"


def _polygon(rings: Any, text: str, is_ellipse: bool) -> Iterator[Region | str]:
    """The region of an outer ring, then those of its holes."""
    outer, *inner = [_opened(_points(ring)) for ring in rings or [[]]]
    if len(outer) < FEWEST_CORNERS:
        yield f"has too few vertices ({len(outer)}) for a polygon"
        return
    low, high = outer.min(axis=0), outer.max(axis=0)
    if is_ellipse:
        yield Region(RegionType.ELLIPSE, np.stack([low, high]), text)
    elif len(outer) == 4 and ((outer == low) | (outer == high)).all():
        corners = np.array([low, [high[0], low[1]], high, [low[0], high[1]]])
        yield Region(RegionType.RECTANGLE, corners, text)
    else:
        yield Region(RegionType.POLYGON, outer, text)
    for hole in inner:
        if len(hole) >= FEWEST_CORNERS:  # a smaller one cuts nothing off
            yield Region(RegionType.POLYGON, hole, text, negative=True)


def _points(coordinates: Any) -> Points:
    points = np.array([(float(x), float(y)) for x, y, *_ in coordinates], dtype=np.float64).reshape(-1, 2)
    if not np.isfinite(points).all():
        raise ValueError("coordinates are not finite")
    return points


def _opened(ring: Points) -> Points:
    """A ring without its repeated first vertex."""
    return ring[:-1] if len(ring) > 1 and np.array_equal(ring[0], ring[-1]) else ring
