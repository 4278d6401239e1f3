"""What stands in `report.html`, read as text."""

import re
from dataclasses import replace

import pytest
from lxml import html
from reports import card, glomerulus, slide_of, write_example_report
from results import RULE

from glomspike.findings import CallRule
from glomspike.networks.weights import ReliabilityBin
from glomspike.report.colours import palette
from glomspike.report.plots import colour_table, grey, histogram


@pytest.fixture
def written(tmp_path):
    def write(*found, classifier=None, rule=RULE, **slide):
        path = write_example_report(tmp_path, slide_of(*found, **slide), classifier, rule)
        return html.fromstring(path.read_text("utf-8"))

    return write


def text_of(page, selector):
    return " ".join(page.cssselect(selector)[0].text_content().split())


def fact(page, name, within="body"):
    terms = [term for term in page.cssselect(f"{within} dt") if term.text_content() == name]
    return " ".join(terms[0].getnext().text_content().split())


def test_the_top_tells_what_was_found_and_of_how_many(written):
    page = written(glomerulus(1, 0.9), glomerulus(2, 0.2), glomerulus(3, None), warnings=("coarse",))
    assert fact(page, "Glomeruli found") == "3"
    assert fact(page, "Spiked") == "1 of 2 scored · 50 %"
    assert fact(page, "Spike fraction of the slide") == "55 % 110 of 200 tiles"
    assert fact(page, "Scale") == "0.25 µm/px"
    assert text_of(page, ".warnings li") == "coarse"


def test_the_four_best_tiles_of_the_case_lead_to_their_glomeruli(written):
    page = written(glomerulus(1, 0.4), glomerulus(2, 0.9), glomerulus(3, None))
    texts = [" ".join(link.text_content().split()) for link in page.cssselect(".best a")]
    assert texts == [f"2 · {0.9 * share:.2f}" for share in (1, 0.9, 0.8, 0.7)]
    assert {link.get("href") for link in page.cssselect(".best a")} == {"#g2"}
    of_card, of_case = (page.cssselect(f"{place} .tiles img") for place in ("#g2", ".best"))
    assert [image.get("src") for image in of_case] == [image.get("src") for image in of_card]


def test_without_a_score_the_case_has_no_best_tiles(written):
    assert not written(glomerulus(1, None)).cssselect(".best")


def test_how_far_to_trust_it_comes_from_the_card(written):
    texts = text_of(written(glomerulus(1, 0.9)), ".meaning")
    assert "not calibrated" in texts
    assert "must not guide the care of a patient" in texts
    assert "phantoms (10 images)" in texts
    assert "it learnt from <b>phantoms</b>" in texts


def test_a_calibrated_classifier_says_on_what(written):
    calibration = {"method": "platt", "scale": 1.2, "offset": -0.1, "data": "20 other phantoms"}
    page = written(glomerulus(1, 0.9), classifier=card(calibration=calibration))
    assert "20 other phantoms" in text_of(page, ".meaning")
    assert "not calibrated" not in text_of(page, "#g1")


def test_tiles_calibrated_for_themselves_are_said_to_be(written):
    own = {"method": "platt", "scale": 1, "offset": 0.5, "data": "7 tiles"}
    whole = {"method": "platt", "scale": 1.2, "offset": -0.1, "data": "20 other phantoms"}
    with_tiles = written(glomerulus(1, 0.9), classifier=card(calibration=whole, tile_calibration=own))
    said = "the probability that this tile shows spikes, calibrated separately on 7 tiles"
    assert said in text_of(with_tiles, ".meaning")
    assert "this tile shows" not in text_of(
        written(glomerulus(1, 0.9), classifier=card(calibration=whole)), ".meaning"
    )


def test_reliability_is_drawn_where_the_card_has_it(written):
    bins = (ReliabilityBin(n=30, probability=0.1, spiked=0.2), ReliabilityBin(n=5, probability=0.9, spiked=1))
    page = written(glomerulus(1, 0.9), classifier=card(reliability=bins))
    assert [(dot.get("cx"), dot.get("cy")) for dot in page.cssselect(".point")] == [
        ("59.0", "162.0"),
        ("211.0", "10.0"),
    ]
    assert "35 glomeruli" in text_of(page, ".reliability figcaption")
    assert "does not say" in text_of(written(glomerulus(1, 0.9)), ".reliability figcaption")


def test_metrics_of_the_card_stand_under_the_data_they_are_of(written):
    page = written(glomerulus(1, 0.9))
    assert text_of(page, ".weights caption") == "Measured on other phantoms (n = 30)"
    cells = [cell.text_content() for cell in page.cssselect(".weights tbody tr > *")]
    assert cells == ["dice", "0.900", "0.850 to 0.950"]


def test_a_card_tells_how_to_find_its_glomerulus(written):
    page = written(glomerulus(1, 0.9))
    assert fact(page, "In ImageScope", "#g1") == "X 1180, Y 884 px “1: spike 0.90” in layer Spiked glomeruli"
    assert fact(page, "Diameter", "#g1") == "220 µm outline 30,791 µm²"
    assert fact(page, "Spike fraction", "#g1") == "90 % 90 of 100 tiles"
    assert len(page.cssselect("#g1 .tiles li")) == 4


