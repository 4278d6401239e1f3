"""GeoJSON for QuPath (`slide.geojson`): the objects of `slide.xml`, classified, coloured and measured."""

import json
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry import Polygon

from glomspike.annotate.layers import Region, RegionType
from glomspike.annotate.marks import Mark, slide_marks
from glomspike.findings import Points, SlideResult

_CIRCLE_VERTICES = 128  # less than an eighth of a µm inside a circle of 400 µm
_GRID = 0.01  # level-0 pixels that coordinates are rounded to
_IDS = uuid.UUID("7b1f4f5e-6d0c-5a53-9a1e-3c1f4f0f2a57")


def write_geojson(path: Path, result: SlideResult) -> None:
    """The glomeruli of a slide as a FeatureCollection that QuPath imports, counted from the bounds' origin.

    Every polygon is valid: QuPath refuses a whole file for one that crosses itself.
    """
    features = [
        feature
        for index, mark in enumerate(slide_marks(result, "qupath"))
        if (feature := _feature(mark, f"{result.slide.name}/{index}")) is not None
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
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "objectType": "annotation",
            "name": mark.region.text,
            "classification": {"name": mark.style.name, "color": list(mark.style.colour)},
            "isLocked": False,
            "measurements": {name: round(value, 6) for name, value in mark.measurements.items()},
        },
    }


def _ring(region: Region) -> Points:
    if region.type is not RegionType.ELLIPSE:
        return region.vertices_viewer
    left, top, right, bottom = region.box_viewer
    angle = np.linspace(0, 2 * np.pi, _CIRCLE_VERTICES, endpoint=False)
    unit = np.stack([np.cos(angle), np.sin(angle)], axis=1)
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
