"""The main job's networks in PyTorch, ONNX Runtime and OpenVINO on the CPU: time, start-up, memory, answers.

    PYTHON -m benchmarks.speed.engines WORK [--slide SLIDE] [--rounds 10]

PYTHON is that of an environment with glomspike, onnx, onnxruntime and openvino (docs/performance.md). WORK
gets the networks as ONNX files, folded and in float32; the classifier ends there at its map of evidence, over
which PyTorch pools tiles for every engine. Prints tables in Markdown, all for one thread:

1. processor time of each network beside what the main job takes for it, in pairs, and the same of all;
2. processor seconds and memory until the networks are ready, in processes that import nothing else;
3. how far glomeruli, calls and tiles of SLIDE, the example by default, are those of the main job.

Ratios of processor time hold on a busy machine, too.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from unittest.mock import patch

import click
import torch
from torch import Tensor, nn

from benchmarks.speed.agreement import AGREEMENT, agreement, found_on, tile_difference
from benchmarks.speed.bench import ROOT, run, table
from benchmarks.speed.engine import ENGINES, PYTORCH, SHOWN, Answer, Engine, kind_of, ready
from glomspike.classify.model import MappedTiles, PairedTiles
from glomspike.detect.model import Maps
from glomspike.findings import RGB, Circle
from glomspike.networks.device import has_fast_bfloat16
from glomspike.networks.models import Models, load_models
from glomspike.slide.reader import open_slide

CPU = torch.device("cpu")
EXAMPLE = ROOT / "examples" / "phantom.svs"
OUTPUTS = {"detector": ("centre", "radius", "offset")}
OPSET = 17
TILES, TILE_PX = 600, 50

Pooled = Callable[[Tensor, Tensor], Tensor]


class Evidence(nn.Module):
    """The classifier up to its map of evidence."""

    def __init__(self, classifier: MappedTiles | PairedTiles) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, pictures: Tensor) -> Tensor:
        return self.classifier.evidence(pictures)


class EngineNetwork(nn.Module):
    """A network that answers by an engine, with the inputs and outputs of the main job's.

    `answers` are by the side of the pictures, where files hold that; a single one takes all. `pooled` makes
    log-odds of tiles of the classifier's map.
    """

    def __init__(self, kind: str, answers: Mapping[int, Answer], pooled: Pooled) -> None:
        super().__init__()
        self.kind, self.answers, self.pooled = kind, answers, pooled
        self.place = nn.Parameter(torch.zeros(0))  # says that it is on the CPU

    def forward(self, pictures: Tensor, *boxes: Tensor) -> Tensor | Maps:
        (first, *others) = self.answers.values()
        answer = self.answers[pictures.shape[-1]] if others else first
        found = [torch.from_numpy(one) for one in answer(pictures.contiguous().numpy())]
        if self.kind == "detector":
            return Maps(*found)
        return self.pooled(found[0], boxes[0]) if self.kind == "classifier" else found[0]


def in_float32() -> Models:
    """The models of the main job on a processor without fast bfloat16."""
    with patch("glomspike.networks.quick.has_fast_bfloat16", return_value=False):
        return load_models(device=CPU)


def export(models: Models, work: Path) -> list[Path]:
    """The ONNX files of the networks, written."""
    work.mkdir(parents=True, exist_ok=True)
    paths = []
    for stem, shape in SHOWN.items():
        kind = kind_of(stem)
        network, names = models[kind].network, OUTPUTS.get(kind, ("answer",))
        # Sizes are written into the graphs of decoders: only the classifier takes any.
        free = {0: "n", 2: "h", 3: "w"} if kind == "classifier" else {0: "n"}
        paths.append(work / f"{stem}.onnx")
        with torch.no_grad():
            torch.onnx.export(
                Evidence(network) if isinstance(network, MappedTiles | PairedTiles) else network,
                (torch.zeros(shape),),
                paths[-1],
                input_names=["pictures"],
                output_names=list(names),
                dynamic_axes=dict.fromkeys(("pictures", *names), free),
                opset_version=OPSET,
                dynamo=False,
            )
    return paths


def in_engine(engine: Engine, paths: Sequence[Path], pooled: Pooled) -> dict[str, nn.Module]:
    """The networks of files by kind, ready in an engine."""
    answers: dict[str, dict[int, Answer]] = {}
    for path in paths:
        answers.setdefault(kind_of(path.stem), {})[SHOWN[path.stem][-1]] = ready(engine, path)
    return {kind: EngineNetwork(kind, by_side, pooled) for kind, by_side in answers.items()}


def print_times(ways: Mapping[str, Mapping[str, nn.Module]], rounds: int) -> None:
    """The processor time of each network in each way, and over that of the first way, round by round."""
    totals: dict[str, list[float]] = {way: [0.0] * rounds for way in ways}
    rows = []
    for kind, shape in ((kind_of(stem), shape) for stem, shape in SHOWN.items()):
        seconds = _paired({way: networks[kind] for way, networks in ways.items()}, kind, shape, rounds)
        for way, taken in seconds.items():
            totals[way] = [a + b for a, b in zip(totals[way], taken, strict=True)]
        rows.append([kind, " × ".join(map(str, shape)), *_cells(seconds)])
    rows.append(["each once", "", *_cells(totals)])
    table(["network", "shown", *(f"{way}, ms" for way in ways)], rows)


def _cells(seconds: Mapping[str, list[float]]) -> list[str]:
    first = next(iter(seconds.values()))
    return [
        f"{1000 * median(taken):.0f} ({median(a / b for a, b in zip(taken, first, strict=True)):.2f})"
        for taken in seconds.values()
    ]


def _paired(
    networks: Mapping[str, nn.Module], kind: str, shape: tuple[int, ...], rounds: int
) -> dict[str, list[float]]:
    """Processor seconds of each way in each round, every other round in the opposite order."""
    generator = torch.Generator().manual_seed(0)
    shown = torch.randn(shape, generator=generator).to(memory_format=torch.channels_last)
    corners = torch.rand(TILES, 2, generator=generator) * (min(shape[2:]) - TILE_PX)
    boxes = torch.cat([torch.zeros(TILES, 1), corners, corners + TILE_PX], dim=1)
    inputs = (shown, boxes) if kind == "classifier" else (shown,)
    seconds: dict[str, list[float]] = {way: [] for way in networks}
    with torch.inference_mode():
        for number in range(-1, rounds):  # the first is not counted
            for way in list(networks)[:: -1 if number % 2 else 1]:
                began = time.process_time()
                networks[way](*inputs)
                if number >= 0:
                    seconds[way].append(time.process_time() - began)
    return seconds


def print_starts(paths: list[Path], rounds: int) -> None:
    """What it takes until the networks are ready in each engine."""
    rows = []
    for engine in (PYTORCH, *ENGINES):
        files = () if engine == PYTORCH else tuple(paths)
        found = [run("-m", "benchmarks.speed.engine", engine, *files).numbers for _ in range(rounds)]
        middle = {name: median(one[name] for one in found) for name in found[0]}
        rows.append(
            [engine, f"{middle['seconds']:.2f}", f"{middle['ready_mb']:.0f}", f"{middle['used_mb']:.0f}"]
        )
    table(["engine", "processor seconds until ready", "MB then", "MB after an answer of each"], rows)


def print_agreement(slide: Path, job: Models, ways: Mapping[str, Mapping[str, nn.Module]]) -> None:
    """How far what is found and called on a slide, and tiles of its first glomerulus, are the main job's."""
    expected, rows = found_on(slide, job), []
    picture = _around(slide, expected.glomeruli[0].circle, job["classifier"].card.mpp)
    for way, networks in ways.items():
        by_kind = {kind: replace(model, network=networks[kind]) for kind, model in job.by_kind.items()}
        models = Models(by_kind, CPU)
        difference = tile_difference(models, job, picture)
        rows.append([way, *agreement(found_on(slide, models), expected).cells, f"{difference:.4f}"])
    table(["engine", *AGREEMENT, "of a tile"], rows)


