"""What a run found on a slide, read back from its folder: the table, the outlines, the record.

The folder is the contract that other programs rely on as well, so nothing but its documented columns and
layers is needed. A column that an older version did not write counts as empty.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from glomspike.annotate.geojson import read_geojson
from glomspike.annotate.layers import RegionType
from glomspike.annotate.marks import OUTLINES
from glomspike.errors import AnnotationError, OutputError
from glomspike.findings import (
    Call,
    Circle,
    Classification,
    Extent,
    Mpp,
    Points,
    SlideFacts,
    SpikedMembrane,
    TopTile,
)
from glomspike.geometry.frames import from_viewer
from glomspike.results.record import RunRecord, read_record
from glomspike.results.table import SHARPNESS

_CALLS: dict[str, Call] = {call: call for call in get_args(Call)}
_EXTENTS: dict[str, Extent] = {extent: extent for extent in get_args(Extent)}
_TABLE = "glomeruli.csv"


@dataclass(frozen=True, eq=False)
class Finding:
    """One row of `glomeruli.csv` and the outline of its number.

    `outline0` (n, 2) is in level-0 pixels and None where the annotations have none, `probability`, `call`,
    `spike_fraction` and `membrane` are None where nothing was scored, `sharpness` where it was not measured,
    `lesion` where no weights name lesions.
    """

    id: int
    circle: Circle
    outline0: Points | None
    area_um2: float
    touches_edge: bool
    probability: float | None
    call: Call | None
    spike_fraction: float | None
    top_tiles: tuple[TopTile, ...]
    lesion: Classification | None
    membrane: SpikedMembrane | None
    sharpness: float | None


@dataclass(frozen=True, eq=False)
class SlideFindings:
    """A slide's record and its findings in reading order, those taken for no glomeruli among them.

    `threshold` is the spike probability from which a glomerulus counts as spiked.
    """

    record: RunRecord
    slide: SlideFacts
    threshold: float
    findings: tuple[Finding, ...]


def read_findings(folder: Path) -> SlideFindings:
    """What the results in a folder say of their slide. Raises OutputError where they cannot be read."""
    record = read_record(folder)
    facts = _facts(record)
    outlines = _outlines(folder / f"{Path(facts.name).stem}.geojson", facts)
    table = folder / _TABLE
    try:
        with table.open(encoding="utf-8", newline="") as file:
            findings = tuple(_finding(row, outlines) for row in csv.DictReader(file))
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise OutputError(table, f"cannot be read ({error})", "run glomspike on the slide again") from error
    threshold = record.options.get("threshold")
    known = float(threshold) if isinstance(threshold, int | float) else 0.5
    return SlideFindings(record, facts, known, findings)


def _facts(record: RunRecord) -> SlideFacts:
    slide = record.slide
    return SlideFacts(
        name=slide.name,
        vendor=slide.vendor,
        width0=slide.width,
        height0=slide.height,
        mpp=Mpp(slide.mpp_x, slide.mpp_y),
        bounds_x0=slide.bounds_x,
        bounds_y0=slide.bounds_y,
        bounds_width0=slide.bounds_width,
        bounds_height0=slide.bounds_height,
        file_mpp=_mpp(slide.file_mpp_x, slide.file_mpp_y),
    )


def _mpp(x: float | None, y: float | None) -> Mpp | None:
    return None if x is None or y is None else Mpp(x, y)


def _outlines(written: Path, slide: SlideFacts) -> dict[int, Points]:
    """The outlines of a run's annotations by their number."""
    try:
        layers = read_geojson(written) if written.exists() else ()
    except AnnotationError as error:
        raise OutputError(written, error.cause, "run glomspike on the slide again") from error
    regions = [region for layer in layers if layer.name == OUTLINES.name for region in layer.regions]
    return {
        int(region.text): from_viewer(region.vertices_viewer, slide, "qupath")
        for region in regions
        if region.type is RegionType.POLYGON and region.text.isdecimal()
    }


def _finding(row: Mapping[str, str], outlines: Mapping[int, Points]) -> Finding:
    number = int(row["id"])
    spiked = row.get("spiked") or ""
    return Finding(
        id=number,
        circle=Circle(
            float(row["x"]), float(row["y"]), float(row["radius_um"]), float(row["detection_score"])
        ),
        outline0=outlines.get(number),
        area_um2=float(row["area_um2"]),
        touches_edge=row.get("touches_edge") == "1",
        probability=_number(row, "spike_probability"),
        call=_call(row.get("call") or "", spiked),
        spike_fraction=_number(row, "spike_fraction"),
        top_tiles=_tiles(row.get("top_tiles") or ""),
        lesion=_lesion(row),
        membrane=_membrane(row),
        sharpness=_number(row, SHARPNESS),
    )


def _number(row: Mapping[str, str], column: str) -> float | None:
    cell = row.get(column) or ""
    return float(cell) if cell else None


def _call(written: str, spiked: str) -> Call | None:
    """The call, which older tables have as `spiked` only."""
    return _CALLS.get(written) or _CALLS.get({"1": "spiked", "0": "not spiked"}.get(spiked, ""))


def _tiles(cell: str) -> tuple[TopTile, ...]:
    return tuple(TopTile(*map(float, tile.split(":"))) for tile in cell.split(";") if tile)


def _membrane(row: Mapping[str, str]) -> SpikedMembrane | None:
    extent, tiles = _EXTENTS.get(row.get("extent") or ""), row.get("membrane_tiles")
    if extent is None or not tiles:
        return None
    share = _number(row, "spiked_membrane_share") or 0.0
    return SpikedMembrane(int(tiles), round(share * int(tiles)), extent)


def _lesion(row: Mapping[str, str]) -> Classification | None:
    if not row.get("lesion"):
        return None
    pairs = [part.rsplit(":", 1) for part in (row.get("lesion_probabilities") or "").split(";") if part]
    return Classification(row["lesion"], {name: float(probability) for name, probability in pairs})