def test_a_turned_slide_has_other_places_in_imagescope_and_qupath(written):
    page = written(glomerulus(1, 0.9), vendor="leica", bounds=(100, 50, 4440, 3040))
    assert fact(page, "In ImageScope", "#g1").startswith("X 2206, Y 1080 px")
    assert fact(page, "In QuPath", "#g1") == "X 1080, Y 834 px"


def test_what_limits_a_glomerulus_is_said_on_its_card(written):
    page = written(glomerulus(1, 0.9, touches_edge=True))
    assert "Cut by the slide edge" in text_of(page, "#g1 .caution")


def test_the_threshold_of_the_run_is_the_one_that_is_shown_first(written):
    page = written(glomerulus(1, 0.9), rule=CallRule.of_one_cut(0.7))
    assert page.get_element_by_id("threshold").get("value") == "0.7"
    assert [preset.get("value") for preset in page.cssselect(".preset")] == ["0.7", "0.5", "0.86"]


def test_three_calls_have_two_cuts_and_the_card_of_an_uncertain_one_says_so(written):
    rule = CallRule(0.5, 0.2, 0.8)
    found = [glomerulus(n, p, rule=rule) for n, p in enumerate((0.9, 0.5, 0.1), start=1)]
    page = written(*found, rule=rule)
    assert fact(page, "Spiked") == "1 of 3 scored · 33 % · 1 uncertain"
    assert page.get_element_by_id("threshold").get("value") == "0.8"
    assert page.get_element_by_id("lower").get("value") == "0.2"
    assert [text_of(page, f"#g{n} .verdict") for n in (1, 2, 3)] == ["spiked", "uncertain", "not spiked"]
    assert "uncertain" in page.cssselect("#m2")[0].classes
    assert "not spiked below 0.20, and uncertain between them" in text_of(page, ".meaning")
    assert [row for row in page.cssselect(".summary tr") if "Uncertain" in row.text_content()]


def test_a_call_that_does_not_follow_from_the_probability_stays_whatever_the_cut(written):
    sure, doubtful = glomerulus(1, 0.9), glomerulus(2, 0.9)
    doubtful = replace(doubtful, spikes=replace(doubtful.spikes, call="uncertain"))
    page = written(sure, doubtful)
    assert page.cssselect("#g1")[0].get("data-call") is None
    assert page.cssselect("#g2")[0].get("data-call") == "uncertain"
    assert fact(page, "Spiked") == "1 of 2 scored · 50 % · 1 uncertain"


HOSTILE = [
    "<script>alert(1)</script>.svs",
    '"><img src=x onerror=alert(1)>',
    "a' onload='b",
    "{{ 7*7 }}",
    "\udcff.svs",
    "//x/y",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_adds_nothing_to_the_page(written, name):
    plain, page = written(glomerulus(1, 0.9)), written(glomerulus(1, 0.9), name=name, warnings=())
    assert [one.tag for one in page.iter()] == [one.tag for one in plain.iter()]
    assert page.cssselect("h1")[0].text_content() == name.replace("\udcff", "?")


def test_nothing_is_fetched_and_only_the_pages_own_script_may_run(tmp_path):
    text = write_example_report(tmp_path, slide_of(glomerulus(1, 0.9), glomerulus(2, None))).read_text(
        "utf-8"
    )
    without_pictures = re.sub(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]+", "", text)
    assert "://" not in without_pictures
    assert not re.search(r"""(src|href|action|poster|srcset)=["']?(?!["'#])""", without_pictures)
    assert "@import" not in text
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1].replace("&#39;", "'")
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy


def test_two_hundred_glomeruli_stay_under_thirty_megabytes(tmp_path):
    found = slide_of(*(glomerulus(i, i % 6 / 6) for i in range(1, 201)))
    assert write_example_report(tmp_path, found).stat().st_size < 30e6


def test_the_histogram_counts_every_probability_once():
    bars = histogram([0.0, 0.01, 0.5, 0.97, 1.0])
    assert sum(bar.count for bar in bars) == 5
    assert [bar.count for bar in bars if bar.count] == [2, 1, 2]
    assert (bars[-1].low, bars[-1].high, bars[-1].share) == pytest.approx((0.95, 1.0, 1.0))


def test_the_browser_gets_the_colour_maps_ends_and_greys():
    table = colour_table("viridis")
    first, last = palette("viridis")[[0, -1]] / 255
    for channel, low, high in zip((table.red, table.green, table.blue), first, last, strict=True):
        steps = [float(step) for step in channel.split()]
        assert (steps[0], steps[-1]) == pytest.approx((low, high), abs=1e-3)
    assert [grey(p) for p in (0.0, 0.5, 1.0)] == ["#000000", "#808080", "#ffffff"]
