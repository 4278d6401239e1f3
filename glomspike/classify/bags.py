"""The bags that classifiers learn from: a glomerulus's tiles, its label, and where spikes are known to be."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from glomspike.classify.tiles import TileGrid, Tiling, cut_tiles
from glomspike.errors import SamplesError
from glomspike.findings import Outline, Points
from glomspike.geometry.circles import circle_polygon
from glomspike.geometry.raster import inside_outline
from glomspike.learn.samples import Sample
from glomspike.learn.truth import TrueGlomerulus, slide_truth
from glomspike.metrics.localisation import certain_length
from glomspike.slide.field import Field, read_field
from glomspike.slide.reader import Slide, open_slide

# The segmenter's outlines are not exact: what lies just outside the capsule must be learnt as no spikes too.
SLACK_UM = 10.0
WHITE = 254  # grey level of what lies outside a slide, or was blanked


@dataclass(frozen=True, eq=False)
class Bag:
    """One labelled glomerulus: its tiles are the instances.

    `boxes_px` (n, 2) are the middles of the boxes drawn on its spikes, `stretches_px` the lines (k, 2) along
    which they are known to stand visibly, `hidden_px` those where they cannot be seen, in pixels of the
    grid's field.
    """

    grid: TileGrid
    boxes_px: Points
    stretches_px: tuple[Points, ...]
    spiked: bool
    patient: str
    source: str
    hidden_px: tuple[Points, ...] = ()

    @cached_property
    def spiked_px(self) -> NDArray[np.float64]:
        """The length of spiked stretch in each tile (n,), NaN where that cannot be seen or is not known."""
        if self.spiked and not self.stretches_px:
            return np.full(len(self.grid.corners_px), np.nan)
        corners_px = self.grid.corners_px.astype(np.float64)
        return certain_length(corners_px, self.grid.tile_px, self.stretches_px, self.hidden_px)


def load_bags(samples: Sequence[Sample], mpp: float, tiling: Tiling) -> list[Bag]:
    """The bags of all glomeruli labelled spiked or normal, at `mpp` µm/px; undetermined ones are omitted.

    A glomerulus without an outline is taken to fill its circle. Raises SamplesError for a picture that
    cannot be used.
    """
    with ThreadPoolExecutor(4) as pool:
        return [
            bag for bags in pool.map(lambda sample: _bags_of(sample, mpp, tiling), samples) for bag in bags
        ]


def count_undetermined(samples: Sequence[Sample]) -> int:
    """How many glomeruli are marked of which it cannot be said whether they have spikes."""
    count = 0
    for sample in samples:
        with open_slide(sample.image, sample.mpp) as slide:
            count += sum(one.label == "undetermined" for one in slide_truth(sample, slide.facts).glomeruli)
    return count


def with_label(glomeruli: Sequence[TrueGlomerulus]) -> list[TrueGlomerulus]:
    """Those labelled spiked or normal, of each of which there is a bag."""
    return [one for one in glomeruli if one.label in ("spiked", "normal")]


def _bags_of(sample: Sample, mpp: float, tiling: Tiling) -> list[Bag]:
    with open_slide(sample.image, sample.mpp) as slide:
        truth = slide_truth(sample, slide.facts)
        labelled = with_label(truth.glomeruli)
        if labelled and max(slide.facts.mpp.x, slide.facts.mpp.y) > 2.4 * mpp:
            scale = f"{slide.facts.mpp.mean:.2f} µm/px"
            raise SamplesError(sample.image, f"{scale} is too coarse for spikes", "remove it from this table")
        whole = _LabelledSlide(sample, slide, truth.spike_boxes_px, _Lines.beside(sample.image))
        return [_bag(whole, glomerulus, mpp, tiling) for glomerulus in labelled]


@dataclass(frozen=True)
class _Lines:
    """Lines (k, 2) along which spikes stand, in level-0 pixels: where they can be seen, and where not."""

    seen0: tuple[Points, ...] = ()
    hidden0: tuple[Points, ...] = ()

    @classmethod
    def beside(cls, image: Path) -> "_Lines":
        """Those of the JSON that lies beside phantoms; in others, all spikes are visible."""
        path = image.with_suffix(".json")
        if not path.is_file():
            return cls()
        lines: dict[bool, list[Points]] = {True: [], False: []}
        # Other programs write JSON of that name too; theirs has no such key.
        for one in json.loads(path.read_bytes()).get("glomeruli", []):
            for line, seen in zip_longest(one["stretches0"], one.get("seen", ()), fillvalue=True):
                lines[bool(seen)].append(np.array(line, dtype=np.float64))
        return cls(tuple(lines[True]), tuple(lines[False]))


@dataclass(frozen=True, eq=False)
class _LabelledSlide:
    """A picture with all that is known of spikes on it, in level-0 pixels."""

    sample: Sample
    slide: Slide
    boxes0: Points
    lines: _Lines


def _bag(whole: _LabelledSlide, glomerulus: TrueGlomerulus, mpp: float, tiling: Tiling) -> Bag:
    slide, sample = whole.slide, whole.sample
    outline0 = _grown(_outline0(glomerulus), SLACK_UM / slide.facts.mpp.mean)
    low0, high0 = outline0.min(axis=0), outline0.max(axis=0)
    scale0 = np.array([mpp / slide.facts.mpp.x, mpp / slide.facts.mpp.y])
    corner0 = low0 - tiling.tile_px / 2 * scale0
    width_px, height_px = (np.ceil((high0 - low0) / scale0) + tiling.tile_px).astype(int).tolist()
    field = read_field(slide, corner0[0], corner0[1], width_px, height_px, mpp)
    outline = Outline(outline0, 0.0, False)
    place = f"{glomerulus.x_px:.0f}, {glomerulus.y_px:.0f}"
    if _is_blank(field, outline):
        cause = f"shows nothing but white at {place}, where a glomerulus is marked"
        raise SamplesError(sample.image, cause, "give the annotations of this picture, or delete that one")
    middles0 = _tile_middles(whole.boxes0, tiling.tile_px * scale0)
    polygon = shapely.Polygon(outline0)

    def within(lines0: tuple[Points, ...]) -> tuple[Points, ...]:
        return tuple(field.frame.from_level0(line) for line in lines0 if _any_inside(polygon, line))

    own0 = middles0[shapely.contains_xy(polygon, middles0[:, 0], middles0[:, 1])]
    return Bag(
        cut_tiles(field, outline, tiling),
        field.frame.from_level0(own0),
        within(whole.lines.seen0),
        glomerulus.label == "spiked",
        sample.patient,
        f"{sample.image.name} at {place}",
        within(whole.lines.hidden0),
    )


def _is_blank(field: Field, outline: Outline) -> bool:
    """Whether all that could be read inside an outline is white."""
    seen = inside_outline(outline, field.frame, field.readable.shape) & field.readable
    return bool(seen.any() and (field.pixels[seen] >= WHITE).all())


def _tile_middles(boxes0: Points, tile0: Points) -> Points:
    """The middles (n, 2) of the tiles known to show spikes: one of a box, several of one that is much larger.

    `boxes0` (m, 4) are x, y, width, height, and `tile0` is width and height of a tile. Tiles lie half a tile
    apart, as a large box is never drawn so that all of it is spikes.
    """
    middles = [np.zeros((0, 2))]
    for x0, y0, width0, height0 in boxes0.tolist():
        columns, rows = (
            max(1, int(side / tile / 1.5)) for side, tile in zip((width0, height0), tile0, strict=True)
        )
        x, y = np.meshgrid((np.arange(columns) + 0.5) / columns, (np.arange(rows) + 0.5) / rows)
        middles.append(np.array([x0, y0]) + np.stack([x.ravel(), y.ravel()], axis=1) * [width0, height0])
    return np.concatenate(middles)


def _any_inside(polygon: shapely.Polygon, line: Points) -> bool:
    return bool(shapely.contains_xy(polygon, line[:, 0], line[:, 1]).any())


def _grown(outline0: Points, by0: float) -> Points:
    return np.asarray(shapely.Polygon(outline0).buffer(by0).exterior.coords, dtype=np.float64)[:-1]


def _outline0(glomerulus: TrueGlomerulus) -> Points:
    if glomerulus.outline_px is not None:
        return glomerulus.outline_px
    return circle_polygon(glomerulus.x_px, glomerulus.y_px, glomerulus.radius_px, 90)
