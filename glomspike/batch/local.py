"""Workers on this machine: processes that hold the models, fed by threads that look and copy ahead."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from types import TracebackType
from typing import NamedTuple, Self

import torch
from pebble import ProcessExpired, ProcessPool

from glomspike.batch.local_copy import LocalCopy, local_copy
from glomspike.batch.shares import cores, shares
from glomspike.batch.task import Batch, do_slide, failed_row, standing_row
from glomspike.errors import SlideError
from glomspike.findings import SlideRow
from glomspike.results.folder import clear_unfinished
from glomspike.slide.find import FoundSlide

AHEAD = 1  # slides that are looked up and copied while all processes are busy


class _Worker(NamedTuple):
    """A process and the device it computes on; a process that dies is started again by its pool."""

    process: ProcessPool
    device: str


class LocalWorkers:
    """A context whose processes work on so many slides, on the devices of the workers (see `shares`).

    A process loads its models once. Leaving the context ends them all; a slide that one was working on is as
    if it had not been begun.
    """

    def __init__(self, batch: Batch, devices: Sequence[str], slides: int) -> None:
        parts = shares(devices, slides, cores(), torch.get_num_threads())
        self._batch = batch
        self._workers = [_Worker(_process(part.threads), part.device) for part in parts]
        self._free: SimpleQueue[_Worker] = SimpleQueue()
        for worker in self._workers:
            self._free.put(worker)
        self._feeders = ThreadPoolExecutor(len(parts) + AHEAD, initializer=_leave_interrupts_to_others)
        self._ended: Future[SlideRow | None] = Future()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._feeders.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.process.stop()
            worker.process.join()
        self._ended.set_result(None)
        self._feeders.shutdown()

    def rows(self, slides: Sequence[FoundSlide], wait: bool) -> Iterator[tuple[FoundSlide, SlideRow | None]]:
        """Each slide with its row as soon as it is finished; None where another run is working on it."""
        begun = {self._feeders.submit(self._row, slide, wait): slide for slide in slides}
        for finished in futures.as_completed(begun):
            yield begun[finished], finished.result()

    def _row(self, slide: FoundSlide, wait: bool) -> SlideRow | None:
        try:
            if row := standing_row(slide, self._batch):
                return row
            with local_copy(slide.path, self._batch.stage) as near:
                return self._worked_on(slide, near, wait)
        except ProcessExpired as end:
            return self._given_up(slide, _died(slide, end.exitcode))
        except Exception as failure:  # noqa: BLE001  (whatever it is, the other slides go on)
            return self._given_up(slide, failure)

    def _given_up(self, slide: FoundSlide, failure: Exception) -> SlideRow:
        clear_unfinished(self._batch.out / slide.folder)
        return failed_row(slide, failure)

    def _worked_on(self, slide: FoundSlide, near: LocalCopy, wait: bool) -> SlideRow | None:
        worker = self._free.get()
        try:
            working = worker.process.schedule(do_slide, args=(slide, near, self._batch, worker.device, wait))
            # A process that is stopped leaves its future open.
            futures.wait((working, self._ended), return_when=futures.FIRST_COMPLETED)
            return working.result(timeout=0)
        finally:
            self._free.put(worker)


def _process(threads: int) -> ProcessPool:
    # Spawned: a CUDA context or a lock held by a thread does not survive a fork.
    fresh = multiprocessing.get_context("spawn")
    return ProcessPool(1, initializer=_begin, initargs=(threads,), context=fresh)


def _begin(threads: int) -> None:
    """Readies a process: the cores are shared, and it ends with the run that started it."""
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _leave_interrupts_to_others() -> None:
    """Ctrl-C is for the main thread; processes started by this thread never see it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _died(slide: FoundSlide, status: int) -> SlideError:
    how = f"by signal {-status}" if status < 0 else f"with status {status}"
    cause = f"the process working on it ended {how}: out of memory, or a damaged file that crashes its reader"
    return SlideError(slide.path, cause, "use fewer workers, and copy or scan the slide again")
