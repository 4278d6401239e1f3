"""The order in which corrections teach most: what is in doubt, and typical of much that is not known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glomspike.findings import Circle, TopTile
from glomspike.results.findings import Finding
from glomspike.review import informative
from glomspike.review.informative import features_of, informative_order, look_of

KINDS = np.repeat([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]], 4, axis=0)


def known(count, *numbers):
    return np.isin(np.arange(count), numbers)


def disc(colour, side=200, stripes=False):
    """A patch: a disc of a colour, black outside."""
    y, x = np.mgrid[:side, :side]
    patch = np.zeros((side, side, 3), np.uint8)
    inside = np.hypot(x - side / 2, y - side / 2) < 0.45 * side
    patch[inside] = colour
    if stripes:
        patch[inside & (x // 3 % 2 == 0)] = 20
    return patch


def finding(probability=0.4, radius_um=80.0, tiles=(0.7, 0.2)):
    return Finding(
        id=1, circle=Circle(0, 0, radius_um, 0.9), outline0=None, area_um2=1.0, touches_edge=False,
        probability=probability, call=None, spike_fraction=None if probability is None else 0.25,
        top_tiles=tuple(TopTile(0, 0, p) for p in tiles), lesion=None, membrane=None, sharpness=None,
    )  # fmt: skip


def test_each_kind_is_shown_before_another_of_a_kind():
    doubts = np.array([0.5, 0.9, 0.6, 0.4] * 3)
    doubts[5] = 1.0
    order = informative_order(doubts, KINDS, known(12))
    assert {number // 4 for number in order[:3]} == {0, 1, 2}
    assert order[:3] == [1, 5, 9]


def test_what_is_known_already_is_not_listed_and_its_like_comes_last():
    order = informative_order(np.full(12, 0.5), KINDS, known(12, 0, 9))
    assert set(order) == set(range(12)) - {0, 9}
    assert order[0] // 4 == 1


def test_the_doubtful_come_before_the_certain_of_the_same_kind():
    doubts = np.linspace(0, 1, 6)
    assert informative_order(doubts, np.zeros((6, 3)), known(6)) == [5, 4, 3, 2, 1, 0]


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(-5, 5), st.booleans()), max_size=30),
    st.booleans(),
)
def test_every_glomerulus_that_is_not_known_comes_once(rows, lacking):
    doubts = np.array([row[0] for row in rows])
    features = np.array([[row[1], np.nan if lacking else 1.0] for row in rows])
    reviewed = np.array([row[2] for row in rows], dtype=bool)
    order = informative_order(doubts, features.reshape(-1, 2), reviewed)
    assert sorted(order) == np.flatnonzero(~reviewed).tolist()


def test_a_look_tells_stains_and_textures_apart_but_not_sizes():
    brown, same, blue, striped = (
        look_of(disc((150, 110, 60))), look_of(disc((150, 110, 60), side=420)),
        look_of(disc((70, 90, 160))), look_of(disc((150, 110, 60), stripes=True)),
    )  # fmt: skip
    assert np.abs(brown - same).max() < 1
    assert np.abs(brown - blue).max() > 10
    assert np.abs(brown - striped).max() > 5


def test_the_many_come_before_the_odd_ones_however_doubtful_those_are():
    crowd = np.random.default_rng(1).normal(0, 0.1, (30, 2))
    odd = np.array([[8.0, 8.0], [-9.0, 7.0]])
    doubts = np.array([0.4] * 30 + [1.0, 1.0])
    order = informative_order(doubts, np.concatenate([crowd, odd]), known(32))
    assert order[0] < 30
    assert sorted(order) == list(range(32))


@given(st.integers(1, 25), st.integers(0, 1000))
def test_no_other_glomerulus_would_have_covered_more(count, seed):
    rng = np.random.default_rng(seed)
    features, doubts = rng.normal(size=(count, 3)), rng.uniform(size=count)
    order = informative_order(doubts, features, known(count))
    places = informative._Places(informative.standardised(features))
    likeness = np.array([places.likeness(index) for index in range(count)])
    weights, covered = informative.CERTAIN + (1 - informative.CERTAIN) * doubts, np.zeros(count)
    for index in order:
        gains = (weights * np.maximum(likeness - covered, 0)).sum(axis=1)
        assert gains[index] >= gains.max() - 1e-6
        covered = np.maximum(covered, likeness[index])


def test_what_is_lacking_is_not_known_and_does_no_harm():
    whole = features_of(finding(), disc((150, 110, 60)))
    assert np.isfinite(whole).all()
    assert np.isnan(features_of(finding(), None)).sum() == 7
    unscored = features_of(finding(None, tiles=()), disc((150, 110, 60)))
    assert np.isnan(unscored).sum() == 4
    assert unscored[4] == pytest.approx(np.log(80))
    assert np.isnan(look_of(np.zeros((50, 50, 3), np.uint8))).all()
