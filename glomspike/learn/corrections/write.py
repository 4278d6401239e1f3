"""A corrected slide's samples as files: pictures, masks, annotations, and its rows of `samples.csv`."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from glomspike.annotate.imagescope import write_layers
from glomspike.annotate.layers import Layer, Region, RegionType
from glomspike.annotate.marks import OTHER, SPIKE_TILES, SPIKED, UNDETERMINED, Style, lesion_style
from glomspike.annotate.meaning import Meaning, read_meaning
from glomspike.annotate.shapes import Shape
from glomspike.errors import SamplesError
from glomspike.findings import RGB, Label, Mask, Mpp, Outline, Points
from glomspike.geometry.raster import inside_outline, vertices
from glomspike.learn.corrections.fields import FieldPlan, plan_fields
from glomspike.learn.corrections.glass import without_glass
from glomspike.results.files import replace_file
from glomspike.results.png import write_grey
from glomspike.slide.field import Field, read_field
from glomspike.slide.fingerprint import fingerprint
from glomspike.slide.reader import Slide, open_slide
from glomspike.slide.resolution import can_be_scored, why_unscored
from glomspike.slide.tissue import find_tissue
from glomspike.tables import read_table

TABLE, FINGERPRINT = "samples.csv", "fingerprint.txt"
COLUMNS = ("image", "mpp", "mask", "xml", "label", "patient")
FILES = ("image", "mask", "xml")  # the columns that name files
STYLES: dict[Label, Style] = {"spiked": SPIKED, "normal": OTHER, "undetermined": UNDETERMINED}
JPEG_OPTIONS = (
    cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
)  # fmt: skip

Row = dict[str, str]


@dataclass(frozen=True)
class CorrectedSlide:
    """A slide, its corrected annotations, the folder below OUT for its samples, and whose tissue it is.

    Where `patient` is None it is the patient of whom the table in OUT has it already, else a new one,
    named after the folder.
    """

    slide: Path
    annotations: Path
    folder: str
    patient: str | None


@dataclass(frozen=True)
class WrittenSamples:
    """What became of a slide: its fields, its glomeruli by label, and what was not taken as it stands."""

    fields: int
    glomeruli: dict[Label, int]
    outlined: int
    boxes: int
    notes: tuple[str, ...]


def write_samples(corrected: CorrectedSlide, out: Path, mpp: float | None) -> WrittenSamples:
    """Writes a slide's samples into `OUT/folder/` and its rows into `OUT/samples.csv`.

    What an earlier call wrote for the same slide is replaced, other rows stay. `mpp` is for a slide without
    a scale. Raises SlideError; AnnotationError for annotations that cannot be read or are of another slide;
    SamplesError where OUT holds something else.
    """
    with open_slide(corrected.slide, mpp) as slide:
        meant = _scorable(read_meaning(corrected.annotations, slide.facts, slide.path), slide.facts.mpp)
        tissue = find_tissue(slide)
        meant = without_glass(meant, slide, tissue, corrected.annotations)
        before = _rows_before(out / TABLE)
        _claim(out / corrected.folder, slide)
        patient = corrected.patient or _patient_before(before, corrected.folder)
        plans = plan_fields(slide.facts, meant, tissue)
        numbered = enumerate(plans, start=1)
        rows = [_write_field(slide, plan, meant, out, corrected.folder, number) for number, plan in numbered]
    written = [row | {"patient": patient} for row in rows if row is not None]
    _replace_rows(out, before, corrected.folder, written)
    notes = (*slide.notes, *meant.notes)
    if unreadable := len(rows) - len(written):
        notes += (f"fields that could not be read from the slide, omitted: {unreadable}",)
    labels = [one.label or "undetermined" for one in meant.glomeruli]
    outlined = sum(one.outline0 is not None for one in meant.glomeruli)
    return WrittenSamples(
        len(written), {label: labels.count(label) for label in STYLES}, outlined, len(meant.boxes0), notes
    )


def _scorable(meant: Meaning, mpp: Mpp) -> Meaning:
    """The same without labels where the slide is too coarse to see spikes."""
    if can_be_scored(mpp):
        return meant
    unlabelled = tuple(replace(one, label="undetermined") for one in meant.glomeruli)
    note = f"no labels for the classifier: {why_unscored(mpp)}"
    return replace(meant, glomeruli=unlabelled, boxes0=np.zeros((0, 4)), notes=(*meant.notes, note))


def _claim(place: Path, slide: Slide) -> None:
    """Makes the folder of a slide's samples. Raises SamplesError where another slide of its name has it."""
    for kind in ("images", "masks", "annotations"):
        (place / kind).mkdir(parents=True, exist_ok=True)
    mark = place / FINGERPRINT
    digest = fingerprint(slide.path)
    if mark.exists() and mark.read_text(encoding="ascii") != digest:
        cause = f"holds samples of another slide named {place.name}"
        raise SamplesError(place, cause, "choose another --out, and train on both tables")
    mark.write_text(digest, encoding="ascii")


