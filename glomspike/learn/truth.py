"""The pictures that a samples table names, with the glomeruli and spikes annotated on them.

Everything is in pixels of the loaded picture (`_px`), pixel 0 spanning 0 to 1; for `slide_truth` these
are level-0 pixels.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np
import shapely

from glomspike.annotate.meaning import read_meaning
from glomspike.annotate.shapes import LARGEST_GLOMERULUS_UM, Shape
from glomspike.errors import SamplesError
from glomspike.findings import RGB, Label, Mpp, Points, SlideFacts
from glomspike.geometry.circles import enclosing_circle
from glomspike.geometry.raster import traced, vertices
from glomspike.learn.samples import Sample
from glomspike.slide.field import read_field
from glomspike.slide.mask import read_mask
from glomspike.slide.reader import open_slide, open_source, read_picture

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})
TIFF_SUFFIXES = frozenset({".tif", ".tiff"})
# Specks of an annotation are slips of the hand or of thresholding, not glomeruli.
LEAST_REGION_PX = 16
USUAL_MPP = 0.25


@dataclass(frozen=True, eq=False)
class TrueGlomerulus:
    """One annotated glomerulus: its enclosing circle; outline (n, 2), label and lesion where it has them."""

    x_px: float
    y_px: float
    radius_px: float
    outline_px: Points | None
    label: Label | None = None
    lesion: str | None = None


@dataclass(frozen=True, eq=False)
class Truth:
    """What is annotated on one picture: glomeruli, and spike boxes (m, 4) as x, y, width, height."""

    glomeruli: tuple[TrueGlomerulus, ...]
    spike_boxes_px: Points

    def scaled(self, factor_x: float, factor_y: float) -> "Truth":
        """The same truth on a picture so many times as wide and as high."""
        factors = np.array([factor_x, factor_y])
        mean = float(np.sqrt(factor_x * factor_y))
        glomeruli = tuple(
            replace(
                g,
                x_px=g.x_px * factor_x,
                y_px=g.y_px * factor_y,
                radius_px=g.radius_px * mean,
                outline_px=None if g.outline_px is None else g.outline_px * factors,
            )
            for g in self.glomeruli
        )
        return Truth(glomeruli, self.spike_boxes_px * np.tile(factors, 2))


@dataclass(frozen=True, eq=False)
class Picture:
    """A sample's pixels with its truth in the same pixels; `mpp` is None where the scale is lost."""

    sample: Sample
    pixels: RGB
    mpp: float | None
    truth: Truth

    @property
    def circles_px(self) -> Points:
        """The true circles (n, 3) as x, y, radius."""
        return np.array([(g.x_px, g.y_px, g.radius_px) for g in self.truth.glomeruli]).reshape(-1, 3)


