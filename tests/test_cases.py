"""`cases.csv`, and cases put together from their slides' results."""

import csv
import hashlib
import json
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result
from lxml import html
from PIL import Image

from glomspike.batch.task import Batch
from glomspike.cases.assemble import assemble
from glomspike.cases.folder import cases_of_folder
from glomspike.cases.markers import with_markers
from glomspike.cases.table import folder_names, read_cases
from glomspike.cases.tables import cases_table
from glomspike.cases.write import check_place, write_case, write_cases
from glomspike.cli.cases import _assemble, command
from glomspike.errors import OutputError, SamplesError
from glomspike.findings import SlideRow, Stain
from glomspike.report.case_words import case_summary, focus_words, stain_words
from glomspike.report.index import write_index
from glomspike.results.adequacy import BANFF
from glomspike.results.counting import Focus
from glomspike.results.options import Options
from glomspike.review.changes import NewChange
from glomspike.review.slides import ReviewedSlide
from glomspike.slide.find import FoundSlide, find_slides
from tests.case_results import CARDS, case_of, slide_folder, table


def test_rows_become_cases_with_their_images_in_order(tmp_path: Path) -> None:
    rows = ["B 1,two.svs,om,PAS,2,A,", "B 1,one.svs,,,1,A,0.25", "other,x.svs,,,,,", "B 1,c.png,if,igg,,,"]
    first, second = read_cases(table(tmp_path, *rows))
    assert [image.image for image in first.images] == ["c.png", "one.svs", "two.svs"]
    assert [image.stain for image in first.images] == [None, None, "PAS"]
    assert (first.name, first.folder, second.name) == ("B 1", "B 1", "other")
    assert first.images[1].path == tmp_path / "one.svs"
    assert first.images[0].marker == "IgG"
    assert (first.images[1].mpp, first.images[1].marker) == (0.25, "")


def test_a_spreadsheet_s_separators_decimal_commas_and_empty_rows_are_read(tmp_path: Path) -> None:
    header = "\ufeffCase; image ;MPP;note\n"
    (case,) = read_cases(table(tmp_path, "B 17;a.svs;0,25;first", ";;;", 'B 17;"b;c.svs"', header=header))
    assert [(one.path.name, one.mpp, one.row) for one in case.images] == [
        ("a.svs", 0.25, 2),
        ("b;c.svs", None, 4),
    ]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["a,,om,,,,"], "row 2 has no image"),
        (["a,a\0.svs,om,,,,"], "line 2: has a character of code 0"),
        ([",a.svs,om,,,,"], "row 2 has no case"),
        (["a,a.svs,xray,,,,"], "unknown modality 'xray'"),
        (["a,a.svs,om,giemsa,,,"], "unknown stain 'giemsa'"),
        (["a,a.svs,om,,,,", "a,b.tif,if,CD68,,,"], "row 3: has the unknown antibody 'CD68'"),
        (["a,a.svs,om,,,,", "a,b.tif,tem,,,,10"], "give µm/px, not nm/px: 0.01"),
        (["a,a.svs,om,,two,,"], "has 'two' as level"),
        (["a,a.svs,om,,1.5,,"], "the level '1.5'"),
        (["a,a.svs,om,,1,,-1"], "has '-1' as mpp"),
        (["a,a.svs,,,,,", "b,./a.svs,,,,,"], "names a.svs twice, in rows 2 and 3"),
        (
            ["left, right,a.svs,,,,,"],
            "line 2: has 8 cells, and there are 7 columns; put names with a separator",
        ),
        (["a,a.svs,,,,,", "", "b,none/../a.svs,,,,,"], "names a.svs twice, in rows 2 and 4"),
        (["a,a.tif,tem,,,,"], "case 'a' has no slide"),
        ([], "has no row"),
    ],
)
def test_each_fault_of_a_table_is_one_line(tmp_path: Path, rows: list[str], said: str) -> None:
    with pytest.raises(SamplesError) as failure:
        read_cases(table(tmp_path, *rows))
    assert said in str(failure.value)
    assert "\n" not in str(failure.value)


