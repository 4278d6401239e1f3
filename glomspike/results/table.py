"""`glomeruli.csv`: one row per glomerulus."""

import csv
from pathlib import Path

from glomspike.findings import Classification, Glomerulus, SlideResult, SpikeScore

COLUMNS = (
    "id",
    "x",
    "y",
    "radius_um",
    "detection_score",
    "area_um2",
    "spike_probability",
    "spiked",
    "call",
    "spike_fraction",
    "tiles",
    "positive_tiles",
    "top_tiles",
    "touches_edge",
    "unreadable_tiles",
)
SHARPNESS = "sharpness"
# After those of what models classify.
LAST_COLUMNS = ("membrane_tiles", "spiked_membrane_share", "extent", SHARPNESS)


def class_columns(subject: str) -> tuple[str, str]:
    """The columns of what a model classifies, such as "lesion": the class, and the probability of each."""
    return subject, f"{subject}_probabilities"


def write_table(path: Path, result: SlideResult) -> None:
    """The glomeruli of a slide as CSV, positions in level-0 pixels of the whole slide.

    Detections classified as non-glomerular are among them, as `lesion` says; each subject that a model
    classified has two columns before the last ones. Cells that need a score are empty where
    there is none; `spiked` and `touches_edge` are 1 or 0, `call` may be uncertain too.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        subjects = dict.fromkeys(c.subject for one in result.detected for c in one.classifications)
        named = [name for subject in subjects for name in class_columns(subject)]
        columns = [*COLUMNS, *named, *LAST_COLUMNS]
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(_row(one) for one in sorted(result.detected, key=lambda one: one.id))


def _row(glomerulus: Glomerulus) -> dict[str, str]:
    circle, outline = glomerulus.circle, glomerulus.outline
    row = {
        "id": str(glomerulus.id),
        "x": f"{circle.x0:.2f}",
        "y": f"{circle.y0:.2f}",
        "radius_um": f"{circle.radius_um:.2f}",
        "detection_score": f"{circle.score:.4f}",
        "area_um2": f"{outline.area_um2:.1f}",
        "touches_edge": str(int(outline.touches_edge)),
    }
    for classification in glomerulus.classifications:
        row |= _class_cells(classification)
    if glomerulus.sharpness is not None:
        row[SHARPNESS] = f"{glomerulus.sharpness:.3f}"
    if glomerulus.spikes is not None:
        row |= _count_cells(glomerulus.spikes)
    if glomerulus.judgement is not None:
        row |= _score_cells(glomerulus.judgement)
    return row


def _class_cells(found: Classification) -> dict[str, str]:
    each = ";".join(f"{name}:{probability:.4f}" for name, probability in found.probabilities.items())
    return dict(zip(class_columns(found.subject), (found.name, each), strict=True))


def _count_cells(spikes: SpikeScore) -> dict[str, str]:
    return {
        "tiles": str(spikes.tiles),
        "positive_tiles": str(spikes.positive_tiles),
        "unreadable_tiles": str(spikes.unreadable_tiles),
    }


def _score_cells(spikes: SpikeScore) -> dict[str, str]:
    top = ";".join(f"{tile.x0:.1f}:{tile.y0:.1f}:{tile.probability:.4f}" for tile in spikes.top_tiles)
    return {
        "spike_probability": f"{spikes.probability:.6f}",
        "spiked": str(int(spikes.spiked)),
        "call": spikes.call,
        "spike_fraction": f"{spikes.fraction:.4f}",
        "top_tiles": top,
        "membrane_tiles": str(spikes.membrane.tiles),
        "spiked_membrane_share": f"{spikes.membrane.share:.4f}" if spikes.membrane.tiles else "",
        "extent": spikes.membrane.extent,
    }
