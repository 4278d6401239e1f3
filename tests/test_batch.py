"""Folders of slides: every slide ends as done, skipped or failed, whatever happens to the others."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pyramids import write_aperio

from glomspike import cli, pipeline
from glomspike.batch.local import LocalWorkers
from glomspike.batch.local_copy import LocalCopy, local_copy
from glomspike.batch.run import run_batch
from glomspike.batch.task import Batch, do_slide, failed_row, standing_row
from glomspike.errors import GlomspikeError, OutputError, SlideError
from glomspike.findings import SlideRow
from glomspike.names import folder_name
from glomspike.networks.models import load_cards
from glomspike.results.claim import claimed
from glomspike.results.options import Options
from glomspike.results.record import read_record
from glomspike.slide.find import FoundSlide, find_slides

ROOT = Path(__file__).parents[1]


def blank(path: Path, grey: int = 240) -> Path:
    """A slide without tissue: all of the main job but the networks' work."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_aperio(path, np.full((256, 256, 3), grey, np.uint8))


@pytest.fixture
def slides(tmp_path: Path) -> Path:
    folder = tmp_path / "slides"
    blank(folder / "a.svs")
    blank(folder / "below" / "b.svs", 230)
    (folder / "broken.svs").write_text("not a slide")
    return folder


def batch_of(slides: Path, **changes: object) -> Batch:
    weights = {}
    return replace(Batch(slides.parent / "out", weights, load_cards(weights), Options()), **changes)


def status_of(slides: Path, batch: Batch, wait: bool = True) -> dict[str, str]:
    """What becomes of each slide, worked on in this process; None is told as busy."""
    rows = {}
    for slide in find_slides(slides, batch.out):
        row = do_slide(slide, LocalCopy(slide.path, None), batch, "cpu", wait)
        rows[slide.name] = row.status if row else "busy"
    return rows


# One slide of many


def test_a_slide_that_fails_is_a_row_with_its_cause_and_the_others_are_done(slides: Path) -> None:
    batch = batch_of(slides)
    assert status_of(slides, batch) == {"a.svs": "done", "below/b.svs": "done", "broken.svs": "failed"}
    (broken,) = [slide for slide in find_slides(slides, batch.out) if slide.name == "broken.svs"]
    row = do_slide(broken, LocalCopy(broken.path, None), batch, "cpu", True)
    assert row is not None
    assert row.cause.startswith("is neither a slide")
    assert (row.folder, row.glomeruli, row.seconds) == (None, None, None)


def test_a_row_tells_what_the_record_says(slides: Path) -> None:
    batch = batch_of(slides)
    status_of(slides, batch)
    slide = find_slides(slides, batch.out)[0]
    row, record = standing_row(slide, batch), read_record(batch.out / "a")
    assert row is not None
    assert (row.slide, row.status, row.cause, row.folder) == ("a.svs", "skipped", "", "a")
    assert (row.mpp, row.glomeruli, row.spike_fraction, row.top_tiles) == (0.25, 0, None, ())
    assert row.warnings == len(record.warnings) > 0


