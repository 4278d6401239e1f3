"""The report in a real browser: it loads clean, and sorts, filters, fades and moves by clicks and keys."""

import itertools

import cv2
import numpy as np
import pytest
from reports import glomerulus, slide_of, write_example_report

PROBABILITIES = {1: 0.04, 2: 0.93, 3: 0.66, 4: None, 5: 0.31, 6: 0.51}
BY_PROBABILITY = ["2", "3", "6", "5", "1", "4"]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    found = [glomerulus(i, p, radius_um=100 + (7 * i) % 5) for i, p in PROBABILITIES.items()]
    return write_example_report(tmp_path_factory.mktemp("report"), slide_of(*found))


@pytest.fixture
def page(open_page, report):
    return open_page(report)


def shown(page):
    return [card.get_attribute("data-id") for card in page.locator(".card:visible").all()]


def show(page, kind):
    page.get_by_role("radio", name=kind, exact=True).check()


def markers(page):
    return sorted(marker.get_attribute("data-id") for marker in page.locator(".marker:visible").all())


def focused(page):
    return page.evaluate("document.activeElement.id")


def colour_at(page, selector):
    """The mean colour of an element as it is painted."""
    picture = cv2.imdecode(np.frombuffer(page.locator(selector).first.screenshot(), np.uint8), 1)
    return picture[..., ::-1].reshape(-1, 3).mean(axis=0)


def test_the_most_suspicious_come_first_and_all_are_shown(page):
    assert shown(page) == BY_PROBABILITY
    assert page.locator("#count").inner_text() == "6 of 6 shown"
    assert page.locator("#spiked").inner_text() == "3"


def test_sorting_reorders_the_cards(page):
    page.locator("#sort").select_option("position")
    assert shown(page) == ["1", "2", "3", "4", "5", "6"]
    page.locator("#sort").select_option("size")
    sizes = [float(card.get_attribute("data-size")) for card in page.locator(".card").all()]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[-1]
    page.locator("#sort").select_option("probability")
    assert shown(page) == BY_PROBABILITY


def test_cards_and_markers_are_filtered_together(page):
    show(page, "not spiked")
    assert shown(page) == ["5", "1"]
    assert markers(page) == ["1", "5"]
    assert page.locator("#count").inner_text() == "2 of 6 shown"
    show(page, "not scored")
    assert shown(page) == ["4"]
    show(page, "all")
    assert markers(page) == ["1", "2", "3", "4", "5", "6"]


def test_counts_and_verdicts_follow_the_threshold(page):
    slider = page.locator("#threshold")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    page.mouse.click(box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2)
    assert float(slider.input_value()) == pytest.approx(0.8, abs=0.03)
    assert page.locator("#spiked").inner_text() == "1"
    assert page.locator("#proportion").inner_text() == "20 %"
    assert page.locator("#g3 .verdict").inner_text() == "not spiked"
    assert "not spiked" in page.locator("#m3").get_attribute("aria-label")
    assert page.locator("#differs").is_visible()
    show(page, "spiked")
    assert shown(page) == ["2"]
    page.get_by_role("button", name="0.50").click()
    assert shown(page) == ["2", "3", "6"]
    assert not page.locator("#differs").is_visible()


def test_what_lies_between_two_cuts_is_uncertain(page):
    lower = page.locator("#lower")
    lower.focus()
    page.keyboard.press("Home")
    assert float(lower.input_value()) == 0
    assert page.locator("#threshold-value").inner_text() == "0.50"
    assert page.locator("#uncertain").inner_text() == "· 2 uncertain"
    assert page.locator("#g5 .verdict").inner_text() == "uncertain"
    show(page, "uncertain")
    assert shown(page) == ["5", "1"]
    page.get_by_role("button", name="0.50").click()
    assert page.locator("#empty").is_visible()
    assert page.locator("#uncertain").inner_text() == ""


def test_the_threshold_moves_by_keys(page):
    page.locator("#threshold").focus()
    page.keyboard.press("End")
    assert page.locator("#spiked").inner_text() == "0"
    show(page, "spiked")
    assert page.locator("#empty").is_visible()


def test_a_heatmap_fades_in_and_out_and_all_do_together(page):
    def fade(percent):
        page.locator("#g2 .fade").fill(str(percent))
        return colour_at(page, "#g2 .picture .stack")

    bare, half, full = fade(0), fade(50), fade(100)
    assert abs(half - bare).max() > 10
    assert abs(full - half).max() > 10
    page.locator("#heat").fill("0")
    assert abs(colour_at(page, "#g2 .picture .stack") - bare).max() < 1
    opacities = page.locator(".card .layer").evaluate_all("all => all.map(one => one.style.opacity)")
    assert opacities == ["0"] * 5


def test_heat_is_drawn_in_the_chosen_colours(page):
    page.locator("#heat").fill("100")
    viridis = colour_at(page, "#g2 .picture .stack")
    page.locator("#colours").select_option("jet")
    jet = colour_at(page, "#g2 .picture .stack")
    # The heat of the test is spread evenly from 0 to 1, so that its mean is that of the map.
    assert viridis == pytest.approx([64, 128, 118], abs=30)
    assert abs(jet - viridis).max() > 20


