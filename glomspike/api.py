"""What `import glomspike` offers beside opening slides: the models, and the main job without a folder."""

import os
import warnings
from pathlib import Path

from glomspike import analysis
from glomspike.findings import SlideResult, StainName
from glomspike.networks import models as networks
from glomspike.networks.device import choose_device
from glomspike.networks.kinds import KINDS
from glomspike.networks.models import Models
from glomspike.results.options import Options
from glomspike.slide.reader import Slide


def load_models(*, device: str = "auto", **weights: str | os.PathLike[str]) -> Models:
    """Load the models of the main job: those that come with glomspike, or from the weights that are given.

    `weights` are paths by kind of model, as in `detector="trained/detector"`; `device` is "auto", "cuda",
    "cuda:N" or "cpu"; "auto" without a working GPU is the CPU, with a warning. Any number of slides can be
    analysed with them, one at a time. Raises WeightsError for weights that are missing, damaged or of another
    kind, DeviceError for a GPU that does not work, UsageError for any other device, TypeError for a kind that
    there is not.
    """
    if unknown := weights.keys() - KINDS.keys():
        raise TypeError(f"there is no kind of model {min(unknown)!r}; {', '.join(KINDS)}")
    chosen = choose_device(device)
    if chosen.note:
        warnings.warn(chosen.note, stacklevel=2)
    return networks.load_models({kind: Path(path) for kind, path in weights.items()}, chosen.device)


def analyse(
    slide: Slide,
    models: Models,
    *,
    threshold: float | None = None,
    mirrored: bool = False,
    stain: StainName | None = None,
) -> SlideResult:
    """Find, outline and score the glomeruli of an open slide, as the main job does, and write nothing.

    `threshold` is the spike probability from which a glomerulus counts as spiked, the classifier's where it
    is None; `mirrored` outlines each from four mirror images; `stain` is the slide's, measured where it is
    None, and spikes are scored in silver only. Positions are level-0 pixels, lengths µm. Parts of the slide
    that cannot be read are named in the result's warnings. Raises SlideError where the slide cannot be read
    at all.
    """
    return analysis.analyse(slide, models, Options(threshold=threshold, mirrored=mirrored, stain=stain))
