"""What the main job needs of this machine, each thing tried out rather than assumed.

Libraries are imported inside the check that is about them, so that one that does not load is a finding.
"""

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from glomspike import __version__
from glomspike.errors import WeightsError

Verdict = Literal["works", "note", "broken"]
ENOUGH_MEMORY_GB = 4.0
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  (only its size is read)


@dataclass(frozen=True)
class Finding:
    """One thing checked. `broken` stops the main job, a `note` does not."""

    subject: str
    verdict: Verdict
    text: str


def examine(folder: Path) -> Iterator[Finding]:
    """The findings on this machine, one by one as they are made; `folder` is where results shall go."""
    yield Finding(
        "glomspike", "works", f"{__version__}, Python {platform.python_version()}, {platform.platform()}"
    )
    yield _gpu()
    yield _openslide()
    yield from _weights()
    yield _writing(folder)
    yield _memory()


def _gpu() -> Finding:
    try:
        import torch

        from glomspike.networks.device import cuda_trouble
    except (ImportError, OSError) as failure:
        return Finding("PyTorch", "broken", f"does not load: {failure}")
    build = f"PyTorch {torch.__version__}, CUDA build {torch.version.cuda or 'none'}, driver {_driver()}"
    trouble = cuda_trouble(0)
    if trouble:
        return Finding("GPU", "note", f"not used: {trouble}; the CPU does the work, more slowly ({build})")
    gpus = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    names = ", ".join(f"{gpu.name} {gpu.total_memory / 2**30:.0f} GB" for gpu in gpus)
    return Finding("GPU", "works", f"{names} ({build})")


def _driver() -> str:
    if not shutil.which("nvidia-smi"):
        return "none found"
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return "does not answer nvidia-smi"
    return answer[0] if answer else "without a GPU"


def _openslide() -> Finding:
    try:
        import numpy as np
        import openslide
        import tifffile
    except (ImportError, OSError) as failure:
        return Finding("OpenSlide", "broken", f"does not load: {failure}")
    try:
        with tempfile.TemporaryDirectory(prefix="glomspike-") as folder:
            path = Path(folder) / "slide.tif"
            tifffile.imwrite(path, np.zeros((256, 256, 3), np.uint8), tile=(256, 256))
            with openslide.OpenSlide(path) as slide:
                slide.read_region((0, 0), 0, (256, 256))
    except (OSError, openslide.OpenSlideError) as failure:
        return Finding("OpenSlide", "broken", f"cannot read a small test slide: {failure}")
    return Finding(
        "OpenSlide", "works", f"{openslide.__library_version__}, Python part {version('openslide-python')}"
    )


def _weights() -> Iterator[Finding]:
    from glomspike.networks.kinds import all_kinds
    from glomspike.networks.weights import installed, load_card, matches

    try:
        there = {card.kind for card, _ in installed()}
    except WeightsError as failure:
        yield Finding("weights", "broken", str(failure))
        return
    for kind in [kind.name for kind in all_kinds() if kind.required or kind.name in there]:
        try:
            card, path = load_card(kind, None)
        except WeightsError as failure:
            yield Finding(kind, "broken", str(failure))
            continue
        if matches(card, path):
            yield Finding(kind, "works", f"{card.name} {card.version}, SHA-256 as on its card")
        else:
            yield Finding(kind, "broken", f"{path}: its SHA-256 is not the one on its card; install it again")


def _writing(folder: Path) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=folder) as stream:
            stream.write(b"glomspike")
    except OSError as failure:
        text = f"{folder}: {failure.strerror}; name the folder for results, `glomspike doctor FOLDER`"
        return Finding("writing", "broken", text)
    return Finding(
        "writing", "works", f"{folder.resolve()}, {shutil.disk_usage(folder).free / 2**30:.0f} GB free"
    )


def _memory() -> Finding:
    available_gb = _available_memory_gb()
    shared_gb = shutil.disk_usage(SHARED_MEMORY).total / 2**30
    text = f"{available_gb:.1f} GB free, {shared_gb:.2f} GB shared, {len(os.sched_getaffinity(0))} CPU cores"
    if available_gb < ENOUGH_MEMORY_GB:
        return Finding("memory", "note", f"{text}; large slides may need {ENOUGH_MEMORY_GB:.0f} GB")
    return Finding("memory", "works", text)


def _available_memory_gb() -> float:
    """Memory that can still be had, gigabytes: of the machine, or less where a container is limited."""
    facts = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    available_bytes = int(facts["MemAvailable"].split()[0]) * 1024
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.is_file() and (text := limit.read_text().strip()) != "max":
        used = int(limit.with_name("memory.current").read_text())
        available_bytes = min(available_bytes, int(text) - used)
    return available_bytes / 2**30
