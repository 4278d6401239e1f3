"""Three calls: the rule, the card, and where an uncertain glomerulus appears."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from reports import card
from results import glomerulus, slide_facts, slide_result, spike_score

from glomspike.annotate.dicom import codes
from glomspike.annotate.geojson import read_geojson, write_geojson
from glomspike.annotate.imagescope import read_imagescope, write_imagescope
from glomspike.annotate.meaning import meaning
from glomspike.classify.kind import call_rule
from glomspike.errors import WeightsError
from glomspike.findings import CallRule, SlideResult
from glomspike.networks import weights
from glomspike.networks.weights import CallThresholds
from glomspike.results.counting import CountedGlomerulus, summarise
from glomspike.results.options import Options
from glomspike.results.record import Counts
from glomspike.results.resume import run_settings
from glomspike.results.table import write_table

THREE = CallThresholds(
    not_spiked_below=0.2, spiked_from=0.8, alpha=0.05, target=0.05, spiked_patients=30,
    not_spiked_patients=25, data="40 patients",
)  # fmt: skip
chances = st.floats(0, 1)


def found_on(slide=None) -> SlideResult:
    """Of each call one, in reading order: spiked, uncertain, not spiked."""
    probabilities = ((0.9, "spiked"), (0.5, "uncertain"), (0.1, "not spiked"))
    glomeruli = [
        glomerulus(number, x0=4_000.0 * number, spikes=spike_score(probability, call=call))
        for number, (probability, call) in enumerate(probabilities, start=1)
    ]
    return slide_result(*glomeruli, slide=slide)


@given(chances, chances, chances, chances)
def test_a_higher_probability_is_never_called_less(
    low: float, high: float, first: float, second: float
) -> None:
    order = ("not spiked", "uncertain", "spiked")
    rule = CallRule(0.5, min(low, high), max(low, high))
    calls = [order.index(rule.call(probability)) for probability in sorted((first, second))]
    assert calls == sorted(calls)


@given(chances, chances)
def test_by_one_cut_nothing_is_uncertain(threshold: float, probability: float) -> None:
    rule = CallRule.of_one_cut(threshold)
    assert rule.call(probability) == ("spiked" if probability >= threshold else "not spiked")
    assert not rule.has_doubt


def test_what_could_not_be_scored_is_not_taken_for_not_spiked() -> None:
    assert CallRule.of_one_cut(0.0).call(float("nan")) == "uncertain"


def test_the_card_gives_three_calls_and_a_typed_threshold_two() -> None:
    three = card(call_thresholds=THREE.model_dump())
    assert call_rule(three, None) == CallRule(0.5, 0.2, 0.8)
    assert call_rule(three, 0.3) == CallRule.of_one_cut(0.3)
    assert call_rule(card(), None) == CallRule.of_one_cut(0.5)


def test_a_card_keeps_its_call_thresholds_and_those_in_the_wrong_order_are_refused(tmp_path: Path) -> None:
    written = card(call_thresholds=THREE.model_dump())
    path = tmp_path / "classifier.json"
    path.write_text(written.model_dump_json(), "utf-8")
    assert weights.read_card(path).call_thresholds == THREE
    with pytest.raises(ValidationError, match="lies above"):
        CallThresholds.model_validate(THREE.model_dump() | {"not_spiked_below": 0.9})
    path.write_text(written.model_dump_json().replace('"spiked_from":0.8', '"spiked_from":0.1'), "utf-8")
    with pytest.raises(WeightsError, match="call_thresholds"):
        weights.read_card(path)


def test_results_of_other_cuts_are_not_taken_for_the_same() -> None:
    def settings(rule: CallRule):
        return run_settings("f" * 64, {}, rule, Options())

    two, three = settings(CallRule.of_one_cut(0.5)), settings(CallRule(0.5, 0.2, 0.8))
    assert three.differences(two) == [
        "no_extent_below unset, not 0.0",
        "not_spiked_below unset, not 0.2",
        "spiked_from unset, not 0.8",
    ]
    before = two.model_copy(update={"options": {"threshold": 0.5, **dict.fromkeys(("mpp", "crops"))}})
    told = [difference for difference in two.differences(before) if "spiked" in difference]
    assert told == []  # folders of the time before three calls


def test_the_table_has_the_call_and_the_cut_beside_it(tmp_path: Path) -> None:
    write_table(tmp_path / "glomeruli.csv", found_on())
    rows = list(csv.DictReader((tmp_path / "glomeruli.csv").open(encoding="utf-8")))
    assert [row["call"] for row in rows] == ["spiked", "uncertain", "not spiked"]
    assert [row["spiked"] for row in rows] == ["1", "1", "0"]


def test_calls_are_counted_and_not_cuts() -> None:
    result = found_on()
    counts, summary = Counts.of(result), summarise(map(CountedGlomerulus.of, result.glomeruli), None)
    assert (counts.scored, counts.spiked, counts.uncertain) == (3, 1, 1)
    assert [share.n for share in (summary.spiked, summary.not_spiked, summary.uncertain)] == [1, 1, 1]


@pytest.mark.parametrize("vendor", ["aperio", "leica"])
@pytest.mark.parametrize("viewer", ["imagescope", "qupath"])
def test_an_uncertain_glomerulus_is_amber_and_is_read_back_as_undetermined(
    tmp_path: Path, vendor: str, viewer: str
) -> None:
    result = found_on(slide_facts(vendor=vendor))
    write, read = (
        (write_imagescope, read_imagescope) if viewer == "imagescope" else (write_geojson, read_geojson)
    )
    write(tmp_path / "slide", result)
    layers = {layer.name: layer for layer in read(tmp_path / "slide")}
    assert layers["Uncertain glomeruli"].colour == (255, 191, 0)
    assert [region.text for region in layers["Uncertain glomeruli"].regions] == ["2: spike 0.50"]
    tiles = {region.text.split(":")[0] for region in layers["Spike tiles"].regions}
    assert tiles == {"1", "2"}
    meant = meaning(layers.values(), result.slide, viewer).glomeruli
    assert {one.number: one.label for one in meant} == {1: "spiked", 2: "undetermined", 3: "normal"}


def test_dicom_has_a_code_for_each_call() -> None:
    assert len({code.value for code in codes.CALLS.values()}) == 3
    assert "uncertain" in codes.TOTALS


def test_a_stage_that_knows_better_may_say_uncertain_of_any_probability() -> None:
    sure = spike_score(0.99)
    result = slide_result(glomerulus(spikes=replace(sure, call="uncertain")))
    assert (Counts.of(result).spiked, Counts.of(result).uncertain) == (0, 1)
