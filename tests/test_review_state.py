"""What changes do to a slide's findings, what is kept of them, and how two reviewers agree."""

import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from reviews import RunFinding, change, new_id, reviewed, write_discs, write_results

from glomspike.errors import OutputError, RefusedChange, SlideError
from glomspike.results.findings import read_findings
from glomspike.review.changes import NewChange
from glomspike.review.find import find_results
from glomspike.review.journal import JOURNAL_NAME, read_changes
from glomspike.review.state import labels
from glomspike.review.summary import ReviewCounts, cohens_kappa
from glomspike.review.views import state_view
from glomspike.review.worth import worth_of

PLACES = ((300, 300), (800, 300), (1300, 300), (300, 900))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    place = tmp_path_factory.mktemp("reviewed")
    slide = write_discs(place / "case 7 ü.svs", [(x, y, 60) for x, y in PLACES])
    found = [
        RunFinding(300, 300, probability=0.93),
        RunFinding(800, 300, probability=0.48),
        RunFinding(1300, 300, probability=None),
        RunFinding(300, 900, probability=0.2, is_glomerulus=False),
    ]
    return write_results(place / "out" / "case 7 ü", slide, found)


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made.parent.parent, tmp_path / "copy") / "out" / made.name


@pytest.fixture
def slide(folder):
    opened = reviewed(folder)
    yield opened
    opened.close()


def save(slide, edit, reviewer="Ada", change_id=None):
    slide.save(NewChange.model_validate(change(edit, reviewer, change_id)))


def state(slide, reviewer="Ada"):
    return {one.key: one for one in slide.state(reviewer)}


def test_findings_are_read_back_as_they_were_written(made):
    found = read_findings(made)
    first, second, unscored, none = found.findings
    assert (first.circle.x0, first.circle.radius_um, first.probability) == (300, 60, 0.93)
    assert [one.call for one in found.findings] == ["spiked", "not spiked", None, "not spiked"]
    assert unscored.probability is None
    assert none.lesion.name == "non-glomerular"
    assert none.outline0 is None
    radius_um = np.linalg.norm(second.outline0 - [800, 300], axis=1) * 0.5
    assert radius_um == pytest.approx(0.97 * 60, abs=0.1)
    assert found.threshold == 0.5
    assert found.slide.mpp.x == 0.5


def test_a_slide_is_found_beside_its_results_and_only_if_it_is_the_same(folder, tmp_path):
    assert reviewed(folder).slide is not None
    beside = folder.parent.parent / "case 7 ü.svs"
    elsewhere = tmp_path / "elsewhere" / "deep"
    elsewhere.mkdir(parents=True)
    moved = beside.rename(elsewhere / beside.name)
    assert reviewed(folder).slide is None
    assert reviewed(folder, tmp_path / "elsewhere").slide is not None
    assert reviewed(folder, moved).slide is not None
    write_discs(beside, [(400, 400, 50)])
    assert reviewed(folder).slide is None
    with pytest.raises(SlideError, match="is not the slide of these results"):
        reviewed(folder, beside)


def test_results_are_found_below_a_folder_but_not_what_was_moved_aside(made, tmp_path):
    assert find_results(made.parent) == (made,)
    assert find_results(made) == (made,)
    with pytest.raises(OutputError, match="holds no results"):
        find_results(tmp_path)
    (tmp_path / "x.previous-1").mkdir()
    (tmp_path / "x.previous-1" / "run.json").write_text("{}")
    with pytest.raises(OutputError, match="holds no results"):
        find_results(tmp_path)


