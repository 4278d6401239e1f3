"""What a review leaves: annotations that mean what the reviewer said, samples, and a page that sums it up."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from reviews import RunFinding, change, reviewed, write_discs, write_results

from glomspike.annotate.meaning import read_meaning
from glomspike.review.changes import NewChange
from glomspike.review.written import write_files

ROOT = Path(__file__).parents[1]
PLACES = ((300, 300), (800, 300), (1300, 300), (300, 900), (1300, 900))
RADIUS_UM = 60
DRAWN = {"kind": "drawn", "glomerulus": "drawn-00000001", "circle": {"x0": 800, "y0": 900, "radius_um": 50}}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    place = tmp_path_factory.mktemp("written")
    slide = write_discs(place / "biopsy.svs", [(x, y, RADIUS_UM) for x, y in (*PLACES, (800, 900))])
    found = [RunFinding(x, y, RADIUS_UM, probability=0.9 if x < 900 else 0.1) for x, y in PLACES]
    write_results(place / "out" / "biopsy", slide, found)
    return place


@pytest.fixture
def place(made, tmp_path):
    return shutil.copytree(made, tmp_path / "copy")


def circle_of(x0, y0, radius0=110):
    turn = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    ring = np.array([x0, y0]) + radius0 * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return ring.round(2).tolist()


BOX_ON_THE_FIRST = {"kind": "boxes", "glomerulus": "1", "boxes0": [[290, 290, 20, 20]]}
EDITS = (
    {"kind": "call", "glomerulus": "1", "call": "not spiked"},
    {"kind": "presence", "glomerulus": "2", "is_glomerulus": False},
    {"kind": "outline", "glomerulus": "3", "polygon0": circle_of(1310, 310)},
    {"kind": "circle", "glomerulus": "4", "circle": {"x0": 306, "y0": 903, "radius_um": 62}},
    {"kind": "sclerosed", "glomerulus": "4", "sclerosed": True},
    {"kind": "boxes", "glomerulus": "4", "boxes0": [[290, 880, 25, 25], [310, 900, 25, 25]]},
    {"kind": "call", "glomerulus": "5", "call": "uncertain"},
    DRAWN,
    {"kind": "call", "glomerulus": "drawn-00000001", "call": "spiked"},
)


def review(folder, edits, reviewer="7: Ada <b>"):
    slide = reviewed(folder)
    for edit in edits:
        slide.save(NewChange.model_validate(change(edit, reviewer)))
    return slide


@pytest.mark.parametrize("kind", ["xml", "geojson"])
def test_the_annotations_mean_what_the_reviewer_said(place, kind):
    slide = review(place / "out" / "biopsy", EDITS)
    paths = {path.suffix[1:]: path for path in write_files(slide, "7: Ada <b>")}
    meant = read_meaning(paths[kind], slide.found.slide)
    slide.close()
    labels = {tuple(round(v, -2) for v in one.circle0[:2]): one.label for one in meant.glomeruli}
    assert labels == {
        (300, 300): "normal",
        (1300, 300): "normal",
        (300, 900): "spiked",
        (1300, 900): "undetermined",
        (800, 900): "spiked",
    }
    one = {tuple(round(v, -2) for v in one.circle0[:2]): one for one in meant.glomeruli}
    redrawn = one[1300, 300]
    assert np.linalg.norm(redrawn.outline0 - [1310, 310], axis=1) == pytest.approx(110, abs=0.5)
    moved = one[300, 900]
    assert moved.circle0 == pytest.approx((306, 903, 124), abs=0.5)
    assert moved.outline0 is not None
    assert moved.lesion == "globally sclerosed"
    assert one[800, 900].outline0 is None
    assert meant.boxes0.tolist() == [[290, 880, 25, 25], [310, 900, 25, 25]]
    (deleted,) = meant.deleted0
    assert deleted[:2] == pytest.approx((800, 300), abs=2)
    assert meant.areas0 == ()
    assert not [note for note in meant.notes if "spikes" in note]


def test_of_a_slide_that_was_not_gone_through_only_what_was_is_learnt_from(place):
    slide = review(place / "out" / "biopsy", EDITS[:1])
    meant = read_meaning(write_files(slide, "7: Ada <b>")[1], slide.found.slide)
    slide.close()
    assert [one.circle0[:2] for one in meant.glomeruli] == [pytest.approx((300, 300), abs=1)]
    (area,) = meant.areas0
    assert area.bounds == pytest.approx((12, 12, 588, 588), abs=1)
    assert len(meant.unclear0) == 4
    assert meant.notes == ("4 glomeruli that were not reviewed: omitted and blanked",)


def test_of_a_slide_whose_review_was_undone_nothing_is_learnt(place):
    slide = review(place / "out" / "biopsy", [*EDITS[:1], {"kind": "undo"}])
    meant = read_meaning(write_files(slide, "7: Ada <b>")[1], slide.found.slide)
    slide.close()
    assert meant.glomeruli == ()
    assert meant.notes == ("5 glomeruli that were not reviewed: omitted and blanked",)


def test_the_summary_escapes_what_people_type_and_loads_nothing(place):
    edits = [*EDITS, {"kind": "note", "glomerulus": "1", "note": "<script>alert(1)</script>"}]
    slide = review(place / "out" / "biopsy", edits)
    page = write_files(slide, "7: Ada <b>")[2]
    slide.close()
    text = page.read_text()
    assert page.name == "reviewed-7-ada-b.html"
    assert "Reviewed by 7: Ada &lt;b&gt;: 2 of 5 spiked, 1 uncertain" in text
    assert "<script" not in text
    assert ">new 1</td><td>drawn</td>" in text
    assert "100 µm<" in text  # of what was drawn no circle was moved
    assert "2 boxes on spikes" in text
    assert "http" not in text.replace("http-equiv", "")
    assert "default-src &#39;none&#39;" in text


def test_a_box_alone_is_a_change(place):
    slide = review(place / "out" / "biopsy", [BOX_ON_THE_FIRST], "Ada")
    text = write_files(slide, "Ada")[2].read_text()
    slide.close()
    assert "1 box on spikes<" in text
    assert text.count('<tr class="changed">') == 1


def test_the_slides_report_says_what_reviewers_say_and_all_else_of_it_stays(place):
    folder = place / "out" / "biopsy"
    report = '<header></header>\n<section class="summary">5 found</section>\n'
    (folder / "report.html").write_text(report)
    slide = review(folder, EDITS[:1])
    write_files(slide, "7: Ada <b>")
    slide.close()
    partly = (folder / "report.html").read_text()
    assert "Partly reviewed by 7: Ada &lt;b&gt;, 1 of 5" in partly
    slide = review(folder, EDITS[1:], "Ben")
    write_files(slide, "Ben")
    slide.close()
    both = (folder / "report.html").read_text()
    assert both.count("After review") == 1
    assert "Partly reviewed by Ben, 5 of 6" in both
    assert "3 of 5 spiked, 1 uncertain" in both
    begin, end = both.index("<!-- after review -->"), both.index("<!-- end of review -->\n")
    assert both[:begin] + both[end + len("<!-- end of review -->\n") :] == report


def samples(*arguments):
    command = [sys.executable, "-m", "glomspike", "samples", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def test_reviewed_results_become_samples_in_one_command(place, tmp_path):
    review(place / "out" / "biopsy", EDITS).close()
    moved = (place / "biopsy.svs").rename(tmp_path / "biopsy.svs")
    done = samples(place / "out", "--out", tmp_path / "ours")
    assert done.returncode == 1
    assert "its slide biopsy.svs was not found; give --slides" in done.stderr
    done = samples(place / "out", "--out", tmp_path / "ours", "--slides", moved)
    assert done.returncode == 0, done.stderr
    assert "2 spiked, 2 normal, 1 undetermined" in done.stdout
    with (tmp_path / "ours" / "samples.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert {row["patient"] for row in rows} == {"biopsy"}
    assert any(row["mask"] for row in rows)


def test_where_the_slide_was_reviewed_is_remembered(place, tmp_path):
    moved = (place / "biopsy.svs").rename(tmp_path / "biopsy.svs")
    slide = reviewed(place / "out" / "biopsy", moved)
    slide.save(NewChange.model_validate(change(EDITS[0])))
    slide.close()
    again = reviewed(place / "out" / "biopsy")
    assert again.slide.path == moved
    again.close()


def test_of_two_reviewers_one_must_be_chosen(place, tmp_path):
    review(place / "out" / "biopsy", EDITS, "Ada").close()
    review(place / "out" / "biopsy", EDITS[:1], "Ben").close()
    done = samples(place / "out", "--out", tmp_path / "ours")
    assert done.returncode == 1
    assert "was reviewed by Ada and Ben; choose one with --reviewer" in done.stderr
    assert samples(place / "out", "--out", tmp_path / "ours", "--reviewer", "Ben").returncode == 0
    done = samples(place / "out", "--out", tmp_path / "ours", "--reviewer", "Eve")
    assert "was not reviewed by that reviewer, omitted: biopsy" in done.stderr
