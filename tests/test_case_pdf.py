"""`report.pdf` of a case: what it says, that it can be filed, and that no name can break it."""

import io
import json
import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from glomspike.findings import Call
from glomspike.report import letters
from glomspike.report.case_pdf import MOST_PAGES, write_case_pdf
from glomspike.report.case_portrait import MARGIN_SHARE, most_suspicious, portray_profile
from glomspike.results.case_record import CaseRecord
from tests.case_results import MARK, case_of

LARGEST_BYTES = 5_000_000


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("case")


@pytest.fixture(scope="module")
def record(place: Path) -> CaseRecord:
    rows = ("k,a.svs,,,1,,", "k,b.svs,,,2,,", "k,c.svs,,,3,,", "k,igg.tif,if,igg,,,")
    return case_of(place, *rows)


def text_of(pdf: PdfReader) -> str:
    pages = " ".join(page.extract_text() for page in pdf.pages)
    return " ".join(pages.replace("\u200b", "").split())


def written(record: CaseRecord, place: Path) -> PdfReader:
    path = place / "report.pdf"
    write_case_pdf(path, record, place)
    return PdfReader(io.BytesIO(path.read_bytes()))


def test_whoever_has_only_the_pdf_knows_what_was_counted_how_surely_and_what_was_not_looked_at(
    record: CaseRecord, place: Path
) -> None:
    said = text_of(written(record, place))
    assert "Case k" in said
    assert "6 found: 6 whole" in said
    assert "1 of 6: 17 % (95 % interval 3 to 56)" in said
    assert "11 profiles of 6 glomeruli: 5 were found on two sections or more" in said
    assert "c.svs failed and is not part of this case: is empty; copy it again" in said
    assert "images other than light microscopy: igg.tif (if)" in said
    assert "tubules, interstitium, vessels" in said
    assert "all slides: the stain is pale" in said
    assert "Weights: classifier tuft outlines 1, SHA-256 cccc" in said
    assert "calibrated on validation phantoms" in said
    assert "Glomerulus 3 spiked, probability 0.90; spikes segmental" in said
    assert "5 none, 1 segmental, 0 global" in said
    assert "2 out of focus, so that their call is uncertain; median sharpness 0.60 of 11 scored" in said
    assert "3 spiked 0.90 segmental no" in said
    assert "1/3, 3/2 99 %" in said
    assert "profiles (slide/number): 1/3, 3/2; matched with at least 99 % certainty" in said
    assert "inadequate (Banff" in said
    assert "0.25" in said


def test_every_page_says_research_use_and_every_font_is_inside(record: CaseRecord, place: Path) -> None:
    pdf = written(record, place)
    assert len(pdf.pages) <= MOST_PAGES
    assert (place / "report.pdf").stat().st_size < LARGEST_BYTES
    for number, page in enumerate(pdf.pages, start=1):
        width, height = float(page.mediabox.width), float(page.mediabox.height)
        assert (round(width), round(height)) == (595, 842)  # A4 in points
        said = " ".join(page.extract_text().split())
        assert "For research use only" in said
        assert f"page {number} of {len(pdf.pages)}" in said
        for font in page["/Resources"]["/Font"].values():
            (inner,) = font.get_object()["/DescendantFonts"]
            assert {"/FontFile2", "/FontFile3"} & set(inner.get_object()["/FontDescriptor"].get_object())


@pytest.mark.parametrize(
    "name",
    [
        "*bold* _it_ #panic() $x$ @cite <label> \\ ` [a] // no /* no */",
        '"; #read("/etc/passwd") "',
        "🫘 „ä“ 漢字 العربية \u202e",
        "line\nbreak\ttab \x00\x07",
        "\ud800 surrogate",
        "x" * 400,
        "\ufffe\uffff\ue000\U000f0000\U0010ffff",
    ],
)
def test_any_name_of_a_case_is_text_and_no_markup(record: CaseRecord, place: Path, name: str) -> None:
    pdf = written(record.model_copy(update={"case": name}), place)
    assert len(pdf.pages) <= MOST_PAGES
    said = text_of(pdf)
    for word in ("*bold*", "#panic()", "$x$", "<label>", "[a]", "//", '#read("/etc/passwd")'):
        assert (word in name) == (word in said)


def test_signs_that_no_font_has_stand_as_their_numbers_so_that_no_two_names_look_alike(
    record: CaseRecord, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters, "_has_glyph", lambda sign: sign != "漢")
    letters._drawn.cache_clear()
    said = text_of(written(record.model_copy(update={"case": "B 漢 \ue000"}), place))
    assert "Case B ⟨U+6F22⟩ ⟨U+E000⟩" in said
    letters._drawn.cache_clear()


