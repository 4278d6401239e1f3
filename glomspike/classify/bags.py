"""The bags that MSA-MIL learns from: a glomerulus's tiles, its label, and the tiles known to show spikes."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import shapely

from glomspike.classify.tiles import TILE_PX, TileGrid, cut_tiles
from glomspike.errors import SamplesError
from glomspike.findings import RGB, Outline, Points
from glomspike.samples import Sample
from glomspike.slide.field import read_field
from glomspike.slide.reader import Slide, open_slide
from glomspike.truth import TrueGlomerulus, Truth, slide_truth

# The segmenter's outlines are not exact: what lies just outside the capsule must be learnt as no spikes too.
SLACK_UM = 10.0


@dataclass(frozen=True, eq=False)
class Bag:
    """One labelled glomerulus: its tiles are the instances.

    `boxes_px` (n, 2) are the middles of the boxes drawn on its spikes, in pixels of the grid's field.
    """

    grid: TileGrid
    boxes_px: Points
    spiked: bool
    patient: str
    source: str

    def around(self, x_px: float, y_px: float) -> RGB:
        """The tile (50, 50, 3) whose middle is nearest to a point of the field."""
        height, width = self.grid.pixels.shape[:2]
        left = int(np.clip(round(x_px - TILE_PX / 2), 0, width - TILE_PX))
        top = int(np.clip(round(y_px - TILE_PX / 2), 0, height - TILE_PX))
        return self.grid.pixels[top : top + TILE_PX, left : left + TILE_PX]


def load_bags(samples: Sequence[Sample], mpp: float) -> list[Bag]:
    """The bags of all glomeruli labelled spiked or normal, at `mpp` µm/px; undetermined ones are left out.

    A glomerulus without an outline is taken to fill its circle. Raises SamplesError for a picture that
    cannot be used.
    """
    with ThreadPoolExecutor(4) as pool:
        return [bag for bags in pool.map(lambda sample: _bags_of(sample, mpp), samples) for bag in bags]


def _bags_of(sample: Sample, mpp: float) -> list[Bag]:
    with open_slide(sample.image, sample.mpp) as slide:
        if max(slide.facts.mpp.x, slide.facts.mpp.y) > 2.4 * mpp:
            scale = f"{slide.facts.mpp.mean:.2f} µm/px"
            raise SamplesError(
                sample.image, f"{scale} is too coarse for spikes", "leave it out of this table"
            )
        truth = slide_truth(sample, slide.facts)
        labelled = [g for g in truth.glomeruli if g.label in ("spiked", "normal")]
        return [_bag(sample, slide, truth, glomerulus, mpp) for glomerulus in labelled]


def _bag(sample: Sample, slide: Slide, truth: Truth, glomerulus: TrueGlomerulus, mpp: float) -> Bag:
    outline0 = _grown(_outline0(glomerulus), SLACK_UM / slide.facts.mpp.mean)
    low0, high0 = outline0.min(axis=0), outline0.max(axis=0)
    scale0 = np.array([mpp / slide.facts.mpp.x, mpp / slide.facts.mpp.y])
    corner0 = low0 - TILE_PX / 2 * scale0
    width_px, height_px = (np.ceil((high0 - low0) / scale0) + TILE_PX).astype(int).tolist()
    field = read_field(slide, corner0[0], corner0[1], width_px, height_px, mpp)
    outline = Outline(outline0, 0.0, False)
    middles0 = truth.spike_boxes_px[:, :2] + truth.spike_boxes_px[:, 2:] / 2
    polygon = shapely.Polygon(outline0)
    own0 = middles0[shapely.contains_xy(polygon, middles0[:, 0], middles0[:, 1])]
    return Bag(
        cut_tiles(field, outline),
        field.frame.from_level0(own0),
        glomerulus.label == "spiked",
        sample.patient,
        f"{sample.image.name} at {glomerulus.x_px:.0f}, {glomerulus.y_px:.0f}",
    )


def _grown(outline0: Points, by0: float) -> Points:
    return np.asarray(shapely.Polygon(outline0).buffer(by0).exterior.coords, dtype=np.float64)[:-1]


def _outline0(glomerulus: TrueGlomerulus) -> Points:
    if glomerulus.outline_px is not None:
        return glomerulus.outline_px
    turn = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    circle = glomerulus.radius_px * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return np.asarray(circle + np.array([glomerulus.x_px, glomerulus.y_px]), dtype=np.float64)