def test_each_kind_of_change_does_what_it_says(slide):
    save(slide, {"kind": "call", "glomerulus": "2", "call": "spiked"})
    save(slide, {"kind": "sclerosed", "glomerulus": "2", "sclerosed": True})
    save(slide, {"kind": "presence", "glomerulus": "1", "is_glomerulus": False})
    save(slide, {"kind": "note", "glomerulus": "2", "note": "  hilum \n"})
    save(slide, {"kind": "agree", "glomerulus": "3"})
    square = [[1200, 200], [1400, 200], [1400, 400], [1200, 400]]
    save(slide, {"kind": "outline", "glomerulus": "3", "polygon0": square})
    drawn = {"kind": "drawn", "glomerulus": "drawn-00000001"}
    save(slide, drawn | {"circle": {"x0": 900, "y0": 900, "radius_um": 40}})
    save(slide, {"kind": "boxes", "glomerulus": "drawn-00000001", "boxes0": [[890, 890, 50, 50]]})
    after = state(slide)
    assert (after["2"].call, after["2"].sclerosed, after["2"].note) == ("spiked", True, "hilum")
    assert not after["1"].is_glomerulus
    assert after["3"].reviewed
    assert after["3"].redrawn
    assert after["3"].circle.radius_um == pytest.approx(100 * np.sqrt(2) * 0.5, rel=1e-3)
    assert after["drawn-00000001"].call == "spiked"
    assert after["4"] == state(slide, "nobody")["4"] or not after["4"].reviewed
    counts = ReviewCounts.of(slide.state("Ada"))
    assert counts.sentence == "2 of 2 spiked"
    assert (counts.glomeruli, counts.drawn, counts.removed, counts.sclerosed) == (3, 1, 1, 1)


def drawn(x0, y0, radius_um, polygon0=None, number=1):
    circle = {"x0": x0, "y0": y0, "radius_um": radius_um}
    return {"kind": "drawn", "glomerulus": f"drawn-{number:08x}", "circle": circle, "polygon0": polygon0}


SMALL_SQUARE = [[900, 900], [930, 900], [930, 930], [900, 930]]  # 15 µm


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (drawn(900, 900, 9), "18 µm across is too small for a glomerulus; draw one of 20 to 500 µm"),
        (drawn(900, 900, 260), "520 µm across is too large"),
        (drawn(915, 915, 40, SMALL_SQUARE), "15 µm across is too small"),
        (drawn(310, 310, 20), "this is glomerulus 1, which is in the list; choose that one"),
        (drawn(300, 900, 60), "this is glomerulus 4"),  # which the run took for none
        (drawn(800, 340, 200), "this is glomerulus 2"),
    ],
)
def test_what_cannot_be_a_missed_glomerulus_is_refused_with_the_reason(slide, edit, why):
    with pytest.raises(RefusedChange, match=why):
        save(slide, edit)
    assert slide.changes == ()


def test_a_missed_glomerulus_may_touch_others_and_take_the_place_of_one_that_was_removed(slide):
    beside = drawn(480, 300, 60)
    save(slide, beside, change_id=(sent := new_id()))
    save(slide, beside, change_id=sent)  # sent again, it does not cover itself
    save(slide, {"kind": "presence", "glomerulus": "2", "is_glomerulus": False})
    save(slide, drawn(800, 300, 60, number=2))
    assert list(labels(slide.state("Ada")).values()) == ["1", "2", "3", "4", "new 1", "new 2"]


def test_a_box_beside_its_glomerulus_is_refused_and_one_on_its_edge_is_not(slide):
    on_edge = [300 + 2 * 64, 290, 10, 10]
    save(slide, {"kind": "boxes", "glomerulus": "1", "boxes0": [on_edge]})
    beside = [300 + 2 * 75, 290, 10, 10]
    with pytest.raises(RefusedChange, match="the box does not lie on glomerulus 1"):
        save(slide, {"kind": "boxes", "glomerulus": "1", "boxes0": [on_edge, beside]})
    save(slide, {"kind": "circle", "glomerulus": "1", "circle": {"x0": 700, "y0": 600, "radius_um": 60}})
    save(slide, {"kind": "boxes", "glomerulus": "1", "boxes0": [on_edge, [690, 590, 20, 20]]})
    assert len(state(slide)["1"].boxes0) == 2  # what was there before the circle moved may be kept