def _around(path: Path, circle: Circle, mpp: float) -> RGB:
    """A glomerulus at so many µm/px."""
    side_px = math.ceil(2 * circle.radius_um / mpp)
    with open_slide(path) as slide:
        half_x0, half_y0 = circle.radius_um / slide.facts.mpp.x, circle.radius_um / slide.facts.mpp.y
        return slide.read(int(circle.x0 - half_x0), int(circle.y0 - half_y0), side_px, side_px, mpp)


@click.command()
@click.argument("work", type=click.Path(path_type=Path))
@click.option("--slide", default=EXAMPLE, type=click.Path(path_type=Path, exists=True), show_default=True)
@click.option("--rounds", default=10, show_default=True, type=click.IntRange(1))
def main(work: Path, slide: Path, rounds: int) -> None:
    """Measure, and print it."""
    torch.set_num_threads(1)
    has_bfloat16 = "with" if has_fast_bfloat16(CPU) else "without"
    print(f"a processor {has_bfloat16} fast bfloat16, one thread\n")
    job, plain = load_models(device=CPU), in_float32()
    paths = export(plain, work)
    classifier = job["classifier"].network
    assert isinstance(classifier, MappedTiles | PairedTiles)
    of_engines: dict[str, dict[str, nn.Module]] = {
        engine: in_engine(engine, paths, classifier.pooled) for engine in ENGINES
    }
    of_pytorch = {
        "main job": {kind: model.network for kind, model in job.by_kind.items()},
        "PyTorch float32": {kind: model.network for kind, model in plain.by_kind.items()},
    }
    print_times({**of_pytorch, **of_engines}, rounds)
    print_starts(paths, max(1, rounds // 3))
    print_agreement(slide, job, {"PyTorch float32": of_pytorch["PyTorch float32"], **of_engines})


if __name__ == "__main__":
    main()
