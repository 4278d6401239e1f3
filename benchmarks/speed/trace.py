"""What the main job reads and computes, recorded from one run, and each of the two done again alone.

    python -m benchmarks.speed.trace job SLIDE OUT TRACE [--device auto]
    python -m benchmarks.speed.trace decode SLIDE TRACE
    python -m benchmarks.speed.trace networks TRACE [--device auto]
    python -m benchmarks.speed.trace ready [--device auto]

`job` runs the main job and writes to TRACE every region decoded and every batch shown to a network, with
the stage it was for, and the peak memory of each stage. `decode` decodes the same regions with as many
threads and does nothing with them; `networks` shows the networks batches of the same sizes that are in memory
already: both print seconds by stage as JSON. `ready` only loads the models. Each is a separate process, so
that none profits from another's caches.
"""

import json
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import click
import openslide
import torch
from PIL import Image
from torch import Tensor, nn

from glomspike.analysis import THREADS
from glomspike.cli.leaving import leaving_quickly
from glomspike.findings import SlideResult
from glomspike.networks.device import choose_device
from glomspike.networks.models import Models, load_models
from glomspike.pipeline import run_slide
from glomspike.results.options import Options
from glomspike.results.stopwatch import Stopwatch
from glomspike.slide.scan import TILE_CACHE_BYTES, Scan

# The stage that a module reads a slide for, and that a network runs in; all else is read in stage `read`.
READERS = {"glomspike.slide.tissue": "tissue", "glomspike.detect.infer": "detect"}
STAGES: dict[str, str] = {
    "detector": "detect",
    "segmenter": "segment",
    "classifier": "classify",
    "lesions": "lesions",
}


@dataclass(frozen=True)
class RegionRead:
    """A region decoded for a stage: its corner in level-0 pixels, its size in pixels of the level."""

    stage: str
    level: int
    x0: int
    y0: int
    width_px: int
    height_px: int


@dataclass(frozen=True, eq=False)
class Batch:
    """What a network was shown: pictures of this shape, and tiles in them where it scores tiles."""

    kind: str
    shape: tuple[int, ...]
    boxes: Tensor | None


class Trace:
    """What is recorded of one run."""

    def __init__(self) -> None:
        self.reads: list[RegionRead] = []
        self.batches: list[Batch] = []
        self.peak_mb: dict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """While inside, what the main job reads, and the memory of its stages, is recorded."""
        crop, stage = Scan.crop, Stopwatch.__call__
        Scan.crop = self._reading(crop)  # type: ignore[method-assign]
        Stopwatch.__call__ = self._weighed(stage)  # type: ignore[method-assign]
        try:
            yield
        finally:
            Scan.crop = crop  # type: ignore[method-assign]
            Stopwatch.__call__ = stage  # type: ignore[method-assign]

    def listen(self, kind: str, network: nn.Module) -> None:
        """From now on, what the network is shown is recorded."""

        def record(_: object, shown: tuple[Tensor, ...]) -> None:
            boxes = shown[1].cpu() if len(shown) > 1 else None
            self.batches.append(Batch(kind, tuple(shown[0].shape), boxes))

        network.register_forward_pre_hook(record)

    def _reading(self, crop: Callable[..., Image.Image]) -> Callable[..., Image.Image]:
        def recorded(scan: Scan, *region: int) -> Image.Image:
            with self._lock:
                self.reads.append(RegionRead(_reader(), *region))
            return crop(scan, *region)

        return recorded

    def _weighed(self, stage: Callable[..., Any]) -> Callable[..., Any]:
        @contextmanager
        def weighed(job: object, name: str) -> Iterator[None]:
            reset_peak()
            with stage(job, name):
                yield
            self.peak_mb[name] = max(self.peak_mb[name], peak_mb())

        return weighed

    def save(self, path: Path) -> None:
        """Writes what `Trace.load` reads."""
        batches = [(batch.kind, batch.shape, batch.boxes) for batch in self.batches]
        reads = [tuple(asdict(read).values()) for read in self.reads]
        torch.save({"reads": reads, "batches": batches, "peak_mb": dict(self.peak_mb)}, path)

    @classmethod
    def load(cls, path: Path) -> "Trace":
        """The trace that was written there."""
        found, trace = torch.load(path, weights_only=True), cls()
        trace.reads = [RegionRead(*read) for read in found["reads"]]
        trace.batches = [Batch(kind, tuple(shape), boxes) for kind, shape, boxes in found["batches"]]
        trace.peak_mb |= found["peak_mb"]
        return trace

    @property
    def pixels(self) -> dict[str, int]:
        """How many pixels were decoded for each stage."""
        counts: dict[str, int] = defaultdict(int)
        for read in self.reads:
            counts[read.stage] += read.width_px * read.height_px
        return dict(counts)