def test_a_slide_without_results_is_not_read_to_know_that(
    slides: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = batch_of(slides)
    slide = find_slides(slides, batch.out)[0]
    monkeypatch.setattr("glomspike.pipeline.fingerprint", lambda path: pytest.fail(f"{path} was read"))
    assert standing_row(slide, batch) is None


def test_a_second_run_skips_what_is_done_and_tries_again_what_failed(slides: Path) -> None:
    batch = batch_of(slides)
    status_of(slides, batch)
    blank(slides / "broken.svs")
    assert status_of(slides, batch) == {"a.svs": "skipped", "below/b.svs": "skipped", "broken.svs": "done"}


def test_a_changed_slide_or_option_is_refused_and_with_overwrite_only_that_is_done_again(
    slides: Path,
) -> None:
    batch = batch_of(slides)
    (slides / "broken.svs").unlink()
    status_of(slides, batch)
    blank(slides / "a.svs", 200)
    assert status_of(slides, batch) == {"a.svs": "failed", "below/b.svs": "skipped"}
    with pytest.raises(OutputError, match="another slide"):
        standing_row(find_slides(slides, batch.out)[0], batch)
    outdated = batch_of(slides, options=Options(overwrite="outdated"))
    assert status_of(slides, outdated) == {"a.svs": "done", "below/b.svs": "skipped"}
    other = batch_of(slides, options=Options(threshold=0.9, overwrite="outdated"))
    assert set(status_of(slides, other).values()) == {"done"}


def test_a_slide_that_another_run_works_on_is_left_alone(slides: Path) -> None:
    batch = batch_of(slides)
    batch.out.mkdir()
    with claimed(batch.out / "a", 0):
        assert status_of(slides, batch, wait=False)["a.svs"] == "busy"
        assert not (batch.out / "a").exists()


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (SlideError("x", "is\nbroken", "copy it"), "is broken; copy it"),
        (MemoryError(), "not enough memory"),
        (OSError(28, "No space left on device"), "No space left on device; check the disk"),
        (KeyError("z"), "failed unexpectedly (KeyError: 'z'); please report this"),
    ],
)
def test_every_failure_is_told_in_one_line(failure: Exception, said: str) -> None:
    row = failed_row(FoundSlide(Path("x"), "x", "x"), failure)
    assert (row.status, row.cause.count("\n")) == ("failed", 0)
    assert said in row.cause


def test_errors_pass_from_process_to_process(tmp_path: Path) -> None:
    import pickle

    failure = pickle.loads(pickle.dumps(OutputError(tmp_path, "is full", "make room")))
    assert isinstance(failure, GlomspikeError)
    assert (failure.subject, failure.cause, failure.cure) == (str(tmp_path), "is full", "make room")


# Copies on a near disk


