"""Seconds for a glomerulus cut into tiles and scored by wsinfer, with glomspike's network and weights.

    PYTHONPATH=. PYTHON benchmarks/speed/wsinfer.py PICTURES

PYTHON has wsinfer and what glomspike needs. wsinfer works on slides, so the glomerulus is written as one; it
cuts what it takes for tissue, by the same stride and with as much around each tile as the network learnt
with, and reads each tile from the file. The seconds given are for 1849 tiles.
"""

import contextlib
import csv
import io
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from wsinfer.modellib.models import LocalModelTorchScript
from wsinfer.modellib.run_inference import run_inference
from wsinfer.patchlib import segment_and_patch_directory_of_slides
from wsinfer.wsi import set_backend
from wsinfer_zoo.client import ModelConfiguration, TransformConfigurationItem

from benchmarks.speed.papers_way import MiddleTile
from benchmarks.speed.pictures import STRIDE_PX, TILE_PX, Pictures, seconds_of
from glomspike.classify.views import view_side_px
from glomspike.findings import RGB
from glomspike.networks.models import load_model
from glomspike.phantom.pyramid import File, write_pyramid

BATCH = 32  # its default
MPP = 0.25


class OneColumn(nn.Module):
    """Log-odds (n, 1), as wsinfer wants them, of a network that gives (n,)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> Tensor:
        odds: Tensor = self.network(pictures)[:, None]
        return odds


def wsinfer_model(folder: Path) -> LocalModelTorchScript:
    """glomspike's classifier as wsinfer wants it, written to a folder."""
    model, side_px = load_model("classifier", None, torch.device("cpu")), view_side_px(TILE_PX)
    network = OneColumn(MiddleTile(model.network, side_px)).eval()
    with torch.inference_mode():
        traced: Any = torch.jit.trace(network, torch.zeros(2, 3, side_px, side_px))
        traced.save(str(folder / "model.pt"))
    normalise = {"mean": list(model.card.normalisation.mean), "std": list(model.card.normalisation.std)}
    transform = [
        TransformConfigurationItem("ToTensor", None),
        TransformConfigurationItem("Normalize", normalise),
    ]
    config = ModelConfiguration(model.card.architecture, 1, ["spiked"], side_px, MPP, transform)
    return LocalModelTorchScript(config, str(folder / "model.pt"))


def write_slide(folder: Path, pixels: RGB) -> None:
    """Writes a picture as the only slide in a folder."""

    def block(x: int, y: int, width: int, height: int) -> RGB:
        return pixels[y : y + height, x : x + width]

    folder.mkdir()
    write_pyramid(folder / "one.svs", block, pixels.shape[1], pixels.shape[0], File(MPP, 40, 90))


def scored(slides: Path, results: Path, model: LocalModelTorchScript) -> None:
    """Runs wsinfer's two steps; what it has to say is dropped."""
    side_px = model.config.patch_size_pixels
    with contextlib.redirect_stdout(io.StringIO()):
        segment_and_patch_directory_of_slides(slides, results, side_px, MPP, overlap=1 - STRIDE_PX / side_px)
        run_inference(slides, results, model, batch_size=BATCH)


def main(pictures: Pictures) -> None:
    """Print the seconds as JSON; a part of the glomerulus is scored before it is timed."""
    os.environ["WSINFER_FORCE_CPU"] = "1"
    set_backend("openslide")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        model = wsinfer_model(work)
        write_slide(work / "part", pictures.glomerulus[:300])
        write_slide(work / "whole", pictures.glomerulus)
        scored(work / "part", work / "part-out", model)
        seconds = seconds_of(lambda: scored(work / "whole", work / "out", model))
        with (work / "out" / "model-outputs-csv" / "one.csv").open() as file:
            count = len(list(csv.DictReader(file)))
    print(f"wsinfer scored {count} tiles", file=sys.stderr)
    print(json.dumps({"tiles: wsinfer": seconds * len(pictures.corners_px) / count}))


if __name__ == "__main__":
    main(Pictures.load(Path(sys.argv[1])))