def test_what_differs_from_the_run_counts_as_changed(slide):
    assert not any(one.is_changed for one in slide.state("Ada"))
    save(slide, {"kind": "agree", "glomerulus": "1"})
    save(slide, {"kind": "call", "glomerulus": "2", "call": "not spiked"})
    save(slide, {"kind": "boxes", "glomerulus": "1", "boxes0": [[290, 290, 20, 20]]})
    save(slide, {"kind": "presence", "glomerulus": "4", "is_glomerulus": True})
    save(slide, drawn(900, 900, 40))
    assert [one.key for one in slide.state("Ada") if one.is_changed] == ["1", "4", "drawn-00000001"]


def test_how_far_reviewers_agree_is_shown_to_those_who_are_through(slide):
    for key in "1234":
        save(slide, {"kind": "agree", "glomerulus": key}, "Ada")
    save(slide, {"kind": "call", "glomerulus": "1", "call": "spiked"}, "Ben")
    assert state_view(slide, "Ben")["agreement"] == []
    assert state_view(slide, "Ada")["agreement"] == ["Ada and Ben call 1 of 1 alike"]


def test_a_circle_moved_a_little_keeps_its_outline_and_one_moved_away_leaves_it(slide):
    near = {"x0": 310, "y0": 305, "radius_um": 58}
    save(slide, {"kind": "circle", "glomerulus": "1", "circle": near})
    assert state(slide)["1"].outline0 is not None
    save(slide, {"kind": "circle", "glomerulus": "1", "circle": near | {"x0": 500}})
    assert state(slide)["1"].outline0 is None
    assert state(slide)["1"].circle.x0 == 500


def test_a_call_for_what_was_taken_for_none_makes_it_a_glomerulus(slide):
    save(slide, {"kind": "call", "glomerulus": "4", "call": "not spiked"})
    assert state(slide)["4"].is_glomerulus


def test_undo_and_redo_without_limit_and_across_a_restart(folder):
    calls = ["spiked", "uncertain", "not spiked"] * 20
    slide = reviewed(folder)
    for call in calls:
        save(slide, {"kind": "call", "glomerulus": "1", "call": call})
    for _ in range(30):
        save(slide, {"kind": "undo"})
    assert state(slide)["1"].call == calls[29]
    slide.close()
    slide = reviewed(folder)
    for _ in range(40):
        save(slide, {"kind": "undo"})
    assert state(slide)["1"].call == "spiked"
    assert not state(slide)["1"].reviewed
    for _ in range(70):
        save(slide, {"kind": "redo"})
    assert state(slide)["1"].call == calls[-1]
    save(slide, {"kind": "undo"})
    save(slide, {"kind": "agree", "glomerulus": "2"})
    save(slide, {"kind": "redo"})  # the new change ended what could be done again
    assert state(slide)["1"].call == calls[-2]
    slide.close()


def test_reviewers_have_states_of_their_own_and_undo_only_their_own(slide):
    save(slide, {"kind": "call", "glomerulus": "1", "call": "spiked"}, "Ada")
    save(slide, {"kind": "call", "glomerulus": "1", "call": "not spiked"}, "Ben")
    save(slide, {"kind": "undo"}, "Ada")
    assert not state(slide, "Ada")["1"].reviewed
    assert state(slide, "Ben")["1"].call == "not spiked"


def test_the_agreement_of_two_reviewers_is_cohens_kappa(slide):
    calls = {"Ada": ("spiked", "spiked", "not spiked"), "Ben": ("spiked", "not spiked", "not spiked")}
    for name, made in calls.items():
        for key, call in zip("123", made, strict=True):
            save(slide, {"kind": "call", "glomerulus": key, "call": call}, name)
    (agreement,) = slide.review().agreement
    assert agreement.reviewers == ("Ada", "Ben")
    assert (agreement.glomeruli, agreement.same) == (3, 2)
    from sklearn.metrics import cohen_kappa_score

    assert agreement.kappa == pytest.approx(cohen_kappa_score(*calls.values()))
    assert cohens_kappa([("spiked", "spiked")] * 4) is None