def test_cases_that_differ_only_in_capitals_are_two_and_say_so(tmp_path: Path) -> None:
    first, second, other = read_cases(table(tmp_path, "B17,a.svs,,,,,", "b17,b.svs,,,,,", "B18,c.svs,,,,,"))
    assert (first.folder, second.folder) == ("B17", "b17-2")
    assert first.notes == ("case 'b17' differs only in capitals and is taken for another biopsy",)
    assert other.notes == ()
    rows = {"a.svs": slide_folder(tmp_path, "a")}
    assert assemble(first, rows, tmp_path, BANFF, CARDS).warnings == first.notes


def test_a_missing_column_and_what_is_no_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(SamplesError, match="has no column image"):
        read_cases(table(tmp_path, "a,b.svs", header="case,slide\n"))
    path = tmp_path / "cases.csv"
    path.write_bytes(b"case,image\n\xff\xfe,\xff\n")
    with pytest.raises(SamplesError, match="save it as CSV in UTF-8"):
        read_cases(path)


def test_a_case_is_counted_again_as_its_reviewers_call_it(tmp_path: Path) -> None:
    rows = "k,a.svs,om,,1,A,", "k,b.svs,om,,2,A,"
    before = case_of(tmp_path, *rows)
    assert before.reviews == ()
    place = tmp_path / "a"
    slide = ReviewedSlide(place, "a", ())
    slide.begin()
    circle = {"x0": 4400, "y0": 4400, "radius_um": 70}
    for edit in (
        {"kind": "call", "glomerulus": "1", "call": "spiked"},
        {"kind": "presence", "glomerulus": "2", "is_glomerulus": False},
        {"kind": "drawn", "glomerulus": "drawn-00000001", "circle": circle},
        {"kind": "call", "glomerulus": "drawn-00000001", "call": "uncertain"},
    ):
        slide.save(NewChange.model_validate({"id": str(uuid4()), "reviewer": "Ada", "edit": edit}))
    slide.close()
    (case,) = read_cases(table(tmp_path, *rows))
    done = {name: SlideRow(name, "done", "", folder=name[0], glomeruli=6) for name in ("a.svs", "b.svs")}
    case = with_markers(case, done, tmp_path)
    after = assemble(case, done, tmp_path, BANFF, CARDS)
    (review,) = after.reviews
    assert (review.reviewer, review.slides, review.complete) == ("Ada", 1, False)
    # The second, which the other level lacks, is gone; the first is spiked now, and so is another on level 2.
    assert (review.glomeruli, review.removed, review.added) == (6, 1, 1)
    assert (review.spiked, review.uncertain, review.not_spiked) == (before.summary.spiked.n + 1, 1, 3)
    (said,) = [text for term, text in case_summary(after) if term == "Partly reviewed by Ada"]
    assert said.startswith("2 of 6 spiked, 1 uncertain, 1 added, not matched to other levels, 1 removed; 1 ")
    of_another = (place / "review.json").read_text().replace("f" * 64, "0" * 64)
    (tmp_path / "b" / "review.json").write_text(of_another)
    assert assemble(case, done, tmp_path, BANFF, CARDS).reviews == after.reviews


def test_folders_of_cases_suit_every_file_system() -> None:
    names = ["A/1", 'b"c', "🫘", "Case", "case", "..", "x" * 300]
    folders = folder_names(names)
    assert folders[:6] == ["A_1", "b_c", "_", "Case", "case-2", "_-2"]
    assert len({one.casefold() for one in folders}) == len(names)
    assert max(map(len, folders)) < 100


def test_a_glomerulus_on_two_levels_counts_once_and_is_spiked_if_one_profile_is(tmp_path: Path) -> None:
    record = case_of(tmp_path, "k,a.svs,om,silver,1,,", "k,b.svs,om,silver,2,,")
    assert record.summary.glomeruli == 6
    assert (record.summary.spiked.n, record.summary.spiked.of) == (1, 6)
    assert record.summary.sclerosed.n == 1
    assert sorted(len(one.profiles) for one in record.glomeruli) == [1, 2, 2, 2, 2, 2]
    (spiked,) = [one for one in record.glomeruli if one.call == "spiked"]
    assert [profile.call for profile in spiked.profiles] == ["not spiked", "spiked"]
    assert spiked.certainty > 0.95
    assert record.apart == (("a.svs", "b.svs"),)