def test_a_mark_that_turns_the_direction_turns_nothing_else(record: CaseRecord, place: Path) -> None:
    said = text_of(written(record.model_copy(update={"case": "B\u202e 17"}), place))
    assert "Case B 17 · glomspike" in said


@given(name=st.text(min_size=1, max_size=30))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_name_stops_a_report(record: CaseRecord, place: Path, name: str) -> None:
    bare = record.model_copy(update={"case": name, "glomeruli": record.glomeruli[:1]})
    assert "For research use only" in text_of(written(bare, place))


def test_a_case_too_large_for_three_pages_says_what_is_left_out(record: CaseRecord, place: Path) -> None:
    many = tuple(
        image.model_copy(update={"image": f"{number}/{image.image}"})
        for number in range(20)
        for image in record.images
    )
    glomeruli = tuple(
        one.model_copy(
            update={
                "id": number,
                "call": "uncertain" if number % 2 else "spiked",
                "spike_probability": 0.5,
                "profiles": tuple(
                    p.model_copy(update={"image": f"{number % 20}/{p.image}"}) for p in one.profiles
                ),
            }
        )
        for number, one in enumerate(record.glomeruli * 5, start=1)
    )
    warnings = tuple(f"warning {number}: {'so it is ' * 60}" for number in range(40))
    large = record.model_copy(update={"images": many, "glomeruli": glomeruli, "warnings": warnings})
    pdf = written(large, place)
    assert len(pdf.pages) <= MOST_PAGES
    said = text_of(pdf)
    assert "more sentences in report.html" in said
    assert "more images in report.html" in said
    assert "more glomeruli in report.html" in said


def test_the_same_record_gives_the_same_file(record: CaseRecord, place: Path) -> None:
    written(record, place)
    before = (place / "report.pdf").read_bytes()
    written(CaseRecord.model_validate_json(record.model_dump_json()), place)
    assert (place / "report.pdf").read_bytes() == before


def test_a_case_without_a_slide_done_is_a_page_of_what_is_missing(record: CaseRecord, place: Path) -> None:
    failed = tuple(image for image in record.images if image.status != "done")
    bare = record.model_copy(
        update={"images": failed, "glomeruli": (), "threshold": None, "tile_um": None, "weights": {}}
    )
    said = text_of(written(bare, place))
    assert "failed" in said
    assert "Spiked glomeruli" not in said


def test_what_is_called_not_spiked_is_not_shown_among_the_suspicious(record: CaseRecord, place: Path) -> None:
    calls = ("spiked", "uncertain", "not spiked", "not spiked", "not spiked", "not spiked")
    said = text_of(written(with_calls(record, calls), place))
    spiked, uncertain = said.split("Spiked glomeruli")[1].split("Uncertain glomeruli")
    assert re.findall(r"Glomerulus (\d) (\w+)", spiked) == [("1", "spiked")]
    assert re.findall(r"Glomerulus (\d) (\w+)", uncertain) == [("2", "uncertain")]
    none = text_of(written(with_calls(record, ("not spiked",) * 6), place))
    assert "Spiked glomeruli Of 6 scored, no glomerulus is called spiked." in none
    assert "Glomerulus 1" not in none
    assert "Uncertain glomeruli" not in none


def with_calls(record: CaseRecord, calls: Sequence[Call]) -> CaseRecord:
    """The case with other calls of its glomeruli."""
    called = zip(record.glomeruli, calls, strict=True)
    return record.model_copy(
        update={"glomeruli": tuple(one.model_copy(update={"call": call}) for one, call in called)}
    )


def test_tiles_are_cut_from_where_they_lie(record: CaseRecord, place: Path) -> None:
    for one in record.glomeruli:
        portrait = portray_profile(most_suspicious(one), record, place, 420)
        assert portrait is not None
        best = portrait.tiles[0]
        cut = cv2.imdecode(np.frombuffer(best.jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)
        marked = np.abs(cut - MARK).sum(axis=2) < 150
        side = 1 / (1 + 2 * MARGIN_SHARE)
        assert marked.mean() == pytest.approx(side**2, abs=0.06)
        middle = np.argwhere(marked).mean(axis=0)
        assert middle == pytest.approx((np.array(cut.shape[:2]) - 1) / 2, abs=1.1)
        whole = cv2.imdecode(np.frombuffer(portrait.jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)
        height, width = whole.shape[:2]
        rows, columns = np.nonzero(np.abs(whole - MARK).sum(axis=2) < 150)
        assert columns.min() / width == pytest.approx(best.left, abs=1.5 / width)
        assert (rows.max() + 1) / height == pytest.approx(best.top + best.height, abs=1.5 / height)


def test_pictures_that_are_gone_leave_their_place_empty(record: CaseRecord, tmp_path: Path) -> None:
    said = text_of(written(record, tmp_path))
    assert "its picture is missing" in said
    assert json.loads(record.model_dump_json())["case"] == "k"