def test_the_review_stands_beside_the_results_which_stay_as_they_are(folder):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    slide = reviewed(folder)
    save(slide, {"kind": "call", "glomerulus": "1", "call": "not spiked"})
    slide.close()
    assert {path: path.read_bytes() for path in before} == before
    said = json.loads((folder / "review.json").read_text())
    assert said["reviewers"]["Ada"]["counts"]["spiked"] == 0
    assert said["reviewers"]["Ada"]["glomeruli"][0]["call"] == "not spiked"
    assert said["fingerprint"] == read_findings(folder).record.slide.fingerprint


def test_a_look_without_a_change_leaves_nothing_behind(folder):
    before = sorted(path.name for path in folder.iterdir())
    reviewed(folder).close()
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_change_sent_twice_is_one_change(slide):
    again = new_id()
    for _ in range(3):
        save(slide, {"kind": "note", "glomerulus": "1", "note": "once"}, change_id=again)
    assert len(slide.changes) == 1


def test_what_a_killed_server_left_of_a_line_is_cut_off(folder):
    slide = reviewed(folder)
    save(slide, {"kind": "note", "glomerulus": "1", "note": "whole"})
    slide.close()
    journal = folder / JOURNAL_NAME
    whole = journal.read_bytes()
    journal.write_bytes(whole + whole[: len(whole) // 2])
    assert len(read_changes(folder)) == 1
    slide = reviewed(folder)
    save(slide, {"kind": "note", "glomerulus": "1", "note": "after"})
    slide.close()
    assert [one.edit.note for one in read_changes(folder)] == ["whole", "after"]


def test_a_damaged_journal_is_named_with_its_line_and_not_written_to(folder):
    journal = folder / JOURNAL_NAME
    journal.write_text('{"id": "1"}\n')
    with pytest.raises(OutputError, match="line 1 is damaged"):
        reviewed(folder)
    assert journal.read_text() == '{"id": "1"}\n'


def test_a_second_server_on_the_same_results_only_reads(slide, folder):
    other = reviewed(folder)
    assert "reviewed by another server" in str(other.read_only)
    with pytest.raises(OutputError, match="another server"):
        save(other, {"kind": "undo"})
    other.close()


@contextmanager
def another_user():
    """Root may write anywhere, so that where the tests run as root they are somebody else for a moment."""
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if was_root:
            os.seteuid(0)


def test_results_that_cannot_be_written_are_known_before_the_first_change(made):
    with TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        folder = shutil.copytree(made, Path(place, "read only"))
        folder.chmod(0o555)
        with another_user():
            opened = reviewed(folder)
            assert "cannot be written (Permission denied)" in str(opened.read_only)
            assert [one.key for one in opened.state("Ada")] == ["1", "2", "3", "4"]
            with pytest.raises(OutputError, match="cannot be written"):
                save(opened, {"kind": "undo"})
        folder.chmod(0o755)
        assert not (folder / JOURNAL_NAME).exists()


def test_a_disk_that_is_full_is_said_and_leaves_no_part_of_a_line(slide, monkeypatch):
    save(slide, {"kind": "note", "glomerulus": "1", "note": "before"})

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("glomspike.review.journal.os.fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        save(slide, {"kind": "note", "glomerulus": "1", "note": "lost"})
    monkeypatch.undo()
    save(slide, {"kind": "note", "glomerulus": "2", "note": "after"})
    assert [one.edit.note for one in read_changes(slide.folder)] == ["before", "after"]


def test_the_queue_puts_doubts_first_and_says_which(made):
    found = read_findings(made)
    worth = [worth_of(one, found.slide, found.threshold) for one in found.findings]
    assert worth[1].reason == "close to the cut-off"  # it is called not spiked
    unsure = replace(found.findings[1], call="uncertain")
    assert worth_of(unsure, found.slide, found.threshold).reason == "call uncertain"
    assert worth[3].reason == "classified as non-glomerular"
    assert min(worth[1].value, worth[3].value) > max(worth[0].value, worth[2].value)
