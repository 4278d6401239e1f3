"""The pictures that a samples table names, with the glomeruli and spikes annotated on them.

Everything is in pixels of the loaded picture (`_px`), pixel 0 spanning 0 to 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import shapely

from glomspike.annotate.imagescope import read_imagescope
from glomspike.annotate.layers import Layer, RegionType
from glomspike.annotate.marks import OTHER, SPIKED
from glomspike.errors import SamplesError
from glomspike.findings import RGB, Points, SlideFacts
from glomspike.samples import Label, Sample
from glomspike.slide.reader import open_slide

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp"})
# Specks of an annotation are slips of the hand or of thresholding, not glomeruli.
LEAST_REGION_PX = 16
LABEL_OF_LAYER: dict[str, Label] = {SPIKED.name: "spiked", OTHER.name: "normal"}


@dataclass(frozen=True, eq=False)
class TrueGlomerulus:
    """One annotated glomerulus: its enclosing circle, its outline (n, 2) where one was drawn, its label."""

    x_px: float
    y_px: float
    radius_px: float
    outline_px: Points | None
    label: Label | None = None

    def scaled(self, factor: float) -> "TrueGlomerulus":
        """The same glomerulus on a picture `factor` times as large."""
        outline = None if self.outline_px is None else self.outline_px * factor
        return TrueGlomerulus(self.x_px * factor, self.y_px * factor, self.radius_px * factor, outline, self.label)


@dataclass(frozen=True, eq=False)
class Truth:
    """What is annotated on one picture: glomeruli, and spike boxes (m, 4) as x, y, width, height."""

    glomeruli: tuple[TrueGlomerulus, ...]
    spike_boxes_px: Points

    def scaled(self, factor: float) -> "Truth":
        """The same truth on a picture `factor` times as large."""
        glomeruli = tuple(glomerulus.scaled(factor) for glomerulus in self.glomeruli)
        return Truth(glomeruli, self.spike_boxes_px * factor)


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


def load_picture(sample: Sample, mpp: float | None = None) -> Picture:
    """A sample's picture with its truth, brought to `mpp` µm/px where its scale is known.

    Without `mpp`, or where the scale is lost, the pixels are the image's own. Raises SamplesError for a
    file that is not what the table says.
    """
    if sample.image.suffix.lower() not in PICTURE_SUFFIXES:
        return _load_slide(sample, mpp)
    pixels = _read_rgb(sample)
    truth = read_truth(sample, pixels.shape[1], pixels.shape[0])
    if mpp is None or sample.mpp is None:
        return Picture(sample, pixels, sample.mpp, truth)
    factor = sample.mpp / mpp
    return Picture(sample, resized(pixels, factor), mpp, truth.scaled(factor))


def _load_slide(sample: Sample, mpp: float | None) -> Picture:
    """A whole slide at `mpp` µm/px, or at its finest level; level-0 pixels must be square."""
    with open_slide(sample.image, sample.mpp) as slide:
        facts = slide.facts
        wanted = facts.mpp.mean if mpp is None else mpp
        pixels = slide.read(0, 0, facts.width0, facts.height0, wanted)
        return Picture(sample, pixels, wanted, slide_truth(sample, facts).scaled(facts.mpp.mean / wanted))


def slide_truth(sample: Sample, facts: SlideFacts) -> Truth:
    """What a sample's mask and XML say of a slide, in level-0 pixels."""
    return read_truth(sample, facts.width0, facts.height0)


def resized(pixels: RGB, factor: float) -> RGB:
    """A picture `factor` times as large, antialiased where it shrinks."""
    if factor == 1:
        return pixels
    size = (max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor)))
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, size, interpolation=way), dtype=np.uint8)


def _read_rgb(sample: Sample) -> RGB:
    pixels = cv2.imread(str(sample.image), cv2.IMREAD_COLOR_RGB)
    if pixels is None:
        raise SamplesError(sample.image, "is not a picture", "give PNG, JPEG, TIFF or a whole slide")
    return np.asarray(pixels, dtype=np.uint8)