@pytest.mark.parametrize("missed", [(1,), ()])
def test_a_faint_profile_counts_only_where_another_level_shows_it_too(
    tmp_path: Path, missed: tuple[int, ...]
) -> None:
    (case,) = read_cases(table(tmp_path, "A,a.svs,om,silver,1,,", "A,b.svs,om,silver,2,,"))
    done = {
        "a.svs": slide_folder(tmp_path, "a", faint=1),
        "b.svs": slide_folder(tmp_path, "b", left_out=missed),
    }
    record = assemble(case, done, tmp_path, BANFF, CARDS)
    assert len(record.glomeruli) == 6 - len(missed)
    said = [warning for warning in record.warnings if "not counted" in warning]
    assert len(said) == len(missed)
    assert all(warning.endswith(": a.svs 2") for warning in said)


def test_a_faint_profile_counts_where_there_is_no_other_level(tmp_path: Path) -> None:
    (case,) = read_cases(table(tmp_path, "A,a.svs,om,silver,1,,"))
    record = assemble(case, {"a.svs": slide_folder(tmp_path, "a", faint=1)}, tmp_path, BANFF, CARDS)
    assert len(record.glomeruli) == 6


def test_a_case_says_which_levels_hardly_fit(tmp_path: Path) -> None:
    (case,) = read_cases(table(tmp_path, "k,a.svs,om,silver,1,,", "k,b.svs,om,silver,2,,"))
    done = {
        "a.svs": slide_folder(tmp_path, "a", left_out=(4, 5)),
        "b.svs": slide_folder(tmp_path, "b", left_out=(1, 2)),
    }
    record = assemble(with_markers(case, done, tmp_path), done, tmp_path, BANFF, CARDS)
    assert record.apart == (("a.svs", "b.svs"),)
    (doubt,) = record.warnings
    assert doubt.startswith("few profiles fit between these levels, so that they may not be the same tissue")
    assert doubt.endswith(": a.svs; b.svs")


def test_pictures_of_single_glomeruli_are_counted_one_by_one_and_that_is_all_that_is_said_of_levels(
    tmp_path: Path,
) -> None:
    (case,) = read_cases(table(tmp_path, *(f"k,{name}.svs,om,silver,,," for name in "abc")))
    done = {
        "a.svs": slide_folder(tmp_path, "a", left_out=(1, 2, 3, 4, 5)),
        "b.svs": slide_folder(tmp_path, "b", left_out=(0, 1, 3, 4, 5)),
        "c.svs": slide_folder(tmp_path, "c", left_out=(0, 1, 2, 3, 4, 5)),
    }
    for name in "abc":
        path = tmp_path / name / "run.json"
        record = json.loads(path.read_text())
        record["slide"] |= {"bounds_width": 2000, "bounds_height": 1500}  # 500 x 375 µm
        path.write_text(json.dumps(record))
    record = assemble(case, done, tmp_path, BANFF, CARDS)
    assert record.summary.glomeruli == 2
    assert record.warnings == (
        "pictures of a single glomerulus are not matched, and each counts as a glomerulus: a.svs; b.svs",
    )


def test_a_slide_without_a_glomerulus_is_not_counted_apart(tmp_path: Path) -> None:
    (case,) = read_cases(table(tmp_path, "k,a.svs,om,silver,1,,", "k,b.svs,om,silver,2,,"))
    done = {
        "a.svs": slide_folder(tmp_path, "a"),
        "b.svs": slide_folder(tmp_path, "b", left_out=(0, 1, 2, 3, 4, 5)),
    }
    record = assemble(case, done, tmp_path, BANFF, CARDS)
    assert record.warnings == ()
    (row,) = csv.DictReader(cases_table([("cases/k", record)]).decode().splitlines())
    assert row["counted_apart"] == "0"


def test_another_stain_than_silver_has_no_say_in_spikes(tmp_path: Path) -> None:
    record = case_of(tmp_path, "k,a.svs,om,silver,1,,", "k,b.svs,om,pas,2,,")
    assert (record.summary.spiked.n, record.summary.spiked.of) == (0, 6)
    assert record.unseen == ("spikes in stains other than silver, which do not show them: b.svs (pas)",)


