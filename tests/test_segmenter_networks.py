"""The comparison of segmenters, without any training."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks.quality.segmenter_networks import NAMES, heading, row
from glomspike.segment.model import segmentation_network

PATIENTS = np.array(list("aabbcc"))


def test_networks_are_compared_glomerulus_by_glomerulus():
    first, second = (np.array([0.2, 0.4, 0.6, 0.8, 0.9, 0.5]) + more for more in (0, 0.1))
    overlaps = [np.column_stack([dice, dice / 2]) for dice in (first, second)]
    trained = SimpleNamespace(network=torch.nn.Linear(2, 1), card=SimpleNamespace(architecture="UPerNet"))
    text = row(trained, PATIENTS, overlaps[1], overlaps[1] - overlaps[0], 12.3)
    assert text.startswith("| UPerNet | 0.667 (")
    assert "| 0.100 (0.100 to 0.100) | 12 |" in text
    assert heading(PATIENTS, 3)[0].startswith("| 6 glomeruli of 3 patients, 3 seeds |")


@pytest.mark.parametrize("architecture", NAMES)
def test_each_network_gives_log_odds_of_every_pixel(architecture):
    network = segmentation_network(architecture, "resnet18").eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 1, 64, 64)
