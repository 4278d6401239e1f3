"""What the user chose for a run, as far as it changes results."""

from dataclasses import dataclass
from typing import Literal

from glomspike.findings import StainName


@dataclass(frozen=True)
class Options:
    """The options of the main job. `threshold` None is the classifier's; `mpp` goes before a slide's scale.

    `overwrite` says which earlier results are replaced: none, those of other settings, or any. With `crops`
    every picture shows one glomerulus, which needs no detection; `mirrored` outlines each glomerulus from
    four mirror images; `dicom` writes DICOM objects too. `glomerulus_um` is the diameter that glomeruli are
    expected to have, None that of human ones; `stain` is that of the slide, None where it is to be measured.
    """

    mpp: float | None = None
    threshold: float | None = None
    overwrite: Literal["never", "outdated", "always"] = "never"
    crops: bool = False
    mirrored: bool = False
    dicom: bool = False
    glomerulus_um: float | None = None
    stain: StainName | None = None