def read_truth(sample: Sample, width_px: int, height_px: int) -> Truth:
    """What a sample's mask and XML say of a picture of the given size, in its own pixels."""
    glomeruli: list[TrueGlomerulus] = []
    boxes: list[tuple[float, float, float, float]] = []
    if sample.mask is not None:
        glomeruli += _from_mask(sample, width_px, height_px)
    if sample.xml is not None:
        from_xml, boxes = _from_layers(read_imagescope(sample.xml))
        # A glomerulus may stand in both; the mask is the finer of the two.
        glomeruli = _labelled(glomeruli, from_xml) + _not_among(from_xml, glomeruli)
    labelled = [replace(g, label=g.label or sample.label) for g in glomeruli]
    return Truth(tuple(labelled), np.array(boxes, dtype=np.float64).reshape(-1, 4))


def _from_mask(sample: Sample, width_px: int, height_px: int) -> list[TrueGlomerulus]:
    mask = cv2.imread(str(sample.mask), cv2.IMREAD_UNCHANGED)
    if mask is None or mask.shape[:2] != (height_px, width_px):
        size = "no picture" if mask is None else f"{mask.shape[1]} x {mask.shape[0]}"
        raise SamplesError(
            sample.mask, f"mask is {size}, its image is {width_px} x {height_px}", "make them the same size"
        )
    marked = mask if mask.ndim == 2 else mask[..., :3].max(axis=2)
    contours, _ = cv2.findContours(
        (marked > 0).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    return [
        outlined(contour[:, 0].astype(np.float64) + 0.5)
        for contour in contours
        if len(contour) > 2 and cv2.contourArea(contour) >= LEAST_REGION_PX
    ]


def outlined(polygon_px: Points) -> TrueGlomerulus:
    """A glomerulus of an outline: its circle is the least one that encloses it."""
    (x_px, y_px), radius_px = cv2.minEnclosingCircle(polygon_px.astype(np.float32))
    return TrueGlomerulus(float(x_px), float(y_px), float(radius_px), polygon_px)


def _from_layers(
    layers: Sequence[Layer],
) -> tuple[list[TrueGlomerulus], list[tuple[float, float, float, float]]]:
    outlines: list[TrueGlomerulus] = []
    circles: list[TrueGlomerulus] = []
    boxes: list[tuple[float, float, float, float]] = []
    regions = [(layer, region) for layer in layers for region in layer.regions if not region.negative]
    for layer, region in regions:
        left, top, right, bottom = region.box_viewer
        if region.type is RegionType.POLYGON:
            outlines.append(outlined(region.vertices_viewer))
        elif region.type is RegionType.ELLIPSE:
            radius_px = (right - left + bottom - top) / 4
            label = LABEL_OF_LAYER.get(layer.name)
            circles.append(TrueGlomerulus((left + right) / 2, (top + bottom) / 2, radius_px, None, label))
        elif region.type is RegionType.RECTANGLE:
            boxes.append((left, top, right - left, bottom - top))
    return _labelled(outlines, circles) + _not_among(circles, outlines), boxes


def _labelled(outlines: list[TrueGlomerulus], circles: list[TrueGlomerulus]) -> list[TrueGlomerulus]:
    """Each outline with the label of the circle whose centre it holds."""
    labelled = []
    for outline in outlines:
        polygon = shapely.Polygon(outline.outline_px)
        inside = [c.label for c in circles if c.label and shapely.contains_xy(polygon, c.x_px, c.y_px)]
        labelled.append(replace(outline, label=inside[0]) if inside else outline)
    return labelled


def _not_among(candidates: list[TrueGlomerulus], known: list[TrueGlomerulus]) -> list[TrueGlomerulus]:
    polygons = [shapely.Polygon(k.outline_px) for k in known if k.outline_px is not None]
    shapely.prepare(polygons)
    return [c for c in candidates if not any(shapely.contains_xy(p, c.x_px, c.y_px) for p in polygons)]