def test_the_stain_is_measured_where_the_table_has_none(tmp_path: Path) -> None:
    (case,) = read_cases(table(tmp_path, "k,a.svs,,,1,,", "k,b.svs,,,2,,", "k,c.svs,,,3,,", "k,d.svs,,,4,,"))
    rows = {
        "a.svs": slide_folder(tmp_path, "a", stain=Stain("silver", 0.98)),
        "b.svs": slide_folder(tmp_path, "b", stain=Stain("PAS", 0.97), spiked=2),
        "c.svs": slide_folder(tmp_path, "c", stain=Stain("immuno", 0.9), spiked=2),
        "d.svs": slide_folder(tmp_path, "d"),  # not to be measured, and scored like any such slide
    }
    known = with_markers(case, rows, tmp_path)
    assert [image.marker for image in known.images] == ["silver", "pas", "immuno", "silver"]
    record = assemble(known, rows, tmp_path, BANFF, CARDS)
    assert record.summary.spiked.n == 0
    assert [stain_words(image) for image in record.images] == [
        "silver (measured)", "pas (measured)", "immuno (measured)", "silver",
    ]  # fmt: skip


def test_a_slide_that_looks_unlike_the_table_s_stain_says_so(tmp_path: Path) -> None:
    (case,) = read_cases(table(tmp_path, "k,a.svs,,silver,1,,"))
    rows = {"a.svs": slide_folder(tmp_path, "a", stain=Stain("silver", measured=Stain("PAS", 0.97)))}
    (image,) = assemble(case, rows, tmp_path, BANFF, CARDS).images
    assert stain_words(image) == "silver (PAS by its colours)"


def test_extent_is_that_of_the_membrane_on_all_profiles_in_silver(tmp_path: Path) -> None:
    record = case_of(tmp_path, "k,a.svs,om,silver,1,,", "k,b.svs,om,silver,2,,")
    (spiked,) = [one for one in record.glomeruli if one.call == "spiked"]
    assert (spiked.extent, spiked.membrane_tiles, spiked.spiked_membrane_share) == ("segmental", 32, 0.25)
    assert record.summary.extents == {"none": 5, "segmental": 1, "global": 0}
    apart = case_of(tmp_path / "pas", "k,a.svs,om,silver,1,,", "k,b.svs,om,pas,2,,")
    assert {(one.extent, one.membrane_tiles) for one in apart.glomeruli} == {("none", 16)}


def test_focus_is_that_of_all_profiles_in_silver(tmp_path: Path) -> None:
    record = case_of(tmp_path, "k,a.svs,om,silver,1,,", "k,b.svs,om,silver,2,,")
    assert record.summary.focus == Focus(measured=11, median_sharpness=0.6, out_of_focus=2)
    assert [focus_words(image) for image in record.images] == ["0.60, 1 blurred"] * 2
    silver = case_of(tmp_path / "pas", "k,a.svs,om,silver,1,,", "k,b.svs,om,pas,2,,")
    assert silver.summary.focus == Focus(measured=6, median_sharpness=0.6, out_of_focus=1)


def test_warnings_of_a_case_and_of_its_slides_are_counted(tmp_path: Path) -> None:
    record = case_of(tmp_path, "k,a.svs,,,1,,", "k,b.svs,,,2,,", "k,c.svs,,,3,,")
    (row,) = csv.DictReader(cases_table([("cases/k", record)]).decode().splitlines())
    assert row["warnings"] == "2"  # one that both slides have, and that a slide failed
    assert (row["extent_segmental"], row["sharpness"], row["out_of_focus"]) == ("1", "0.6", "2")
    write_index(tmp_path, [], [("cases/k", record)])
    page = html.fromstring((tmp_path / "index.html").read_text())
    assert page.cssselect("section.table tbody td")[-1].text_content() == "2"


def test_a_case_that_cannot_be_assembled_leaves_the_others_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = read_cases(table(tmp_path, '"bad\nname",a.svs,,,,,', "good,b.svs,,,,,"))
    rows = {"a.svs": slide_folder(tmp_path, "a"), "b.svs": slide_folder(tmp_path, "b")}
    (tmp_path / "a" / "glomeruli.csv").write_text("id\none\n")
    batch = Batch(tmp_path, {}, CARDS, Options())
    assert _assemble(tmp_path, cases, rows, batch, BANFF) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("glomspike: case bad")
    assert "cannot be read" in line
    assert [place.name for place in (tmp_path / "cases").iterdir()] == ["good"]
    assert "good" in (tmp_path / "cases.csv").read_text()


