"""False circles of a detector in training are where it is to look again."""

from pathlib import Path

import numpy as np
import pytest
from discs import disc_picture
from torch import nn

from glomspike.detect.mine import mistakes
from glomspike.learn.samples import Sample
from glomspike.learn.training import NORMALISATION
from glomspike.learn.truth import Picture, TrueGlomerulus, Truth


def test_only_certain_whole_circles_apart_from_glomeruli_are_mistakes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = np.array(
        [
            [50.0, 50, 20, 0.9],  # the glomerulus
            [150, 60, 15, 0.5],  # a mistake
            [5, 120, 20, 0.9],  # cut by the border: may be a glomerulus that nobody outlined
            [120, 140, 10, 0.05],  # hardly a circle
        ]
    )
    monkeypatch.setattr("glomspike.detect.mine.scan_picture", lambda *_: found)
    sample = Sample(Path("t.csv"), Path("p.png"), 4.0, None, None, None, "p", "train")
    truth = Truth((TrueGlomerulus(50, 50, 20, None),), np.zeros((0, 4)))
    picture = Picture(sample, disc_picture(200, 200, [(50, 50, 20)]), 4.0, truth)
    (mistake,) = mistakes(nn.Identity(), [picture], 160, NORMALISATION)
    assert mistake.picture is picture
    assert (mistake.x_px, mistake.y_px) == (150, 60)
