"""The summary of a slide or case: counts, intervals, adequacy, size and density."""

import pytest

from glomspike.errors import UsageError
from glomspike.metrics.wilson import wilson
from glomspike.report.summary_rows import summary_rows
from glomspike.results.adequacy import BANFF, adequacy_rule
from glomspike.results.counting import CountedGlomerulus, summarise

ROUND = CountedGlomerulus(31_416.0, whole=True, sclerosed=False, call="not spiked")


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (1, 1, 0.2065, 1.0)],
)
def test_wilson_intervals_as_published(count: int, of: int, low: float, high: float) -> None:
    assert wilson(count, of) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("glomeruli", "verdict"),
    [(0, "inadequate"), (6, "inadequate"), (7, "marginal"), (9, "marginal"), (10, "adequate")],
)
def test_banff_calls_ten_adequate_and_seven_marginal(glomeruli: int, verdict: str) -> None:
    assert BANFF.verdict(glomeruli) == verdict


def test_a_native_biopsy_goes_by_the_rule_that_is_typed() -> None:
    rule = adequacy_rule("25/12")
    assert [rule.verdict(n) for n in (25, 24, 12, 11)] == ["adequate", "marginal", "marginal", "inadequate"]
    assert adequacy_rule("8").verdict(7) == "inadequate"
    assert adequacy_rule("Banff") == BANFF
    assert "arteries are not counted" in rule.words


@pytest.mark.parametrize("typed", ["", "many", "10/20", "-3", "5/"])
def test_what_is_no_rule_is_refused(typed: str) -> None:
    with pytest.raises(UsageError, match="give banff"):
        adequacy_rule(typed)


def test_a_summary_counts_calls_edges_and_sclerosis() -> None:
    mixed = [
        ROUND,
        CountedGlomerulus(31_416.0, whole=True, sclerosed=False, call="spiked"),
        CountedGlomerulus(9_000.0, whole=True, sclerosed=True, call="uncertain"),
        CountedGlomerulus(5_000.0, whole=False, sclerosed=False, call=None),
    ]
    summary = summarise(mixed, tissue_mm2=2.0)
    assert (summary.glomeruli, summary.whole, summary.cut) == (4, 3, 1)
    assert (summary.sclerosed.n, summary.sclerosed.of) == (1, 4)
    assert (summary.spiked.n, summary.not_spiked.n, summary.uncertain.n, summary.spiked.of) == (1, 1, 1, 3)
    assert (summary.measured, summary.median_diameter_um) == (2, pytest.approx(200, abs=0.1))
    assert not summary.medians_reliable
    assert summary.glomeruli_per_mm2 == 2.0
    assert summary.adequacy.verdict == "inadequate"


def test_words_say_what_is_unreliable_and_what_was_not_looked_for() -> None:
    said = dict(summary_rows(summarise([CountedGlomerulus(100.0, True, None, None)], None)))
    assert "unreliable: fewer than 10" in said["Size"]
    assert said["Globally sclerosed"] == "not assessed"
    assert said["Spikes"] == "nothing was scored"
    assert "Tissue" not in said
    said = dict(summary_rows(summarise([ROUND] * 12, 1.5)))
    assert said["Glomeruli"] == "12 found: 12 whole"
    assert said["Spiked"] == "0 of 12: 0 % (95 % interval 0 to 24)"
    assert said["Tissue"] == "1.50 mm², 8.00 glomeruli per mm²"
    assert "unreliable" not in said["Size"]


def test_nothing_found_is_a_summary_too() -> None:
    summary = summarise([], 0.0)
    assert (summary.glomeruli, summary.median_area_um2, summary.glomeruli_per_mm2) == (0, None, None)
    assert summary.spiked.low is None
    assert dict(summary_rows(summary))["Size"] == "no whole glomerulus without sclerosis to measure"