def test_blocks_are_not_matched_with_each_other(tmp_path: Path) -> None:
    assert case_of(tmp_path, "k,a.svs,om,,1,A,", "k,b.svs,om,,1,B,").summary.glomeruli == 11


def test_what_failed_and_what_was_not_looked_at_is_said(tmp_path: Path) -> None:
    record = case_of(tmp_path, "k,a.svs,,,1,,", "k,c.svs,,,2,,", "k,igg.tif,if,igg,,,")
    assert record.summary.glomeruli == 6
    assert [image.status for image in record.images] == ["done", "not analysed", "failed"]
    assert any("c.svs failed" in warning for warning in record.warnings)
    assert "images other than light microscopy: igg.tif (if)" in record.unseen
    assert "c.svs, which failed" in record.unseen


def test_a_case_s_folder_is_complete_when_its_record_stands(tmp_path: Path) -> None:
    record = case_of(tmp_path, "<k>,a.svs,,,1,,", "<k>,b.svs,,,2,,")
    write_case(tmp_path, "k", record)
    place = tmp_path / "cases" / "k"
    said = json.loads((place / "case.json").read_text())
    for name, digest in said["files"].items():
        assert hashlib.sha256((place / name).read_bytes()).hexdigest() == digest
    with (place / "glomeruli.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert rows[0]["profiles"] == "a.svs:1;b.svs:1"
    page = html.fromstring((place / "report.html").read_text())
    assert page.cssselect("h1")[0].text_content() == "Case <k>"
    assert [rows_of(row) for row in page.cssselect("table.profiles tbody tr")][:3] == [
        ["../../a/report.html#g1", "../../b/report.html#g1"],
        ["../../a/report.html#g2", None],
        ["../../a/report.html#g3", "../../b/report.html#g2"],
    ]
    assert [text.text for text in page.cssselect("svg text")] == [*"123456", *"13456"]
    write_case(tmp_path, "k", record)  # again, in place of its own
    write_cases(tmp_path, [("cases/k", record)])
    with (tmp_path / "cases.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["case"], row["folder"], row["glomeruli"], row["spiked"]) == ("<k>", "cases/k", "6", "1")
    assert (row["counted_apart"], row["adequacy"]) == ("0", "inadequate")


def rows_of(row: html.HtmlElement) -> list[str | None]:
    """Where the profiles of a glomerulus lead, slide by slide; None where a slide does not show it."""
    cells = [cell.cssselect("a") for cell in row.cssselect("td")]
    return [links[0].get("href") if links else None for links in cells]


def test_a_folder_of_the_user_s_is_never_taken(tmp_path: Path) -> None:
    place = tmp_path / "cases" / "k"
    place.mkdir(parents=True)
    (place / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="was not written by glomspike"):
        check_place(place)


def test_a_case_whose_slide_is_missing_is_written_with_what_there_is(tmp_path: Path) -> None:
    path = table(tmp_path, "k,gone.svs,,,1,,", "k,igg.tif,if,igg,,,")
    result = CliRunner().invoke(
        command, [str(path), str(tmp_path / "out"), "--device", "cpu"], standalone_mode=False
    )
    assert result.return_value == 1
    assert "gone.svs: does not exist" in result.output
    said = json.loads((tmp_path / "out" / "cases" / "k" / "case.json").read_text())
    assert [image["status"] for image in said["images"]] == ["failed", "not analysed"]
    assert said["summary"]["glomeruli"] == 0
    assert (tmp_path / "out" / "cases.csv").exists()


def cases(*arguments: object) -> Result:
    return CliRunner().invoke(command, [*map(str, arguments), "--device", "cpu"], standalone_mode=False)


def test_each_slide_has_the_scale_of_its_row(tmp_path: Path) -> None:
    for name in "abc":
        small_picture(tmp_path / f"{name}.png")
    path = table(tmp_path, "k,a.png,,,1,,0.25", "k,b.png,,,2,,0.5", "k,c.png,,,3,,")
    result = cases(path, tmp_path / "out", "--mpp", 0.4)
    assert result.return_value == 0, result.output
    said = json.loads((tmp_path / "out" / "cases" / "k" / "case.json").read_text())
    assert [(image["mpp_x"], image["mpp_y"]) for image in said["images"]] == [
        (0.25,) * 2,
        (0.5,) * 2,
        (0.4,) * 2,
    ]


def test_a_scale_that_was_typed_against_the_file_is_said_once(tmp_path: Path) -> None:
    small_picture(tmp_path / "a.png")
    small_picture(tmp_path / "b.png", file_mpp=0.5)
    path = table(tmp_path, "k,a.png,,,1,,0.25", "k,b.png,,,2,,0.25")
    result = cases(path, tmp_path / "out")
    assert result.return_value == 0, result.output
    page = html.fromstring((tmp_path / "out" / "cases" / "k" / "report.html").read_text())
    said = [one.text_content() for one in page.cssselect("section.warnings li")]
    assert [one for one in said if "0.5 µm/px" in one] == [
        "slide 2: 0.25 µm/px is used as given, although the slide records 0.5 µm/px"
    ]


def small_picture(path: Path, file_mpp: float | None = None) -> None:
    picture = Image.new("RGB", (500, 400), (235, 235, 235))
    picture.save(path, **({} if file_mpp is None else {"dpi": (25_400 / file_mpp,) * 2}))


def test_without_a_table_each_slide_of_a_folder_is_a_case(tmp_path: Path) -> None:
    place = tmp_path / "slides"
    (place / "ward 7").mkdir(parents=True)
    small_picture(place / "a.png")
    small_picture(place / "ward 7" / "a.png")
    (place / "broken.svs").write_bytes(b"no slide")
    result = cases(place, tmp_path / "out", "--mpp", 0.25, "--threshold", 0.3)
    assert result.return_value == 1
    assert "broken.svs" in result.output
    out = tmp_path / "out"
    with (out / "cases.csv").open() as file:
        rows = {row["case"]: row["folder"] for row in csv.DictReader(file)}
    assert rows == {"a": "cases/a", "broken": "cases/broken", "ward 7/a": "cases/ward 7_a"}
    for folder in rows.values():
        assert {path.name for path in (out / folder).iterdir()} == {
            "case.json", "glomeruli.csv", "report.html", "report.pdf",
        }  # fmt: skip
    assert json.loads((out / "cases" / "a" / "case.json").read_text())["threshold"] == 0.3
    page = html.fromstring((out / "index.html").read_text())
    links = [link.get("href") for link in page.cssselect("a")]
    for folder in ("a", "broken", "ward%207_a"):
        assert f"./cases/{folder}/report.html" in links
        assert f"./cases/{folder}/report.pdf" in links
    assert "./a/report.html" in links
    assert "./ward%207/a/report.html" in links


def test_pictures_without_a_scale_are_no_cases(tmp_path: Path) -> None:
    found = [FoundSlide(tmp_path / name, name, name) for name in ("a", "label.png")]
    rows = {
        "a": slide_folder(tmp_path, "a"),
        "label.png": SlideRow("label.png", "omitted", "has no µm/px; give it with --mpp"),
    }
    batch = Batch(tmp_path, {}, CARDS, Options())
    _assemble(tmp_path, cases_of_folder(tmp_path, found), rows, batch, BANFF)
    assert [place.name for place in (tmp_path / "cases").iterdir()] == ["a"]
    assert "has no µm/px" in (tmp_path / "index.html").read_text()


def test_a_slide_named_cases_is_refused_for_its_results_would_lie_among_those_of_cases(
    tmp_path: Path,
) -> None:
    (tmp_path / "slides" / "Cases").mkdir(parents=True)
    small_picture(tmp_path / "slides" / "Cases" / "a.png")
    with pytest.raises(SamplesError, match="rename it"):
        cases_of_folder(tmp_path, find_slides(tmp_path / "slides", tmp_path / "out"))


def test_the_users_own_table_is_never_replaced(tmp_path: Path) -> None:
    path = table(tmp_path, "k,a.svs,,,1,,").rename(tmp_path / "cases.csv")
    before = path.read_bytes()
    result = CliRunner().invoke(command, [str(path), str(tmp_path), "--device", "cpu"])
    assert "was not written by glomspike" in str(result.exception)
    assert path.read_bytes() == before
    assert {entry.name for entry in tmp_path.iterdir()} == {"cases.csv"}
