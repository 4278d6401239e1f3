"""Glomeruli of known lesion, as crops."""

from collections.abc import Sequence
from dataclasses import dataclass

from glomspike.findings import RGB
from glomspike.geometry.circles import circle_polygon
from glomspike.learn.samples import Sample
from glomspike.learn.truth import TrueGlomerulus, load_picture, resized
from glomspike.segment.crop import SIDE_RADII
from glomspike.segment.patches import Patch, exact_crop, load_patches

CORNERS = 32  # of the polygon that replaces a circle


@dataclass(frozen=True, eq=False)
class LesionPatch:
    """A glomerulus with its surroundings, and its lesion."""

    patch: Patch
    lesion: str

    @property
    def patient(self) -> str:
        return self.patch.sample.patient


def load_lesions(samples: Sequence[Sample], input_px: int) -> list[LesionPatch]:
    """The glomeruli whose lesion is named: by their row, for all of it, or by a layer of its XML.

    A row without mask and XML is one crop of a glomerulus, which may as well not be one.
    """
    named = [sample for sample in samples if sample.lesion is not None or sample.xml is not None]
    outlined = load_patches(named, input_px)
    whole = [_whole(sample, input_px) for sample in named if sample.mask is None and sample.xml is None]
    named_lesions = ((patch, patch.glomerulus.lesion) for patch in outlined + whole)
    return [LesionPatch(patch, lesion) for patch, lesion in named_lesions if lesion is not None]


def _whole(sample: Sample, input_px: int) -> Patch:
    """A picture in the middle of which there is a glomerulus, as wide as the detector's circle would be."""
    pixels = load_picture(sample).pixels
    pixels = resized(pixels, min(1.0, input_px / max(pixels.shape[:2])))
    height_px, width_px = pixels.shape[:2]
    radius_px = max(height_px, width_px) / SIDE_RADII
    outline_px = circle_polygon(width_px / 2, height_px / 2, radius_px, CORNERS)
    glomerulus = TrueGlomerulus(width_px / 2, height_px / 2, radius_px, outline_px, lesion=sample.lesion)
    return Patch(sample, pixels, glomerulus, outline_px, is_crop=True)


def network_crop(patch: LesionPatch, side_px: int) -> RGB:
    """The crop (side_px, side_px, 3) that the network is given of a glomerulus in an evaluation."""
    return exact_crop(patch.patch, side_px).pixels
