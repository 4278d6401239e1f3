"""The truth of a phantom slide: ImageScope XML in the layers that a run writes and trainers read, and
where exactly the spikes are, as JSON beside it.

A glomerulus of whose spikes none can be seen is labelled undetermined. Everything is in level-0 pixels of the
slide.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.spatial import cKDTree

from glomspike.annotate.imagescope import write_layers
from glomspike.annotate.layers import Layer, Region, RegionType
from glomspike.annotate.marks import OTHER, OUTLINES, SPIKE_TILES, SPIKED, UNDETERMINED
from glomspike.findings import Mpp, Points
from glomspike.phantom.glomerulus import GlomerulusPlan
from glomspike.phantom.spikes import only
from glomspike.phantom.visibility import Visibility

BOX_PX = 50  # side of the boxes drawn around typical spikes
BOXES_PER_GLOMERULUS = 6


@dataclass(frozen=True, eq=False)
class SpikeTruth:
    """Where the spikes of one phantom glomerulus are."""

    number: int  # the region's text in the XML begins with it
    centre0: Points  # (2,)
    spiked: bool
    stretches0: tuple[Points, ...]  # (n, 2) each: membrane under a row of spikes, or around some seen end-on
    seen: tuple[bool, ...]  # of each stretch, whether its spikes can be seen on the picture
    spikes0: Points  # (n, 2): the middle of each spike, seen from the side or end-on
    spiked_share: float  # of the bare membrane's length, visibly so
    spikes_per_100_um: float  # of the bare membrane's length, visible ones


def read_spikes(path: Path) -> tuple[SpikeTruth, ...]:
    """The glomeruli of a phantom slide in order, from the JSON that lies beside it."""
    return tuple(
        SpikeTruth(
            entry["number"],
            np.array(entry["centre0"]),
            entry["spiked"],
            tuple(np.array(line) for line in entry["stretches0"]),
            tuple(entry.get("seen", [True] * len(entry["stretches0"]))),
            np.array(entry["spikes0"]).reshape(-1, 2),
            entry["spiked_share"],
            entry["spikes_per_100_um"],
        )
        for entry in json.loads(path.read_text(encoding="utf-8"))["glomeruli"]
    )


def write_spikes(
    path: Path, glomeruli: tuple[GlomerulusPlan, ...], visible: tuple[Visibility, ...], mpp: float
) -> None:
    """Writes what `read_spikes` reads; `visible` says of each glomerulus which stretches can be seen."""
    parts = zip(glomeruli, visible, strict=True)
    entries = [_spike_entry(number, plan, seen, mpp) for number, (plan, seen) in enumerate(parts, start=1)]
    path.write_text(json.dumps({"mpp": mpp, "glomeruli": entries}) + "\n", encoding="utf-8")


def _spike_entry(number: int, plan: GlomerulusPlan, seen: Visibility, mpp: float) -> dict[str, Any]:
    membrane_um = max(plan.membrane_um, 1.0)
    visible = only(plan.growth, seen)
    return {
        "number": number,
        "spiked": plan.spiked,
        "centre0": _rounded(plan.capsule_um.mean(axis=0) / mpp),
        "spiked_share": round(min(visible.length_um / membrane_um, 1.0), 4),
        "spikes_per_100_um": round(100 * len(visible.places_um) / membrane_um, 3),
        "stretches0": [_rounded(line_um / mpp) for line_um in plan.growth.lines_um],
        "seen": list(seen),
        "spikes0": _rounded(plan.growth.places_um / mpp),
    }


def _rounded(points: Points) -> list[Any]:
    return list(np.round(points, 1).tolist())


def write_truth(
    path: Path,
    glomeruli: tuple[GlomerulusPlan, ...],
    visible: tuple[Visibility, ...],
    mpp: float,
    boxed_share: float,
    rng: np.random.Generator,
) -> None:
    """Writes each glomerulus's outline and enclosing circle, and boxes on spikes of some spiked ones.

    `visible` says of each glomerulus which stretches can be seen; `boxed_share` is the share of spiked ones
    that carry boxes of 50 × 50 pixels.
    """
    spiked: list[Region] = []
    other: list[Region] = []
    hidden: list[Region] = []
    outlines: list[Region] = []
    boxes: list[Region] = []
    for number, (plan, seen) in enumerate(zip(glomeruli, visible, strict=True), start=1):
        outline = plan.capsule_um / mpp
        (x, y), radius = cv2.minEnclosingCircle(outline.astype(np.float32))
        corners = np.array([[x - radius, y - radius], [x + radius, y + radius]])
        label, regions = ("normal", other) if not plan.spiked else ("spiked", spiked)
        if plan.spiked and not any(seen):
            label, regions = "spikes that cannot be seen", hidden
        regions.append(Region(RegionType.ELLIPSE, corners, f"{number}: {label}"))
        outlines.append(Region(RegionType.POLYGON, outline, str(number)))
        if plan.spiked and rng.random() < boxed_share:
            places0 = only(plan.growth, seen).places_um / mpp
            boxes += [_box(centre, number) for centre in _typical(rng, places0)]
    drawn = [(SPIKED, spiked), (OTHER, other), (OUTLINES, outlines), (SPIKE_TILES, boxes)]
    drawn += [(UNDETERMINED, hidden)] if hidden else []
    layers = [Layer(style.name, style.colour, tuple(regions)) for style, regions in drawn]
    write_layers(path, layers, Mpp(mpp, mpp))


def _typical(rng: np.random.Generator, places0: Points) -> list[Points]:
    """Middles of boxes, level-0 pixels: spikes with the most neighbours in a box, boxes apart."""
    order = rng.permutation(len(places0))
    if not len(order):
        return []
    near = cKDTree(places0).query_ball_point(places0[order], BOX_PX / 2, p=np.inf, return_length=True)
    chosen: list[Points] = []
    for at in order[np.argsort(-np.asarray(near), kind="stable")]:
        if all(np.abs(places0[at] - other).max() > BOX_PX for other in chosen):
            chosen.append(places0[at])
        if len(chosen) == BOXES_PER_GLOMERULUS:
            break
    return chosen


def _box(centre: Points, number: int) -> Region:
    half = BOX_PX / 2
    corners = centre + np.array([[-half, -half], [half, -half], [half, half], [-half, half]])
    return Region(RegionType.RECTANGLE, corners, f"{number}: spikes")
