"""`index.html`: the slides of a folder."""

import os

import numpy as np
import pytest
from lxml import html

from glomspike.errors import OutputError
from glomspike.findings import SlideRow
from glomspike.report.index import write_index
from glomspike.results.png import write_rgb


def done(slide, folder, status="done", glomeruli=10, spiked=4, **others):
    counts = {
        "glomeruli": glomeruli,
        "scored": glomeruli,
        "spiked": spiked,
        "tiles": 100,
        "positive_tiles": spiked,
    }
    numbers = {"mpp": 0.25, "spike_fraction": spiked / 100, "warnings": 1, "seconds": 12.5}
    return SlideRow(slide, status, "", folder=folder, **(counts | numbers | others))


FAILED = SlideRow("c/broken.svs", "failed", "does not open <b>; copy it again")
ROWS = (done("a.svs", "a"), done("b.svs", "b", status="skipped", glomeruli=5, spiked=5), FAILED)


@pytest.fixture
def index(tmp_path):
    def write(*rows):
        write_index(tmp_path, rows)
        return html.fromstring((tmp_path / "index.html").read_text("utf-8"))

    return write


def text_of(element):
    return " ".join(element.text_content().split())


def facts(page):
    return {text_of(term): text_of(term.getnext()) for term in page.cssselect("dt")}


def test_totals_are_of_all_slides(index):
    assert facts(index(*ROWS)) == {
        "Done": "2 1 of them before this run",
        "Failed": "1",
        "With warnings": "2",
        "Glomeruli": "15",
        "Spiked": "9 of 15 scored · 60 %",
        "Spike fraction": "4 % 9 of 200 tiles",
    }


def test_pictures_that_may_be_no_slides_are_listed_apart_from_failures(index):
    page = index(*ROWS, SlideRow("label.jpg", "omitted", "has no µm/px; give it with --mpp"))
    shown = facts(page)
    assert (shown["Done"][0], shown["Failed"], shown["Pictures omitted"]) == ("2", "1", "1")
    assert "omitted: has no µm/px; give it with --mpp" in text_of(page)


def test_each_slide_has_a_row_with_its_report_or_its_cause(index):
    rows = index(*ROWS).cssselect("tbody tr")
    assert [text_of(row.cssselect(".name")[0]) for row in rows] == ["a.svs", "b.svs", "c/broken.svs"]
    assert [row.cssselect(".name a")[0].get("href") for row in rows[:2]] == [
        "./a/report.html",
        "./b/report.html",
    ]
    assert text_of(rows[2].cssselect(".cause")[0]) == "failed: does not open <b>; copy it again"
    assert rows[2].cssselect("a") == []


def test_links_lead_to_the_reports_of_folders_with_any_name(index, tmp_path):
    names = ["100 %", "ä # ?", "a'b\"c", "sub/x&y", "javascript:1", "\udcff"]
    page = index(*(done(name, name) for name in names))
    for name, link in zip(names, page.cssselect(".name a"), strict=True):
        from urllib.parse import unquote_to_bytes

        assert unquote_to_bytes(link.get("href")) == b"./" + os.fsencode(name) + b"/report.html"


def test_a_slide_is_shown_small(index, tmp_path):
    (tmp_path / "a").mkdir()
    write_rgb(tmp_path / "a" / "overview.png", np.full((600, 900, 3), 120, np.uint8))
    thumbnails = index(*ROWS).cssselect(".thumbnail")
    assert [len(one.cssselect("img[src^='data:image/jpeg']")) for one in thumbnails] == [1, 0, 0]


def test_a_damaged_picture_is_left_out(index, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "overview.png").write_bytes(b"\x89PNG, or not")
    assert index(*ROWS).cssselect("img") == []


def test_a_slide_without_glomeruli_has_no_proportion(index):
    page = index(done("a.svs", "a", glomeruli=0, spiked=0, tiles=0, spike_fraction=None))
    assert facts(page)["Spiked"] == "not scored"
    assert len(page.cssselect("tbody td.number")) == 8


def test_an_index_of_glomspikes_is_replaced_and_anyone_elses_is_not(index, tmp_path):
    index(*ROWS)
    index(ROWS[0])
    (tmp_path / "index.html").write_text("<h1>my own page</h1>")
    with pytest.raises(OutputError, match="was not written by glomspike"):
        write_index(tmp_path, ROWS)
    assert (tmp_path / "index.html").read_text() == "<h1>my own page</h1>"


def names(page):
    return [cell.inner_text() for cell in page.locator("td.name").all()]


def test_clicks_on_a_heading_sort_by_it_and_failed_slides_come_last(open_page, tmp_path):
    write_index(tmp_path, (FAILED, *ROWS[:2], done("d.svs", "d", glomeruli=7, spiked=0)))
    page = open_page(tmp_path / "index.html")
    heading = page.get_by_role("button", name="Glomeruli")
    heading.click()
    assert names(page) == ["b.svs", "d.svs", "a.svs", "c/broken.svs"]
    heading.press("Enter")
    assert names(page) == ["a.svs", "d.svs", "b.svs", "c/broken.svs"]
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("Glomeruli")
    page.get_by_role("button", name="Slide").click()
    assert names(page) == ["a.svs", "b.svs", "c/broken.svs", "d.svs"]


def test_the_index_fits_a_phone_in_the_dark(open_page, tmp_path):
    write_index(tmp_path, ROWS)
    page = open_page(tmp_path / "index.html", width=390, scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
