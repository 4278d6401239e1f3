"""Laboratories of phantom patients: each stains, exposes and magnifies in its way, whatever the disease."""

from dataclasses import dataclass, fields, replace

import numpy as np

from glomspike.phantom.fluorescence import Camera
from glomspike.phantom.microscope import Microscope
from glomspike.phantom.scanner import Scanner
from glomspike.phantom.stain import Stain
from glomspike.phantom.tem_cells import Greys

# Laboratories by the split whose patients they see: validation and test have some that training never sees.
OF_SPLIT = {"train": range(1, 15), "val": range(15, 19), "test": range(19, 27)}
FINEST_MPP, COARSEST_MPP = 0.3, 0.42
OF_BLOCK = 0.4  # how much of a micrograph's greys is the block's and not the laboratory's


@dataclass(frozen=True)
class Laboratory:
    """How a laboratory makes pictures of each modality."""

    number: int
    stain: Stain
    scanner: Scanner
    camera: Camera
    microscope: Microscope
    greys: Greys

    @classmethod
    def of(cls, seed: int, number: int) -> "Laboratory":
        """The laboratory of this number, the same for a seed in every process."""
        rng = np.random.default_rng([seed, 8128, number])
        scanner = replace(
            Scanner.sample(rng), mpp=round(rng.uniform(FINEST_MPP, COARSEST_MPP), 3), objective=40
        )
        return cls(
            number, Stain.sample(rng), scanner, Camera.sample(rng), Microscope.sample(rng), Greys.sample(rng)
        )

    def block(self, rng: np.random.Generator) -> Greys:
        """The greys of one patient's block."""
        other = Greys.sample(rng)
        mixed = {
            one.name: (1 - OF_BLOCK) * getattr(self.greys, one.name) + OF_BLOCK * getattr(other, one.name)
            for one in fields(Greys)
        }
        return Greys(**mixed)