def test_arrow_keys_go_from_one_glomerulus_to_the_next(page):
    page.locator("body").press("ArrowRight")
    assert focused(page) == "g2"
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert focused(page) == "g5"
    page.keyboard.press("ArrowLeft")
    assert focused(page) == "g6"
    assert "chosen" in page.locator("#m6").get_attribute("class")
    assert page.locator("#g6").bounding_box()["y"] < 900


def test_arrow_keys_leave_out_what_is_not_shown(page):
    show(page, "not spiked")
    page.locator("h1").click()
    page.locator("body").press("ArrowRight")
    assert focused(page) == "g5"
    page.keyboard.press("ArrowRight")
    assert focused(page) == "g1"
    page.keyboard.press("ArrowRight")
    assert focused(page) == "g1"


def test_a_tile_of_the_case_leads_to_its_glomerulus_even_where_that_is_filtered_out(page):
    show(page, "not spiked")
    page.locator(".best a").first.click()
    assert focused(page) == "g2"
    assert page.locator("#g2").is_visible()
    assert page.locator("#count").inner_text() == "6 of 6 shown"


def test_overview_and_cards_lead_to_each_other(page):
    page.locator("#m1 .reach").click()
    assert focused(page) == "g1"
    page.locator("#g1 .back").click()
    assert focused(page) == "m1"
    page.keyboard.press("Enter")
    assert focused(page) == "g1"


def test_of_all_markers_one_is_a_stop_of_the_tab_key(page):
    stops = page.locator(".marker").evaluate_all("all => all.filter(one => one.tabIndex === 0).length")
    assert stops == 1


def test_outlines_can_be_taken_away(page):
    assert page.locator("#g2 .lines").first.is_visible()
    page.get_by_label("Outlines and tile frames").uncheck()
    assert not page.locator("#g2 .lines").first.is_visible()


def brightness(page):
    return colour_at(page, "h1").mean()


def test_light_and_dark_follow_the_system_and_can_be_chosen(open_page, report):
    light, dark = open_page(report), open_page(report, scheme="dark")
    assert brightness(light) > 180
    assert brightness(dark) < 80
    dark.locator("#theme").select_option("light")
    assert brightness(dark) > 180


def test_nothing_sticks_out_at_any_width(page):
    for width in (360, 390, 800, 1400, 2200):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_print_shows_cards_in_light_and_no_controls(open_page, report):
    page = open_page(report, scheme="dark")
    page.emulate_media(media="print")
    assert brightness(page) > 180
    assert not page.locator("#controls").is_visible()
    assert shown(page) == BY_PROBABILITY


def test_every_picture_and_control_has_a_name_for_screen_readers(page):
    nameless = page.evaluate("""() => [...document.querySelectorAll("input, select, button, a")]
        .filter(one => !one.closest("[hidden]") && !one.getAttribute("aria-label")
            && !one.labels?.length && !one.textContent.trim()).map(one => one.outerHTML)""")
    assert nameless == []
    assert page.locator("img:not([alt])").count() == 0
    levels = page.locator("h1, h2, h3, h4").evaluate_all("all => all.map(one => Number(one.tagName[1]))")
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_without_scripts_everything_is_there_but_the_controls(browser, report):
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(report.as_uri())
        assert shown(page) == BY_PROBABILITY
        assert not page.locator("#controls").is_visible()
        page.locator("#m5").click()
        assert page.url.endswith("#g5")


HOSTILE = """<img src=x onerror=alert(1)>"'></title><script>alert(2)</script>{{ 7*7 }}${1}.svs"""


def test_a_hostile_name_is_only_a_name(open_page, tmp_path):
    found = slide_of(glomerulus(1, 0.7), name=HOSTILE, warnings=(HOSTILE,))
    page = open_page(write_example_report(tmp_path, found))
    assert page.locator("h1").inner_text() == HOSTILE
    assert page.locator(".warnings li").inner_text() == HOSTILE
    assert page.locator("script").count() == 1
    assert page.locator("img").count() == page.locator("img[src^='data:image/']").count()


def test_a_slide_without_glomeruli_and_one_without_scores_load_clean(open_page, tmp_path):
    page = open_page(write_example_report(tmp_path, slide_of()))
    assert page.get_by_text("No glomerulus was found").is_visible()
    page.locator("body").press("ArrowRight")
    page = open_page(write_example_report(tmp_path, slide_of(glomerulus(1, None))))
    assert shown(page) == ["1"]
    assert page.locator("#threshold").count() == 0
    show(page, "not scored")
    assert shown(page) == ["1"]


@pytest.mark.slow
def test_two_hundred_glomeruli_open_within_two_seconds(open_page, tmp_path):
    found = [glomerulus(i, i % 6 / 6) for i in range(1, 201)]
    path = write_example_report(tmp_path, slide_of(*found))
    assert path.stat().st_size < 30e6
    page = open_page(path)
    seconds = page.evaluate("performance.getEntriesByType('navigation')[0].duration / 1000")
    assert seconds < 2
    page.locator("body").press("ArrowRight")
    assert focused(page).startswith("g")
