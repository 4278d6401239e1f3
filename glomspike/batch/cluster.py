"""Workers on a Ray cluster: each slide is a task, which Ray places, and repeats where a node is lost."""

import logging
import os
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

from glomspike.batch.local_copy import local_copy
from glomspike.batch.task import Batch, do_slide, failed_row, standing_row
from glomspike.errors import SlideError, UsageError
from glomspike.findings import SlideRow
from glomspike.networks.device import choose_device
from glomspike.slide.find import FoundSlide

try:
    import ray
    import ray.exceptions
except ImportError as missing:
    raise UsageError("--ray", "Ray is not installed", "pip install 'glomspike[cluster]'") from missing

SLIDES_PER_GPU = 2  # one reads while the other computes
MEMORY_BYTES = 2 * 2**30  # that a slide takes
RETRIES = 3  # of a slide whose node or process is lost


class ClusterWorkers:
    """A context that gives slides to a Ray cluster: that at `address`, or one of this machine for "local".

    `device` is "cpu" to leave GPUs alone, else each slide gets half a GPU where the cluster has any. The same
    glomspike with the same weights must be installed on all nodes, which see input and OUT by the same paths.
    """

    def __init__(self, batch: Batch, address: str, device: str) -> None:
        if device.startswith("cuda:"):
            raise UsageError(f"--device {device}", "Ray chooses the GPUs", "give auto, cuda or cpu")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no run is reported to anyone
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as failure:
            cure = "give the address of a running Ray cluster, or local"
            raise UsageError(f"--ray {address}", " ".join(str(failure).split()), cure) from failure
        self._batch = batch
        self._device = device
        gpus = 1 / SLIDES_PER_GPU if device != "cpu" and ray.cluster_resources().get("GPU") else 0
        needs = {"num_cpus": 1, "num_gpus": gpus, "memory": MEMORY_BYTES}
        self._task = ray.remote(**needs, max_retries=RETRIES)(_do_here)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ray.shutdown()

    def rows(self, slides: Sequence[FoundSlide], wait: bool) -> Iterator[tuple[FoundSlide, SlideRow | None]]:
        """Each slide with its row as soon as it is finished; None where another run is working on it."""
        begun = {self._task.remote(slide, self._batch, self._device, wait): slide for slide in slides}
        while begun:
            (finished, *_), _ = ray.wait(list(begun))
            slide = begun.pop(finished)
            try:
                yield slide, ray.get(finished)
            except ray.exceptions.RayError as lost:
                yield slide, failed_row(slide, _lost(slide, lost))


def _do_here(slide: FoundSlide, batch: Batch, device: str, wait: bool) -> SlideRow | None:
    """What a node does with a slide; Ray has chosen the GPU, which is the only one that the process sees."""
    try:
        if row := standing_row(slide, batch):
            return row
        with local_copy(slide.path, batch.stage) as near:
            return do_slide(slide, near, batch, str(choose_device(device).device), wait)
    except Exception as failure:  # noqa: BLE001  (whatever it is, the other slides go on)
        return failed_row(slide, failure)


def _lost(slide: FoundSlide, lost: Exception) -> SlideError:
    cause = f"Ray lost it {RETRIES + 1} times ({type(lost).__name__})"
    return SlideError(slide.path, cause, "look at the cluster's logs, and copy or scan the slide again")