def _write_field(
    slide: Slide, plan: FieldPlan, meant: Meaning, out: Path, place: str, number: int
) -> Row | None:
    """The files below `OUT/place/` and the row of a field, None where a part of it cannot be read."""
    left, top, right, bottom = plan.box0.bounds
    width_px = round((right - left) * slide.facts.mpp.x / plan.mpp)
    height_px = round((bottom - top) * slide.facts.mpp.y / plan.mpp)
    field = read_field(slide, left, top, width_px, height_px, plan.mpp)
    if not field.readable.all():
        return None
    row = dict.fromkeys(COLUMNS, "") | {"mpp": f"{plan.mpp:.6g}"}
    row |= {"image": f"{place}/images/{number:04d}.jpg", "xml": f"{place}/annotations/{number:04d}.xml"}
    bgr = cv2.cvtColor(_blanked(field, meant), cv2.COLOR_RGB2BGR)
    (out / row["image"]).write_bytes(cv2.imencode(".jpg", bgr, JPEG_OPTIONS)[1].tobytes())
    outlines0 = [one.outline0 for one in plan.inside + plan.others if one.outline0 is not None]
    if outlines0:
        row["mask"] = f"{place}/masks/{number:04d}.png"
        write_grey(out / row["mask"], _mask(outlines0, field))
    write_layers(out / row["xml"], _layers(plan, meant, field), Mpp(plan.mpp, plan.mpp))
    labels = {one.label for one in plan.inside}
    if len(labels) == 1 and not plan.others:
        row["label"] = labels.pop() or ""
    return row


def _blanked(field: Field, meant: Meaning) -> RGB:
    """The field's pixels, white where nothing is known of glomeruli."""
    known = np.full(field.readable.shape, not meant.areas0)
    for area0 in meant.areas0:
        known |= _inside(vertices(area0), field)
    for unclear0 in meant.unclear0:
        known &= ~_inside(vertices(unclear0), field)
    return np.where(known[..., None], field.pixels, np.uint8(255))


def _mask(outlines0: Sequence[Points], field: Field) -> NDArray[np.uint8]:
    """255 inside outlines; those that touch are parted by a pixel, since each is a separate region."""
    mask = np.zeros(field.readable.shape, np.uint8)
    for outline0 in outlines0:
        mask[_inside(outline0, field) & (cv2.dilate(mask, np.ones((3, 3), np.uint8)) == 0)] = 255
    return mask


def _inside(polygon0: Points, field: Field) -> Mask:
    return inside_outline(Outline(polygon0, 0.0, False), field.frame, field.readable.shape)


def _layers(plan: FieldPlan, meant: Meaning, field: Field) -> list[Layer]:
    """Circles by label, boxes on spikes, and lesions, in the field's pixels.

    Of other glomeruli, whose field is another one, nothing but that they are there.
    """
    whole = [(one, one.label or "undetermined") for one in plan.inside]
    others = [one for one in plan.others if one.outline0 is None and _has(plan.box0, *one.circle0[:2])]
    labelled: list[tuple[Shape, Label]] = [*whole, *((one, "undetermined") for one in others)]
    regions: dict[Style, list[Region]] = {style: [] for style in (*STYLES.values(), SPIKE_TILES)}
    for number, (one, label) in enumerate(labelled, start=1):
        x0, y0, radius0 = one.circle0
        corners0 = np.array([[x0 - radius0, y0 - radius0], [x0 + radius0, y0 + radius0]])
        ellipse = Region(RegionType.ELLIPSE, field.frame.from_level0(corners0), f"{number}: {label}")
        regions[STYLES[label]].append(ellipse)
    for x0, y0, width0, height0 in meant.boxes0.tolist():
        if any(one.holds(x0 + width0 / 2, y0 + height0 / 2) for one in plan.inside):
            steps = np.array([[0, 0], [width0, 0], [width0, height0], [0, height0]])
            corners = field.frame.from_level0(np.array([x0, y0]) + steps)
            regions[SPIKE_TILES].append(Region(RegionType.RECTANGLE, corners, "spikes"))
    for one in plan.inside:
        if one.lesion is not None:
            regions.setdefault(lesion_style(one.lesion), []).append(_outlined(one, field))
    return [Layer(style.name, style.colour, tuple(drawn)) for style, drawn in regions.items()]


def _outlined(glomerulus: Shape, field: Field) -> Region:
    """A glomerulus's outline, or the square around its circle, in the field's pixels."""
    x0, y0, radius0 = glomerulus.circle0
    square0 = np.array([x0, y0]) + radius0 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    outline0 = square0 if glomerulus.outline0 is None else glomerulus.outline0
    return Region(RegionType.POLYGON, field.frame.from_level0(outline0), f"{glomerulus.lesion}")


def _has(box0: shapely.Polygon, x0: float, y0: float) -> bool:
    return bool(shapely.contains_xy(box0, x0, y0))


def _rows_before(table: Path) -> list[Row]:
    """The rows of a table that stands there already. Raises SamplesError for one that is not ours."""
    if not table.exists():
        return []
    read = read_table(table)
    if read.columns != COLUMNS:
        cause = "is not a table that `glomspike samples` wrote"
        raise SamplesError(table, cause, "choose another --out, and train on both tables")
    return [row.cells for row in read.rows]


def _patient_before(rows: Sequence[Row], folder: str) -> str:
    """Whose tissue a slide was when its samples were last made; of a new one, a patient named as its folder.

    A slide that is corrected further must not become another patient's because its patient was not typed.
    """
    ours = (row["patient"] for row in rows if row["image"].startswith(f"{folder}/images/"))
    return next(ours, folder)


def _replace_rows(out: Path, before: Sequence[Row], folder: str, rows: Sequence[Row]) -> None:
    """The table with a slide's new rows, without its old ones and the files that only those named."""
    ours = f"{folder}/images/"
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows([row for row in before if not row["image"].startswith(ours)])
    table.writerows(rows)
    replace_file(out / TABLE, text.getvalue().encode())
    named = {row[column] for row in rows for column in FILES}
    old = {row[column] for row in before if row["image"].startswith(ours) for column in FILES}
    for name in old - named - {""}:
        (out / name).unlink(missing_ok=True)
