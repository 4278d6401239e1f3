"""Painted silver: what is taken of the real pictures, how it is painted, and what is measured on it."""

import numpy as np
import pytest
from cards import DRAFT
from outside import outside

from benchmarks.quality.card_changes import write_to_card
from benchmarks.quality.measure_painted import DATA, PaintedPictures
from datasets.painted_silver import SOURCES, Glomerulus, load, sampled_lesion, variants
from glomspike.networks.weights import Metric, load_card, save_weights


def test_both_objectives_of_the_fields_agree_on_the_size_of_a_glomerulus():
    taken = list(load(outside(".")))
    mpp = {glomerulus.source.optics: glomerulus.mpp for glomerulus in taken}
    assert len(taken) == len(SOURCES)
    assert mpp["200x"] / mpp["400x"] == pytest.approx(2, rel=0.05)
    assert all(glomerulus.inside.any() and not glomerulus.inside.all() for glomerulus in taken)


def test_paint_lies_on_the_stretches_only_and_thickening_on_the_same():
    field = next(g for g in load(outside(".")) if g.source.name == "20181355-PASM-1")
    made = {v.name: v for v in variants(field, np.random.default_rng(0))}
    plain, half = made["unpainted"].pixels, made["half"]
    edge = np.concatenate([stretch.edge_px for stretch in half.stretches])
    y, x = np.nonzero((half.pixels != plain).any(axis=2))
    far = [np.hypot(*(edge - [px + 0.5, py + 0.5]).T).min() for px, py in zip(x[::20], y[::20], strict=True)]
    assert max(far) * field.mpp < 4.5
    assert (made["thickened"].pixels != plain).any()
    assert made["sparse"].share < made["half"].share < made["all"].share
    assert {v.label for v in made.values() if v.name not in ("unpainted", "thickened")} == {"spiked"}


def test_what_cannot_be_painted_stands_there_unpainted():
    source = next(source for source in SOURCES if not source.paintable)
    blank = Glomerulus(source, np.full((8, 8, 3), 200, np.uint8), np.ones((8, 8), bool), 0.5)
    assert [v.name for v in variants(blank, np.random.default_rng(0))] == ["unpainted"]


@pytest.mark.parametrize("mpp", [0.2, 0.35, 0.5])
def test_no_spikes_finer_than_the_picture_can_show(mpp):
    for seed in range(50):
        lesion = sampled_lesion(np.random.default_rng(seed), 0.5, mpp)
        assert lesion.spacing_um >= 3 * mpp
        assert lesion.length_um >= 0.5


def painted(probability):
    """Two cases, each unpainted, thickened and with spikes of three extents."""
    variant = np.array(["unpainted", "thickened", "sparse", "half", "all"] * 2)
    case = np.repeat(["a", "b"], 5)
    localisation = np.array([np.nan, np.nan, 0.5, 0.7, 0.9] * 2)
    return PaintedPictures(case, variant, case, np.array(probability), localisation, 0.5)


def values(metrics):
    return {metric.name: metric.value for metric in metrics}


def test_painted_ones_are_held_against_unpainted_and_thickened():
    metrics = values(painted([0.1, 0.4, 0.3, 0.6, 0.9, 0.2, 0.7, 0.2, 0.8, 0.9]).metrics())
    assert metrics["auc"] == pytest.approx((5 * 2 + 1.5) / 12)
    assert metrics["auc_all"] == 1
    assert metrics["recall"] == pytest.approx(4 / 6)
    assert metrics["false_positive_rate"] == 0
    assert metrics["false_positive_rate_thickened"] == 0.5
    assert metrics["above_its_unpainted_self"] == pytest.approx(5 / 6)
    assert metrics["localisation_auc"] == pytest.approx(0.7)


def test_intervals_are_over_cases():
    metrics = painted([0.1, 0.4, 0.3, 0.6, 0.9, 0.95, 0.99, 0.96, 0.97, 0.98]).metrics()
    false = next(metric for metric in metrics if metric.name == "false_positive_rate")
    assert false.value == 0.5
    assert false.ci95 == (0, 1)
    assert false.data == f"2 cases of {DATA}, not trained on"


def test_a_second_measurement_takes_the_place_of_the_first_on_the_card(tmp_path):
    other = Metric(name="auc", value=0.9, data="phantoms", n=10)
    save_weights(
        {}, DRAFT.model_copy(update={"kind": "classifier", "metrics": (other,)}), tmp_path, "classifier"
    )
    first, second = painted([0.1] * 10).metrics(), painted(np.linspace(0, 1, 10)).metrics()
    write_to_card(tmp_path, first, (DATA,))
    write_to_card(tmp_path, second, (DATA,))
    card, _ = load_card("classifier", tmp_path)
    assert list(card.metrics) == [other, *second]