def test_a_slide_is_copied_with_all_its_files_and_the_copy_goes(tmp_path: Path) -> None:
    stage = tmp_path / "stage"
    stage.mkdir()
    for name in ("case.mrxs", "case/Data0000.dat", "case/Index.dat", "other.mrxs"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    with local_copy(tmp_path / "case.mrxs", stage) as near:
        assert near.path.is_relative_to(stage)
        assert near.scratch is not None
        copied = {str(p.relative_to(near.path.parent)) for p in near.path.parent.rglob("*") if p.is_file()}
        assert copied == {"case.mrxs", "case/Data0000.dat", "case/Index.dat"}
    assert list(stage.iterdir()) == []


def test_results_from_a_near_disk_are_the_same(slides: Path, tmp_path: Path) -> None:
    near, far = batch_of(slides), batch_of(slides, out=tmp_path / "far")
    slide = find_slides(slides, near.out)[0]
    do_slide(slide, LocalCopy(slide.path, None), near, "cpu", True)
    (tmp_path / "stage").mkdir()
    with local_copy(slide.path, tmp_path / "stage") as place:
        do_slide(slide, place, far, "cpu", True)
    assert read_record(near.out / "a").files == read_record(far.out / "a").files
    assert standing_row(slide, far) is not None


# All slides


class Rounds:
    """Workers of whom another run holds some slides at first."""

    def __init__(self, busy: set[str]) -> None:
        self.busy = busy
        self.asked: list[tuple[list[str], bool]] = []

    def rows(self, slides: Sequence[FoundSlide], wait: bool) -> Iterator[tuple[FoundSlide, SlideRow | None]]:
        self.asked.append(([slide.name for slide in slides], wait))
        for slide in reversed(slides):
            held = slide.name in self.busy and not wait
            yield slide, None if held else SlideRow(slide.name, "done", "")


def test_slides_that_another_run_holds_come_last_and_rows_keep_their_order(tmp_path: Path) -> None:
    slides = [FoundSlide(tmp_path / name, name, name) for name in "abc"]
    workers, told = Rounds({"b"}), []
    rows = run_batch(slides, workers, tmp_path, lambda row: told.append(row.slide))
    assert [row.slide for row in rows] == ["a", "b", "c"]
    assert told == ["c", "a", "b"]
    assert workers.asked == [(["a", "b", "c"], False), (["b"], True)]
    with (tmp_path / "summary.csv").open(newline="") as file:
        assert [row["slide"] for row in csv.DictReader(file)] == ["a", "b", "c"]
    assert (tmp_path / "index.html").is_file()


def test_the_command_does_a_folder_tells_failures_and_ends_with_1(
    slides: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run() -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as end:
            cli.main([str(slides), str(tmp_path / "out"), "--device", "cpu"])
        return end.value.code, *capsys.readouterr()

    status, out, err = run()
    assert status == 1
    assert "2 done, 0 skipped, 1 failed" in out
    assert "\nglomspike: broken.svs: is neither a slide" in err
    assert "3/3 " in err
    status, out, _ = run()
    assert (status, "0 done, 2 skipped, 1 failed" in out) == (1, True)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a", "below", "index.html", "summary.csv"]


@pytest.mark.parametrize("name", ["summary.csv", "index.html"])
def test_files_of_the_users_in_the_place_of_a_summary_are_refused_before_any_work(
    slides: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (slides / name).write_text("mine")
    with pytest.raises(SystemExit) as end:
        cli.main([str(slides), str(slides), "--device", "cpu"])
    assert end.value.code == 1
    assert f"{name}: was not written by glomspike and is not replaced; move it" in capsys.readouterr().err
    assert (slides / name).read_text() == "mine"
    assert not (slides / "a").exists()


def test_pictures_among_slides_are_done_where_they_have_a_scale_and_else_listed(tmp_path: Path) -> None:
    folder = tmp_path / "slides"
    blank(folder / "a.svs")
    white = Image.new("RGB", (256, 256), (240, 240, 240))
    for name in ("label.jpg", "map.png", "plain.tif"):
        white.save(folder / name)
    for name in ("with.png", "with.tif"):
        white.save(folder / name, dpi=(25_400 / 0.5,) * 2)
    (folder / "notes.png").write_text("no picture")
    without = status_of(folder, batch_of(folder))
    assert without == {
        "a.svs": "done", "label.jpg": "omitted", "map.png": "omitted", "notes.png": "failed",
        "plain.tif": "omitted", "with.png": "done", "with.tif": "done",
    }  # fmt: skip
    label = next(one for one in find_slides(folder, folder / "out") if one.name == "label.jpg")
    row = do_slide(label, LocalCopy(label.path, None), batch_of(folder), "cpu", True)
    assert row is not None
    assert row.cause == "has no µm/px; give it with --mpp"
    given = status_of(folder, batch_of(folder, out=tmp_path / "given", options=Options(mpp=0.5)))
    assert set(given.values()) - {"done"} == {"failed"}
    assert (tmp_path / "given" / "label" / "run.json").is_file()


def test_a_folder_of_pictures_is_a_folder_of_slides_also_with_results_beside_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.png", "b.JPG", "b.tif"):
        Image.new("RGB", (256, 256), (240, 240, 240)).save(tmp_path / name)

    def run(*options: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as end:
            cli.main([str(tmp_path), str(tmp_path), "--device", "cpu", *options])
        return end.value.code, *capsys.readouterr()

    status, out, err = run()
    assert (status, "0 done, 0 skipped, 0 failed, 3 omitted" in out) == (1, True)
    assert "glomspike: b.JPG: omitted: has no µm/px; give it with --mpp" in err
    for done in ("3 done, 0 skipped, 0 failed", "0 done, 3 skipped, 0 failed"):
        status, out, _ = run("--mpp", "0.5")
        assert (status, done in out, "slides per hour" in out) == (0, True, done.startswith("3"))
    folders = {path.name for path in tmp_path.iterdir() if path.is_dir()}
    assert folders == {"a", "b.JPG.results", "b.tif.results"}


def test_options_of_a_folder_are_refused_for_one_slide(
    slides: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main([str(slides / "a.svs"), str(tmp_path / "out"), "--workers", "2"])
    assert end.value.code == 2
    assert "are for a folder" in capsys.readouterr().err


# Faults, slow because each starts processes of its own; more in benchmarks/reliability/faults.py


@pytest.fixture
def tissue(tmp_path: Path) -> Path:
    """A folder of slides that take a while."""
    (tmp_path / "tissue").mkdir()
    for number in range(3):
        shutil.copy(ROOT / "examples" / "phantom.svs", tmp_path / "tissue" / f"{number}.svs")
    return tmp_path / "tissue"


def begun(tissue: Path, out: Path) -> subprocess.Popen[str]:
    """A run of the command in a session of its own, when it has begun to work on a slide."""
    command = [sys.executable, "-m", "glomspike", str(tissue), str(out), "--device", "cpu"]
    run = subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    while not list(out.glob(".glomspike-*.partial")):
        assert run.poll() is None
        time.sleep(0.02)
    return run


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_at_once_and_leaves_nothing(
    tissue: Path, tmp_path: Path, how: signal.Signals
) -> None:
    run = begun(tissue, tmp_path / "out")
    os.killpg(run.pid, how) if how == signal.SIGINT else run.send_signal(how)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "Traceback" not in err
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.slow
def test_a_killed_run_takes_its_processes_with_it_and_the_next_does_all(tissue: Path, tmp_path: Path) -> None:
    run = begun(tissue, tmp_path / "out")
    run.kill()
    run.wait()
    for name in ("0", "1", "2"):
        with claimed(tmp_path / "out" / name, 30):  # once its last process has let go
            pass
    assert set(status_of(tissue, batch_of(tissue)).values()) == {"done"}
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["0", "1", "2"]


@pytest.mark.slow
def test_a_worker_that_dies_fails_its_slide_and_the_others_are_done(tissue: Path) -> None:
    import multiprocessing

    batch = batch_of(tissue)
    found = find_slides(tissue, batch.out)
    statuses = {}
    with LocalWorkers(batch, ["cpu"], 1) as workers:
        rows = workers.rows(found, True)
        slide, row = next(rows)
        statuses[slide.name] = row
        while not list(batch.out.glob(".glomspike-*.partial")):
            time.sleep(0.02)
        (worker,) = multiprocessing.active_children()
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        statuses |= {slide.name: row for slide, row in rows}
    failed = [row for row in statuses.values() if row is not None and row.status == "failed"]
    assert len(failed) == 1
    assert "ended by signal 9" in failed[0].cause
    assert sorted(path.suffix for path in batch.out.iterdir()) == ["", ""]


# Slides that are not there whole, and names that no file can have


def test_a_slide_that_changes_while_it_is_read_fails(slides: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = batch_of(slides)
    slide = find_slides(slides, batch.out)[0]
    write = pipeline.write_tiles

    def grow(*arguments: object) -> None:
        write(*arguments)  # type: ignore[arg-type]
        with slide.path.open("ab") as file:
            file.write(b"more")

    monkeypatch.setattr(pipeline, "write_tiles", grow)
    row = do_slide(slide, LocalCopy(slide.path, None), batch, "cpu", True)
    assert row is not None
    assert row.cause == "changed while it was read; wait until it is copied whole, and run again"
    assert not (batch.out / "a").exists()


def test_a_slide_that_changes_while_it_is_copied_fails(
    slides: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copyfile

    def grow(source: Path, target: Path) -> None:
        copy(source, target)
        source.write_bytes(source.read_bytes() + b"more")

    monkeypatch.setattr(shutil, "copyfile", grow)
    with pytest.raises(SlideError, match="changed while it was read"), local_copy(slides / "a.svs", tmp_path):
        pass


def test_a_name_too_long_for_results_is_told_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blank(tmp_path / "in" / f"{'n' * 250}.svs")
    monkeypatch.setattr(pipeline, "run_analysis", lambda *_: pytest.fail("it was analysed"))
    batch = batch_of(tmp_path / "in")
    (slide,) = find_slides(tmp_path / "in", batch.out)
    row = do_slide(slide, LocalCopy(slide.path, None), batch, "cpu", True)
    assert row is not None
    assert row.cause.startswith("has a name that results cannot have here (File name too long); rename it")


def test_results_of_a_name_of_dots_stay_in_out() -> None:
    assert [folder_name(Path(name)) for name in ("..svs", "...svs", "a..svs")] == ["..svs", "...svs", "a."]
