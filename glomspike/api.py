"""What `import glomspike` offers beside opening slides: the models, and the main job without a folder."""

import os
import warnings
from pathlib import Path

from glomspike.findings import SlideResult
from glomspike.networks import models as networks
from glomspike.networks.device import choose_device
from glomspike.networks.models import Models
from glomspike.pipeline import Options, analyse_slide
from glomspike.slide.reader import Slide

Weights = str | os.PathLike[str] | None


def load_models(
    *,
    device: str = "auto",
    detector: Weights = None,
    segmenter: Weights = None,
    classifier: Weights = None,
    lesions: Weights = None,
) -> Models:
    """Load the models of the main job: those that come with glomspike, or from the weights that are given.

    `device` is "auto", "cuda", "cuda:N" or "cpu"; "auto" without a working GPU is the CPU, with a warning.
    Any number of slides can be analysed with them, one at a time. Raises WeightsError for weights that are
    missing, damaged or of another kind, DeviceError for a GPU that does not work, UsageError for any other
    device.
    """
    chosen = choose_device(device)
    if chosen.note:
        warnings.warn(chosen.note, stacklevel=2)
    given = (detector, segmenter, classifier, lesions)
    finds, outlines, scores, names = (None if path is None else Path(path) for path in given)
    return networks.load_models(finds, outlines, scores, names, chosen.device)


def analyse(
    slide: Slide, models: Models, *, threshold: float | None = None, mirrored: bool = False
) -> SlideResult:
    """Find, outline and score the glomeruli of an open slide, as the main job does, and write nothing.

    `threshold` is the spike probability from which a glomerulus counts as spiked, the classifier's where it
    is None; `mirrored` outlines each from four mirror images. Positions are level-0 pixels, lengths µm. Parts
    of the slide that cannot be read are named in the result's warnings. Raises SlideError where the slide
    cannot be read at all.
    """
    return analyse_slide(slide, models, Options(threshold=threshold, mirrored=mirrored), _no_progress)


def _no_progress(_stage: str, _done: int, _whole: int) -> None:
    pass
