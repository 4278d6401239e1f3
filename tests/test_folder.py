"""Result folders: whole or not at all, and nothing of the user's is lost."""

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from test_record import record

from glomspike.errors import OutputError
from glomspike.results.claim import BusyError, hidden_beside
from glomspike.results.folder import ResultFolder, check_writable, clear_unfinished, is_done
from glomspike.results.record import RECORD_NAME, read_record

OTHER = record(options={"mpp": 0.5, "threshold": 0.5})


def publish(place, run=None, text="id\n"):
    with ResultFolder(place) as folder:
        (folder.path / "patches").mkdir()
        (folder.path / "patches" / "0001.png").write_bytes(b"png")
        (folder.path / "glomeruli.csv").write_text(text)
        folder.publish(run or record())


def replace(place, text="new\n"):
    with ResultFolder(place) as folder:
        (folder.path / "glomeruli.csv").write_text(text)
        folder.replace(record())


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_published_folder_is_whole_and_done(tmp_path):
    place = tmp_path / "out" / "slide"
    publish(place)
    assert names(tmp_path / "out") == ["slide"]
    assert read_record(place).files == {
        "glomeruli.csv": hashlib.sha256(b"id\n").hexdigest(),
        "patches/0001.png": hashlib.sha256(b"png").hexdigest(),
    }
    assert is_done(place, record().settings)


def test_nothing_there_is_not_done(tmp_path):
    assert not is_done(tmp_path / "slide", record().settings)
    (tmp_path / "slide").mkdir()
    assert not is_done(tmp_path / "slide", record().settings)
    publish(tmp_path / "slide")
    assert is_done(tmp_path / "slide", record().settings)


def test_results_of_other_settings_are_refused_and_the_difference_told(tmp_path):
    publish(tmp_path / "slide", OTHER)
    with pytest.raises(OutputError, match=r"slide: .*mpp 0.5, not unset.*--overwrite"):
        is_done(tmp_path / "slide", record().settings)


def test_results_that_miss_files_are_not_taken_for_done(tmp_path):
    publish(tmp_path / "slide")
    (tmp_path / "slide" / "glomeruli.csv").unlink()
    with pytest.raises(OutputError, match=r"lacks some files of its results \(glomeruli.csv\)"):
        is_done(tmp_path / "slide", record().settings)


@pytest.mark.parametrize("make", [lambda p: (p.mkdir(), (p / "Data0000.dat").touch()), Path.touch])
def test_what_glomspike_did_not_write_is_refused_before_any_work(tmp_path, make):
    place = tmp_path / "slide"
    make(place)
    with pytest.raises(OutputError, match="was not written by glomspike"):
        is_done(place, record().settings)
    with pytest.raises(OutputError, match="was not written by glomspike"):
        ResultFolder(place).__enter__()
    assert names(tmp_path) == ["slide"]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failed_run_leaves_nothing(tmp_path, failure):
    def fail():
        with ResultFolder(tmp_path / "slide") as folder:
            (folder.path / "glomeruli.csv").write_text("half")
            raise failure

    with pytest.raises(failure):
        fail()
    assert names(tmp_path) == []


def test_a_run_that_does_not_publish_leaves_nothing(tmp_path):
    with ResultFolder(tmp_path / "slide") as folder:
        (folder.path / "glomeruli.csv").write_text("half")
    assert names(tmp_path) == []


def test_a_killed_run_leaves_no_folder_that_looks_done(tmp_path):
    script = (
        "import sys, time; from pathlib import Path; from glomspike.results.folder import ResultFolder\n"
        "with ResultFolder(Path(sys.argv[1])) as folder:\n"
        "    (folder.path / 'glomeruli.csv').write_text('half')\n"
        "    print('writing', flush=True); time.sleep(60)\n"
    )
    place = tmp_path / "slide"
    run = subprocess.Popen([sys.executable, "-c", script, str(place)], stdout=subprocess.PIPE, text=True)
    assert run.stdout.readline() == "writing\n"
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdout.close()
    assert not place.exists()
    assert not list(tmp_path.rglob(RECORD_NAME))
    publish(place)
    assert is_done(place, record().settings)
    assert names(tmp_path) == ["slide"]


def test_one_run_at_a_time_works_on_a_folder(tmp_path):
    place = tmp_path / "slide"
    with ResultFolder(place) as first:
        (first.path / "glomeruli.csv").write_text("first\n")
        with pytest.raises(BusyError, match="another run"), ResultFolder(place, wait=False):
            pass
        first.publish(record())
    assert (place / "glomeruli.csv").read_text() == "first\n"
    assert names(tmp_path) == ["slide"]


def test_a_second_run_waits_for_the_first(tmp_path):
    place = tmp_path / "slide"

    def second():
        with ResultFolder(place):
            return is_done(place, record().settings)

    with ThreadPoolExecutor(1) as pool, ResultFolder(place) as first:
        waiting = pool.submit(second)
        time.sleep(0.1)
        assert not waiting.done()
        first.publish(record())
        first.__exit__(None, None, None)
        assert waiting.result(timeout=10)
    assert names(tmp_path) == ["slide"]


def test_what_a_dead_run_left_is_gone_with_the_next_run(tmp_path):
    place = tmp_path / "slide"
    left = hidden_beside(place, "partial")
    left.mkdir()
    (left / RECORD_NAME).write_text("half")
    with ResultFolder(place) as folder:
        assert names(folder.path) == []
    assert names(tmp_path) == []
    left.mkdir()
    clear_unfinished(place)
    assert names(tmp_path) == []


