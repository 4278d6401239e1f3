"""A folder's processes share the machine: none is oversubscribed, and one reads while another computes."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glomspike import cli
from glomspike.batch.shares import Share, shares


def test_one_worker_on_the_cpu_is_two_processes_that_take_turns() -> None:
    assert shares(["cpu"], slides=50, cores=2, threads=2) == [Share("cpu", 1)] * 2
    assert shares(["cpu"], slides=50, cores=16, threads=16) == [Share("cpu", 8)] * 2


def test_a_gpu_has_two_processes_and_each_gpu_one_before_any_has_two() -> None:
    found = shares(["cuda:0", "cuda:1"], slides=50, cores=16, threads=16)
    assert found == [Share("cuda:0", 4), Share("cuda:1", 4)] * 2
    devices = [share.device for share in shares(["cuda:0", "cuda:1"], slides=3, cores=16, threads=16)]
    assert devices == ["cuda:0", "cuda:1", "cuda:0"]


def test_a_single_slide_has_all_cores() -> None:
    assert shares(["cpu"], slides=1, cores=4, threads=4) == [Share("cpu", 4)]


def test_one_core_or_one_thread_is_not_parted() -> None:
    assert shares(["cpu"], slides=50, cores=1, threads=1) == [Share("cpu", 1)]
    assert shares(["cpu"], slides=50, cores=8, threads=1) == [Share("cpu", 1)]


@given(st.integers(1, 40), st.integers(0, 60), st.integers(1, 64), st.integers(1, 64))
def test_processes_on_the_cpu_never_have_more_threads_than_there_are_cores(
    workers: int, slides: int, cores: int, threads: int
) -> None:
    found = shares(["cpu"] * workers, slides, cores, threads)
    assert 1 <= len(found) <= max(1, slides)
    assert sum(share.threads for share in found) <= cores
    assert all(1 <= share.threads <= threads for share in found)
    if workers > 1:
        assert len(found) == max(1, min(workers, slides, cores))


def test_more_workers_than_cores_are_fewer_with_a_line_about_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("glomspike.batch.shares.cores", lambda: 2)
    (tmp_path / "broken.svs").write_text("not a slide")
    with pytest.raises(SystemExit):
        cli.main([str(tmp_path), str(tmp_path / "out"), "--device", "cpu", "--workers", "3"])
    said = capsys.readouterr().err
    assert "glomspike: --workers 3: 2 at a time, since there are no more processor cores\n" in said