def load_pictures(samples: Sequence[Sample], mpp: float | None) -> list[Picture]:
    """`load_picture` of each sample, in order, several at a time."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(load_picture, samples, [mpp] * len(samples)))


def is_plain(sample: Sample) -> bool:
    """Whether the image is a plain picture, which needs no scale; all else is opened as a slide.

    A TIFF is one where neither it nor the table states a scale, and it is not tiled as slides are.
    """
    suffix = sample.image.suffix.lower()
    if suffix not in TIFF_SUFFIXES or sample.mpp is not None:
        return suffix in PICTURE_SUFFIXES
    source = open_source(sample.image)
    source.close()
    return source.vendor == "picture" and source.mpp is None


def load_picture(sample: Sample, mpp: float | None = None) -> Picture:
    """A sample's picture with its truth, brought to `mpp` µm/px where its scale is known.

    Without `mpp`, or where the scale is lost, the pixels are those of the image. Raises SamplesError for a
    mask of another size, SlideError for a picture, mask or slide that cannot be read.
    """
    if not is_plain(sample):
        return _load_slide(sample, mpp)
    pixels = read_picture(sample.image)
    truth = slide_truth(sample, _plain(pixels.shape[1], pixels.shape[0], sample.mpp))
    if mpp is None or sample.mpp is None:
        return Picture(sample, pixels, sample.mpp, truth)
    factor = sample.mpp / mpp
    return Picture(sample, resized(pixels, factor), mpp, truth.scaled(factor, factor))


def _load_slide(sample: Sample, mpp: float | None) -> Picture:
    with open_slide(sample.image, sample.mpp) as slide:
        facts = slide.facts
        wanted = facts.mpp.mean if mpp is None else mpp
        factor_x, factor_y = facts.mpp.x / wanted, facts.mpp.y / wanted
        size_px = round(facts.width0 * factor_x), round(facts.height0 * factor_y)
        pixels = read_field(slide, 0, 0, *size_px, wanted).pixels
        return Picture(sample, pixels, wanted, slide_truth(sample, facts).scaled(factor_x, factor_y))


def slide_truth(sample: Sample, slide: SlideFacts) -> Truth:
    """What a sample's mask and annotations say of a slide or picture, in its level-0 pixels.

    Raises SamplesError for a mask, AnnotationError for annotations that cannot be used.

    Label and lesion of the row, where it has them, are those of all its glomeruli; else each has those of the
    layers that it is drawn in.
    """
    glomeruli = [] if sample.mask is None else _from_mask(sample, slide)
    boxes = np.zeros((0, 4))
    if sample.xml is not None:
        meant = read_meaning(sample.xml, slide)
        if meant.areas0 or meant.unclear0:
            cause = "does not annotate some parts of the slide"
            raise SamplesError(
                sample.xml, cause, "make fields of the annotated parts with `glomspike samples`"
            )
        drawn, boxes = [_annotated(shape) for shape in meant.glomeruli], meant.boxes0
        # A glomerulus may be in both: the mask is the finer of the two, and says nothing about spikes.
        glomeruli = [_labelled(one, drawn) for one in glomeruli] + _not_among(drawn, glomeruli)
    if sample.label is not None:
        glomeruli = [replace(glomerulus, label=sample.label) for glomerulus in glomeruli]
    if sample.lesion is not None:
        glomeruli = [replace(glomerulus, lesion=sample.lesion) for glomerulus in glomeruli]
    return Truth(tuple(glomeruli), boxes)


def resized(pixels: RGB, factor: float) -> RGB:
    """The picture `factor` times as high and wide, rounded, antialiased where it shrinks."""
    if factor == 1:
        return pixels
    size = (max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor)))
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, size, interpolation=way), dtype=np.uint8)


def _plain(width_px: int, height_px: int, mpp: float | None) -> SlideFacts:
    """A plain picture as a separate slide; its scale plays no part in where things are.

    Where that is lost, shapes are measured as at the usual 0.25 µm/px, or finer where the whole of a large
    picture could not be one glomerulus otherwise.
    """
    lost = min(USUAL_MPP, LARGEST_GLOMERULUS_UM / max(width_px, height_px))
    scale = Mpp(mpp or lost, mpp or lost)
    return SlideFacts("", "generic", width_px, height_px, scale, 0, 0, width_px, height_px)


def _from_mask(sample: Sample, slide: SlideFacts) -> list[TrueGlomerulus]:
    assert sample.mask is not None
    marked = read_mask(sample.mask)
    height_px, width_px = marked.shape
    if (width_px, height_px) != (slide.width0, slide.height0):
        cause = f"mask is {width_px} x {height_px}, its image is {slide.width0} x {slide.height0}"
        raise SamplesError(sample.mask, cause, "make them the same size; EXIF turns are not applied")
    count, labels, stats, _ = cv2.connectedComponentsWithStats(marked.astype(np.uint8))
    found = []
    for label in range(1, count):
        left, top, width, height, area = stats[label]
        region = labels[top : top + height, left : left + width] == label
        polygon = traced(region.astype(np.float32)) if area >= LEAST_REGION_PX else None
        if polygon is not None:
            found.append(outlined(vertices(polygon) + np.array([left, top])))
    return found


def outlined(polygon_px: Points) -> TrueGlomerulus:
    """A glomerulus of an outline: its circle is the least one that encloses it."""
    return TrueGlomerulus(*enclosing_circle(polygon_px), polygon_px)


def _annotated(shape: Shape) -> TrueGlomerulus:
    return TrueGlomerulus(*shape.circle0, shape.outline0, shape.label, shape.lesion)


def _labelled(outline: TrueGlomerulus, drawn: list[TrueGlomerulus]) -> TrueGlomerulus:
    """The glomerulus of a mask with the label and lesion of what is drawn on it."""
    polygon = shapely.Polygon(outline.outline_px)
    inside = [one for one in drawn if shapely.contains_xy(polygon, one.x_px, one.y_px)]
    label = next((one.label for one in inside if one.label), None)
    lesion = next((one.lesion for one in inside if one.lesion), None)
    return replace(outline, label=label, lesion=lesion)


def _not_among(candidates: list[TrueGlomerulus], known: list[TrueGlomerulus]) -> list[TrueGlomerulus]:
    """The candidates whose centre lies in none of the known outlines."""
    polygons = [shapely.Polygon(k.outline_px) for k in known if k.outline_px is not None]
    return [c for c in candidates if not any(shapely.contains_xy(p, c.x_px, c.y_px) for p in polygons)]
