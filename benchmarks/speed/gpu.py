"""What the main job does on a GPU: the same answers as on the CPU, how fast, how much memory. One command.

    python -m benchmarks.speed.gpu WORK [--device cuda] [--slide small] [--slide large] [--slides 8]
        [--rounds 3]

Prints tables in Markdown:

1. whether the GPU finds and calls what the CPU does, and what bfloat16 changes there;
2. milliseconds for a glomerulus, its tiles and its outline, from pictures in memory;
3. several slides in a row in one process: seconds of each, and memory, which must not grow;
4. how often the program waits for the GPU, by PyTorch's profiler;
5. a folder, on which two processes share the GPU, beside as many slides one after the other;
6. the command on each slide, stage by stage, beside decoding alone and networks alone.

Exits with 1 where a call differs. Without a GPU it says so in one line; `--device cpu --slide small --slides
2 --rounds 1` tries the program itself. WORK keeps the biopsies. Needs Linux and no network.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import click
import torch

from benchmarks.speed.agreement import AGREEMENT, agreement, found_on, tile_difference
from benchmarks.speed.bench import SIZES, Bench, beside_floors, run, table
from benchmarks.speed.folder import folder_of, job
from benchmarks.speed.glomspike_way import score
from benchmarks.speed.pictures import Pictures, seconds_of
from benchmarks.speed.trace import peak_mb, reset_peak
from glomspike.batch.process import prepare_process
from glomspike.cli.leaving import leaving_quickly
from glomspike.errors import GlomspikeError
from glomspike.findings import RGB
from glomspike.networks.device import choose_device
from glomspike.networks.models import Models, load_model, load_models
from glomspike.pipeline import run_slide
from glomspike.results.options import Options
from glomspike.segment.probability import glomerulus_probability

CPU = torch.device("cpu")
TIMES = 20  # a glomerulus is scored, after three that are not counted
WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")
MIB = 2**20


def plain_models(device: torch.device) -> Models:
    """The models of the main job as they were trained, in float32."""
    kinds = load_models(device=CPU).by_kind
    return Models({kind: load_model(kind, None, device) for kind in kinds}, device)


def same_answers(slide: Path, device: torch.device, picture: RGB) -> bool:
    """Prints how far the device agrees with the CPU and with itself in float32; whether all calls do."""
    quick = load_models(device=device)
    others = {
        f"{device} and CPU": load_models(device=CPU),
        f"{device}, as the main job computes, and in float32": plain_models(device),
    }
    found = found_on(slide, quick)
    agreements = {name: agreement(found, found_on(slide, models)) for name, models in others.items()}
    rows = [
        [name, *one.cells, f"{tile_difference(quick, others[name], picture):.4f}"]
        for name, one in agreements.items()
    ]
    table([slide.stem, *AGREEMENT, "largest difference of a tile in a picture"], rows)
    return all(one.is_same for one in agreements.values())


def print_milliseconds(pictures: Pictures, device: torch.device) -> None:
    """What a glomerulus takes from memory to its scores and its outline in memory."""
    models = load_models(device=device)
    segmenter = models["segmenter"]
    tiles = _milliseconds(lambda: score(models, pictures.glomerulus))
    outlines = _milliseconds(
        lambda: glomerulus_probability(segmenter.network, pictures.crops, segmenter.card.normalisation)
    )
    heads = ["a glomerulus", "ms"]
    table(heads, [["tiles", f"{tiles:.2f}"], ["outline", f"{outlines / len(pictures.crops):.2f}"]])


def _milliseconds(work: Callable[[], object]) -> float:
    """The median of what a piece of work takes that ends with its answer in memory."""
    for _ in range(3):
        work()
    return 1000 * median(seconds_of(work) for _ in range(TIMES))


def in_a_row(slide: Path, out: Path, device: torch.device, count: int) -> list[dict[str, float]]:
    """Seconds and memory, MiB, of each of several runs of a slide with the same models."""
    models, rows = load_models(device=device), []
    reset_peak()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    for _ in range(count):
        began = time.perf_counter()
        run_slide(slide, out, models, Options(overwrite="always"), lambda *_: None)
        rows.append({"seconds": time.perf_counter() - began, **_memory_mb(device), "host": peak_mb()})
    return rows


def _memory_mb(device: torch.device) -> dict[str, float]:
    """Of the GPU: what is held now, the most that was, and the most that PyTorch took for it."""
    if device.type != "cuda":
        return {"held": 0, "most": 0, "taken": 0}
    held, most = torch.cuda.memory_allocated(device), torch.cuda.max_memory_allocated(device)
    return {
        "held": held / MIB,
        "most": most / MIB,
        "taken": torch.cuda.max_memory_reserved(device) / MIB,
    }


def print_row(rows: list[dict[str, float]]) -> None:
    """Each slide of a row."""
    heads = ["slide", "seconds", "GPU MiB held", "GPU MiB at most", "GPU MiB taken", "peak MB of the process"]
    table(
        heads,
        [
            [
                str(number),
                f"{row['seconds']:.2f}",
                *(f"{row[name]:.0f}" for name in ("held", "most", "taken", "host")),
            ]
            for number, row in enumerate(rows, 1)
        ],
    )


def waits(slide: Path, device: torch.device) -> dict[str, int]:
    """How often the program waits for the GPU while it analyses a slide, by how it does; none on the CPU."""
    from torch.profiler import ProfilerActivity, profile

    models = load_models(device=device)
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    found_on(slide, models)  # once for what only the first costs
    with profile(activities=activities) as profiled:
        found = found_on(slide, models)
    counts = {event.key: event.count for event in profiled.key_averages() if event.key in WAITS}
    return {name: counts.get(name, 0) for name in WAITS} | {"glomeruli": len(found.glomeruli)}


def print_folder(slide: Path, work: Path, device: str, count: int, alone_s: float) -> None:
    """Slides per hour of the command on a folder, beside those of one after the other with loaded models."""
    folder = folder_of(slide, count, work / "folder")
    ran = job(folder, work / "folder-out", None, device)
    rows = [
        ["one after the other, models loaded", f"{3600 / alone_s:.0f}", ""],
        [
            "the command on a folder: two processes, start-up included",
            f"{3600 * count / ran.seconds:.0f}",
            f"{ran.peak_mb:.0f}",
        ],
    ]
    table([f"{count} slides", "slides per hour", "peak MB of the largest process"], rows)


def chosen(device: str) -> torch.device:
    """The device to measure. Exits with one line where that is a GPU and there is none."""
    try:
        found = choose_device(device).device
    except GlomspikeError as failure:
        sys.exit(
            f"benchmarks.speed.gpu: {failure.subject}: {failure.cause}; --device cpu tries the program itself"
        )
    if found.type == "cpu" and device != "cpu":
        sys.exit(
            f"benchmarks.speed.gpu: --device {device}: there is no GPU; --device cpu tries the program itself"
        )
    return found


@click.command()
@click.argument("work", type=click.Path(path_type=Path))
@click.option("--device", default="cuda", show_default=True)
@click.option("--slide", "slides", type=click.Choice(SIZES), multiple=True, default=SIZES, show_default=True)
@click.option("--slides", "count", default=8, show_default=True, type=click.IntRange(2))
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1))
def main(work: Path, device: str, slides: tuple[str, ...], count: int, rounds: int) -> None:
    """Measure everything, and print it."""
    place = chosen(device)
    prepare_process()  # for those that are measured, too
    if place.type == "cuda":
        print(
            f"{torch.cuda.get_device_name(place)}, PyTorch {torch.__version__}, CUDA {torch.version.cuda}\n"
        )
    bench = Bench(work, device, rounds)
    small = bench.slide("small")
    run("-m", "benchmarks.speed.pictures", small, work / "pictures.npz")
    pictures = Pictures.load(work / "pictures.npz")
    are_same = [same_answers(bench.slide(name), place, pictures.glomerulus) for name in slides]
    print_milliseconds(pictures, place)
    rows = in_a_row(small, work / "out", place, count)
    print_row(rows)
    waited = waits(small, place)
    table(list(waited), [[str(number) for number in waited.values()]])
    print_folder(small, work, device, count, median(row["seconds"] for row in rows))
    for name in slides:
        beside_floors(bench, name)
    sys.exit(0 if all(are_same) else f"benchmarks.speed.gpu: {device} and the CPU do not call all alike")


if __name__ == "__main__":
    with leaving_quickly():
        main()
