"""`glomeruli.csv`: one row per glomerulus."""

import csv
from pathlib import Path

from glomspike.findings import Glomerulus, Lesion, SlideResult, SpikeScore

COLUMNS = (
    "id",
    "x",
    "y",
    "radius_um",
    "detection_score",
    "area_um2",
    "spike_probability",
    "spiked",
    "spike_fraction",
    "tiles",
    "positive_tiles",
    "top_tiles",
    "touches_edge",
    "unreadable_tiles",
)
LESION_COLUMNS = ("lesion", "lesion_probabilities")  # where there are weights to tell lesions


def write_table(path: Path, result: SlideResult) -> None:
    """The glomeruli of a slide as CSV, positions in level-0 pixels of the whole slide.

    What was detected and is none stands among them, as `lesion` says. Cells that need a score are empty where
    there is none; `spiked` and `touches_edge` are 1 or 0.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        told = any(one.lesion is not None for one in result.detected)
        columns = COLUMNS + LESION_COLUMNS if told else COLUMNS
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
    if glomerulus.lesion is not None:
        row |= _lesion_cells(glomerulus.lesion)
    if glomerulus.spikes is not None:
        row |= _count_cells(glomerulus.spikes)
    if glomerulus.judgement is not None:
        row |= _score_cells(glomerulus.judgement)
    return row


def _lesion_cells(lesion: Lesion) -> dict[str, str]:
    each = ";".join(f"{name}:{probability:.4f}" for name, probability in lesion.probabilities.items())
    return {"lesion": lesion.name, "lesion_probabilities": each}


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
        "spike_fraction": f"{spikes.fraction:.4f}",
        "top_tiles": top,
    }
