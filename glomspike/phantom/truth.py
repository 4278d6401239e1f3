"""The truth of a phantom slide as ImageScope XML, in the layers that a run writes and trainers read."""

from pathlib import Path

import cv2
import numpy as np

from glomspike.annotate.imagescope import write_layers
from glomspike.annotate.layers import Layer, Region, RegionType
from glomspike.annotate.marks import OTHER, OUTLINES, SPIKE_TILES, SPIKED
from glomspike.findings import Mpp, Points
from glomspike.phantom.glomerulus import GlomerulusPlan

BOX_PX = 50  # side of the boxes drawn around typical spikes
BOXES_PER_GLOMERULUS = 6


def write_truth(
    path: Path,
    glomeruli: tuple[GlomerulusPlan, ...],
    mpp: float,
    boxed_share: float,
    rng: np.random.Generator,
) -> None:
    """Writes each glomerulus's outline and enclosing circle, and boxes on spikes of some spiked ones.

    `boxed_share` is the share of spiked glomeruli that carry boxes of 50 × 50 pixels.
    """
    spiked: list[Region] = []
    other: list[Region] = []
    outlines: list[Region] = []
    boxes: list[Region] = []
    for number, plan in enumerate(glomeruli, start=1):
        outline = plan.capsule_um / mpp
        (x, y), radius = cv2.minEnclosingCircle(outline.astype(np.float32))
        corners = np.array([[x - radius, y - radius], [x + radius, y + radius]])
        text = f"{number}: {'spiked' if plan.spiked else 'normal'}"
        (spiked if plan.spiked else other).append(Region(RegionType.ELLIPSE, corners, text))
        outlines.append(Region(RegionType.POLYGON, outline, str(number)))
        if plan.spiked and rng.random() < boxed_share:
            boxes += [_box(centre, number) for centre in _typical(rng, plan, mpp)]
    drawn = [(SPIKED, spiked), (OTHER, other), (OUTLINES, outlines), (SPIKE_TILES, boxes)]
    layers = [Layer(style.name, style.colour, tuple(regions)) for style, regions in drawn]
    write_layers(path, layers, Mpp(mpp, mpp))


def _typical(rng: np.random.Generator, plan: GlomerulusPlan, mpp: float) -> list[Points]:
    """Middles of boxes, level-0 pixels: spikes with the most neighbours in a box, boxes apart."""
    bases = np.concatenate(plan.patches) / mpp
    order = rng.permutation(len(bases))
    near = np.abs(bases[order, None] - bases[None]).max(axis=2) < BOX_PX / 2
    chosen: list[Points] = []
    for at in order[np.argsort(-near.sum(axis=1), kind="stable")]:
        if all(np.abs(bases[at] - other).max() > BOX_PX for other in chosen):
            chosen.append(bases[at])
        if len(chosen) == BOXES_PER_GLOMERULUS:
            break
    return chosen


def _box(centre: Points, number: int) -> Region:
    half = BOX_PX / 2
    corners = centre + np.array([[-half, -half], [half, -half], [half, half], [-half, half]])
    return Region(RegionType.RECTANGLE, corners, f"{number}: spikes")
