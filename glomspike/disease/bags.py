"""Patients of a table, each with the images of its three modalities as the network sees them."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from glomspike.disease.form import Form
from glomspike.disease.places import Places, read_places
from glomspike.disease.prepare import (
    Instance,
    fluorescence_square,
    glomerulus_square,
    micrograph_square,
)
from glomspike.errors import SamplesError
from glomspike.findings import RGB
from glomspike.geometry.circles import circle_polygon
from glomspike.learn.evaluation import Progress, unseen
from glomspike.learn.samples import Sample
from glomspike.learn.truth import Picture, TrueGlomerulus, load_picture, resized
from glomspike.modalities import MODALITIES, Modality
from glomspike.slide.reader import read_picture

CORNERS = 32  # of the polygon that stands for a circle
TUFT_SHARE = 0.45  # of a crop's side that is the radius of its glomerulus
Images = Mapping[Modality, tuple[Instance, ...]]


@dataclass(frozen=True, eq=False)
class Patient:
    """A patient's images by modality, any number of each; disease and stage where they are known.

    `evidence` (6,) is what the main job says of spikes, where it was asked.
    """

    name: str
    images: Images
    disease: str | None = None
    stage: int | None = None
    evidence: NDArray[np.float32] | None = field(default=None)

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Those of which there are images."""
        return tuple(m for m in MODALITIES if self.images.get(m))


def load_patients(
    samples: Sequence[Sample],
    form: Form,
    evidence: Mapping[str, NDArray[np.float32]] | None = None,
    progress: Progress = unseen,
) -> list[Patient]:
    """The patients of known disease, in the order of their first rows, with the images that say something.

    Raises SamplesError or SlideError for an image that cannot be used.
    """
    known = [sample for sample in samples if sample.disease is not None]
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        rows: dict[str, list[Instance]] = {}
        loaded = pool.map(lambda sample: instances_of(sample, form), known)
        for done, (sample, instances) in enumerate(zip(known, loaded, strict=True), start=1):
            rows.setdefault(sample.patient, []).extend(instances)
            progress(done, len(known))
    stated = {sample.patient: (sample.disease, sample.stage) for sample in known}
    patients = [
        Patient(name, by_modality(images), *stated[name], (evidence or {}).get(name))
        for name, images in rows.items()
    ]
    telling = [without_unscored(one, form) for one in patients]
    return [one for one in telling if one.modalities]


def without_unscored(patient: Patient, form: Form) -> Patient:
    """The patient as a form hears of it: where spikes are all that counts in silver, and none were scored,
    light microscopy is missing.
    """
    if not form.counts or patient.evidence is not None:
        return patient
    return replace(patient, images={**patient.images, "om": ()})


def by_modality(instances: Sequence[Instance]) -> Images:
    """Images sorted into their modalities."""
    return {m: tuple(one for one in instances if one.modality == m) for m in MODALITIES}


def instances_of(sample: Sample, form: Form) -> list[Instance]:
    """What a row shows: one image, or every glomerulus of a light micrograph."""
    name, mpp = sample.image.name, form.mpps[sample.modality]
    side_px = form.sides_px[sample.modality]
    scale = None if sample.mpp is None else sample.mpp / mpp
    if sample.modality == "if":
        square = fluorescence_square(name, sample.marker, read_picture(sample.image), scale, side_px)
        return [replace(square, grade=sample.grade, site=sample.site)]
    if sample.modality == "tem":
        pixels = read_picture(sample.image)
        places = _places(sample, pixels)
        deposits = sample.deposits if places is None else bool(places.any())
        return [micrograph_square(name, pixels, scale, side_px, deposits, places)]
    picture = load_picture(sample, mpp)
    glomeruli = picture.truth.glomeruli
    if not glomeruli and sample.mask is None and sample.xml is None:
        return [_whole(picture, side_px)]
    return [_of_glomerulus(picture, one, number, side_px) for number, one in enumerate(glomeruli, start=1)]


def _places(sample: Sample, pixels: RGB) -> Places | None:
    """Where the mask of a micrograph says that deposits lie.

    Raises SamplesError where the row says otherwise of whether there are any.
    """
    if sample.mask is None:
        return None
    places = read_places(sample.mask, pixels.shape[1], pixels.shape[0])
    if sample.deposits is not None and sample.deposits != places.any():
        cause = f"{sample.mask.name} marks {'deposits' if places.any() else 'none'}, the row says otherwise"
        raise SamplesError(sample.image, cause, "correct the mask or the column deposits")
    return places


def _whole(picture: Picture, side_px: int) -> Instance:
    """A picture that is one glomerulus."""
    pixels = picture.pixels
    if picture.mpp is None:
        pixels = resized(pixels, side_px / max(pixels.shape[:2]))
    height_px, width_px = pixels.shape[:2]
    corners = np.array([(0, 0), (width_px, 0), (width_px, height_px), (0, height_px)], dtype=np.float64)
    return _square(picture, pixels, corners, (width_px / 2, height_px / 2), "", side_px)


def _of_glomerulus(picture: Picture, one: TrueGlomerulus, number: int, side_px: int) -> Instance:
    outline = one.outline_px
    if outline is None:
        outline = circle_polygon(one.x_px, one.y_px, one.radius_px, CORNERS)
    middle, pixels = np.array([one.x_px, one.y_px]), picture.pixels
    if picture.mpp is None:
        factor = TUFT_SHARE * side_px / one.radius_px
        pixels, outline, middle = resized(pixels, factor), outline * factor, middle * factor
    return _square(picture, pixels, outline, (float(middle[0]), float(middle[1])), f" {number}", side_px)


def _square(
    picture: Picture,
    pixels: RGB,
    outline_px: NDArray[np.float64],
    middle_px: tuple[float, float],
    suffix: str,
    side_px: int,
) -> Instance:
    sample = picture.sample
    name = f"{sample.image.name}{suffix}"
    return glomerulus_square(name, sample.marker, pixels, outline_px, middle_px, side_px)