def test_work_in_progress_is_not_cleared(tmp_path):
    place = tmp_path / "slide"
    with ResultFolder(place) as folder:
        clear_unfinished(place)
        assert folder.path.is_dir()


def test_results_built_on_another_disk_arrive_whole(tmp_path):
    place, scratch = tmp_path / "out" / "slide", tmp_path / "scratch"
    scratch.mkdir()
    with ResultFolder(place, scratch) as folder:
        assert folder.path.parent == scratch
        (folder.path / "glomeruli.csv").write_text("id\n")
        folder.publish(record())
    assert is_done(place, record().settings)
    assert (names(tmp_path / "out"), names(scratch)) == (["slide"], [])


def test_files_that_change_on_their_way_from_another_disk_are_noticed(tmp_path, monkeypatch):
    def spoil(source, target):
        target.mkdir()
        (target / "glomeruli.csv").write_text("spoilt")

    monkeypatch.setattr(shutil, "copytree", spoil)
    with ResultFolder(tmp_path / "out" / "slide", tmp_path) as folder:
        (folder.path / "glomeruli.csv").write_text("id\n")
        with pytest.raises(OutputError, match="changed while they were copied"):
            folder.publish(record())
    assert names(tmp_path / "out") == []


def test_untouched_results_are_replaced(tmp_path):
    publish(tmp_path / "slide", OTHER)
    replace(tmp_path / "slide")
    assert names(tmp_path) == ["slide"]
    assert names(tmp_path / "slide") == ["glomeruli.csv", RECORD_NAME]
    assert is_done(tmp_path / "slide", record().settings)


def add_file(place):
    (place / "notes.txt").write_text("mine")


def edit_file(place):
    (place / "glomeruli.csv").write_text("corrected\n")


def add_folder(place):
    (place / "mine").mkdir()


def add_link(place):
    (place / "patches" / "link").symlink_to(place / "glomeruli.csv")


def remove_file(place):
    (place / "patches" / "0001.png").unlink()


def damage_record(place):
    (place / RECORD_NAME).write_text("mine")


@pytest.mark.parametrize("touch", [add_file, edit_file, add_folder, add_link, remove_file, damage_record])
def test_whatever_the_user_touched_is_kept_aside(tmp_path, touch):
    place = tmp_path / "slide"
    publish(place)
    touch(place)
    before = sorted(str(path.relative_to(place)) for path in place.rglob("*"))
    replace(place)
    aside = tmp_path / "slide.previous-1"
    assert names(tmp_path) == ["slide", aside.name]
    assert sorted(str(path.relative_to(aside)) for path in aside.rglob("*")) == before
    assert is_done(place, record().settings)


def test_results_moved_aside_earlier_are_kept_too(tmp_path):
    place = tmp_path / "slide"
    for text in ("first\n", "second\n"):
        replace(place, text)
        add_file(place)
    replace(place, "third\n")
    kept = [tmp_path / f"slide.previous-{n}" / "glomeruli.csv" for n in (1, 2)]
    assert [path.read_text() for path in kept] == ["first\n", "second\n"]
    assert (place / "glomeruli.csv").read_text() == "third\n"


def test_old_results_stand_until_new_ones_are_complete(tmp_path):
    publish(tmp_path / "slide", text="old\n")
    with pytest.raises(RuntimeError), ResultFolder(tmp_path / "slide"):
        raise RuntimeError
    assert (tmp_path / "slide" / "glomeruli.csv").read_text() == "old\n"


def test_old_results_come_back_where_new_ones_cannot_be_put_in_place(tmp_path, monkeypatch):
    place = tmp_path / "slide"
    publish(place, text="old\n")
    rename = Path.rename

    def broken(path, target):
        if path.suffix == ".partial":
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", broken)
    with pytest.raises(OutputError, match="Input/output error"):
        replace(place)
    assert (place / "glomeruli.csv").read_text() == "old\n"
    assert names(tmp_path) == ["slide"]


def test_in_a_container_results_are_not_written_where_they_would_be_lost(monkeypatch):
    monkeypatch.setenv("GLOMSPIKE_CONTAINER", "1")
    with pytest.raises(OutputError, match="not mounted in the container; add -v /nowhere/out:/nowhere/out"):
        check_writable(Path("/nowhere/out"))
    assert not Path("/nowhere").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_output_is_told_before_any_work(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match=r"cannot be written \(Permission denied\)"):
            ResultFolder(tmp_path / "slide").__enter__()
    finally:
        tmp_path.chmod(0o700)


def test_a_read_only_file_system_is_told_before_any_work(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OutputError, match=r"cannot be written \(Read-only file system\)"):
        ResultFolder(tmp_path / "slide").__enter__()


def test_an_output_below_a_file_is_told_before_any_work(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        ResultFolder(tmp_path / "file" / "slide").__enter__()


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o755), (0o077, 0o700), (0o002, 0o775)])
def test_folders_and_files_follow_the_callers_umask(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        publish(tmp_path / "slide")
    finally:
        os.umask(before)
    place = tmp_path / "slide"
    assert [path.stat().st_mode & 0o777 for path in (place, place / "patches")] == [mode] * 2
    assert (place / RECORD_NAME).stat().st_mode & 0o777 == mode & 0o666


def test_the_record_is_written_after_every_other_file(tmp_path):
    place = tmp_path / "slide"
    with ResultFolder(place) as folder:
        (folder.path / "glomeruli.csv").write_text("id\n")
        time.sleep(0.02)
        folder.publish(record())
    newest = max(place.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert newest.name == RECORD_NAME
    assert json.loads(newest.read_text())["files"].keys() == {"glomeruli.csv"}