def _reader() -> str:
    """The stage that the code calling from above reads for."""
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001
    while frame is not None:
        if stage := READERS.get(frame.f_globals["__name__"]):
            return stage
        frame = frame.f_back
    return "read"


def reset_peak() -> None:
    """Lets `peak_mb` begin anew."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_mb() -> float:
    """The most memory, resident, that this process has had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def run_recorded(slide: Path, out: Path, device: torch.device) -> tuple[Trace, SlideResult]:
    """The main job's trace, and what it found."""
    trace = Trace()
    ready = load_models(device=device)
    for kind in ready.cards:
        trace.listen(kind, _network(ready, kind))
    with trace.recording():
        done = run_slide(slide, out, ready, Options(overwrite="always"), lambda *_: None)
    assert done.result is not None
    return trace, done.result


def decoding_seconds(slide: Path, reads: list[RegionRead]) -> dict[str, float]:
    """Seconds for each stage's regions, decoded in the order they were by as many threads."""
    handle = openslide.OpenSlide(slide)
    handle.set_cache(openslide.OpenSlideCache(TILE_CACHE_BYTES))
    seconds = {}
    with ThreadPoolExecutor(THREADS) as pool:
        for stage in dict.fromkeys(read.stage for read in reads):
            chosen = [read for read in reads if read.stage == stage]
            began = time.perf_counter()
            # Only to be finished: the pixels are let go of at once.
            list(pool.map(lambda read: _decode(handle, read), chosen))
            seconds[stage] = time.perf_counter() - began
    return seconds


def _decode(handle: openslide.OpenSlide, read: RegionRead) -> None:
    handle.read_region((read.x0, read.y0), read.level, (read.width_px, read.height_px))


def network_seconds(batches: list[Batch], device: torch.device) -> dict[str, float]:
    """Seconds for each stage's network, shown batches of the sizes it was shown; the first of them twice."""
    seconds, ready = {}, load_models(device=device)
    for kind in dict.fromkeys(batch.kind for batch in batches):
        network = _network(ready, kind)
        chosen = [batch for batch in batches if batch.kind == kind]
        shown = {shape: _noise(shape, device) for shape in {batch.shape for batch in chosen}}
        with torch.inference_mode():
            _run_network(network, chosen[0], shown, device)
            began = time.perf_counter()
            for batch in chosen:
                _run_network(network, batch, shown, device)
            seconds[STAGES[kind]] = time.perf_counter() - began
    return seconds


def _network(ready: Models, kind: str) -> nn.Module:
    return ready[kind].network


def _noise(shape: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.randn(shape, device=device).to(memory_format=torch.channels_last)


def _run_network(
    network: nn.Module, batch: Batch, shown: dict[tuple[int, ...], Tensor], device: torch.device
) -> None:
    boxes = () if batch.boxes is None else (batch.boxes.to(device),)
    network(shown[batch.shape], *boxes)
    if device.type == "cuda":
        torch.cuda.synchronize()


@click.group()
def main() -> None:
    """Record the main job, and do its reading and its computing again alone."""


device_option = click.option("--device", default="auto", show_default=True)


@main.command()
@click.argument("slide", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("trace", type=click.Path(path_type=Path))
@device_option
def job(slide: Path, out: Path, trace: Path, device: str) -> None:
    """Run the main job and write what it read and computed."""
    recorded, result = run_recorded(slide, out, choose_device(device).device)
    recorded.save(trace)
    numbers = {"glomeruli": len(result.glomeruli), "pixels": recorded.pixels, "peak_mb": recorded.peak_mb}
    print(json.dumps(numbers))


@main.command()
@click.argument("slide", type=click.Path(path_type=Path))
@click.argument("trace", type=click.Path(path_type=Path))
def decode(slide: Path, trace: Path) -> None:
    """Decode what the job decoded."""
    print(json.dumps(decoding_seconds(slide, Trace.load(trace).reads)))


@main.command()
@click.argument("trace", type=click.Path(path_type=Path))
@device_option
def networks(trace: Path, device: str) -> None:
    """Compute what the job computed."""
    print(json.dumps(network_seconds(Trace.load(trace).batches, choose_device(device).device)))


@main.command()
@device_option
def ready(device: str) -> None:
    """Load the models."""
    load_models(device=choose_device(device).device)


if __name__ == "__main__":
    with leaving_quickly():
        main()
