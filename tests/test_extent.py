"""The extent of spikes against its truth."""

import numpy as np
import pytest

from glomspike.classify.extent import Membrane, extent_kappa, fitted_no_extent
from glomspike.findings import CallRule

RULE = CallRule(0.5, 0.2, 0.8)


def membrane(true: float, positive: float, probability: float, spiked: bool = True) -> Membrane:
    at = np.arange(100) / 100
    return Membrane(spiked, "p", probability, at < positive, at < true)


@pytest.mark.parametrize(
    ("true", "spiked", "extent"),
    [(0.5, True, "global"), (0.49, True, "segmental"), (0.0, True, "segmental"), (0.0, False, "none")],
)
def test_the_true_extent_is_none_only_without_spikes(true: float, spiked: bool, extent: str) -> None:
    assert membrane(true, 0.3, 0.5, spiked).true_extent == extent


def test_the_cut_parts_uncertain_glomeruli_with_spikes_from_those_without() -> None:
    without = [membrane(0, share, 0.5, spiked=False) for share in (0.0, 0.02, 0.04)]
    known = [*without, *(membrane(0.3, share, 0.5) for share in (0.1, 0.2))]
    cut = fitted_no_extent(known, RULE)
    assert 0.04 < cut <= 0.1
    fitted = CallRule(0.5, 0.2, 0.8, cut)
    assert [one.extent(fitted) for one in known] == [one.true_extent for one in known]


def test_kappa_takes_a_far_miss_more_seriously_than_a_near_one() -> None:
    true = ["none", "segmental", "global"] * 4
    near, far = list(true), list(true)
    near[0], far[0] = "segmental", "global"
    assert extent_kappa(true, true) == 1
    assert 1 > extent_kappa(near, true) > extent_kappa(far, true)
