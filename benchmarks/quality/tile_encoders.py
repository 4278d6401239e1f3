"""The first stages of an EfficientNet-Lite that knows photographs beside today's tile network.

    python -m benchmarks.quality.tile_encoders LITE0 SAMPLES... --out WORK [--epochs 4] [--seeds 2]

LITE0 is the encoder of `datasets.photograph_encoder`. Data, steps and seeds are the same. Neither network has
seen tissue; the tile network begins with random weights, since none of photographs exist for it. They learn
from views as the shipped classifier did (docs/adr/0023-learning-from-views.md) and are measured on the
validation patients after the last round. Below stands what a glomerulus of 1104 x 1104 px costs in the main
job, on one thread. WORK keeps the trainings; what is done is not done again.
"""

import csv
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
import segmentation_models_pytorch as smp
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.quality.measured_page import write_measured
from glomspike.classify.model import DenseTiles, WideTiles
from glomspike.classify.train_msa_mil import MilOptions
from glomspike.classify.train_views import ViewTask
from glomspike.learn.pretrain.encoder import PREFIX, load_encoder
from glomspike.learn.training import Settings, fabric_on, train
from glomspike.networks.device import choose_device
from glomspike.networks.quick import quickened

OPTIONS = MilOptions(k_pos=8, k_neg=24, bags_per_round=80, tiles_per_bag=60, view_px=224)
BATCH, LEARNING_RATE = 12, 1e-3
SIDE_PX, TIMED = 1104, 5
SHOWN = {
    "auc": "AUC",
    "log_likelihood": "log likelihood of glomeruli",
    "tile_auc": "AUC of tiles",
    "tile_recall": "tiles found at .5",
}


class LiteTiles(DenseTiles):
    """The first stages of EfficientNet-Lite0 (Tan and Le 2019): features at 8 px, joined by those at 16."""

    FEATURES = 40 + 112
    COARSE_PX = 16
    # With TensorFlow's padding a kernel begins at its place and does not lie around it.
    OFF_PX = -DenseTiles.OFF_PX

    def __init__(self, photographs: dict[str, Tensor]) -> None:
        nn.Module.__init__(self)
        self.encoder: Any = smp.encoders.get_encoder("tu-tf_efficientnet_lite0", weights=None, depth=4)
        state = self.encoder.state_dict()
        self.encoder.load_state_dict({name: photographs.get(PREFIX + name, state[name]) for name in state})
        self.encoder.model.conv_stem = InFloat32(self.encoder.model.conv_stem)
        self.head = nn.Conv2d(self.FEATURES, 1, kernel_size=1)

    def features(self, pictures: Tensor) -> Tensor:
        """What is seen: (n, 152, h / 8, w / 8)."""
        height_px, width_px = pictures.shape[2:]
        # The padding of odd sides would move everything by half a pixel.
        whole = functional.pad(pictures, (0, -width_px % self.COARSE_PX, 0, -height_px % self.COARSE_PX))
        *_, fine, wide = self.encoder(whole)
        return torch.cat([fine, functional.interpolate(wide, fine.shape[2:], mode="bilinear")], dim=1)


class InFloat32(nn.Module):
    """A convolution whose input keeps all its grey levels, as that of `DenseTiles` does."""

    def __init__(self, convolution: nn.Module) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, pictures: Tensor) -> Tensor:
        with torch.autocast(pictures.device.type, enabled=False):
            edges: Tensor = self.convolution(pictures.float())
        return edges


class NetworkTask(ViewTask):
    """The training from views of any tile network."""

    def __init__(self, tables: Sequence[Path], seed: int, name: str, make: Callable[[], nn.Module]) -> None:
        super().__init__(tables, OPTIONS, None, seed)
        self.name, self.make = name, make

    @property
    def signature(self) -> str:
        return f"{super().signature} {self.name}"

    def network(self) -> nn.Module:
        torch.manual_seed(self.seed)
        return self.make()


@click.command()
@click.argument("lite0", type=click.Path(path_type=Path, exists=True))
@click.argument("tables", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the trainings.")
@click.option("--epochs", default=4, show_default=True, help="Rounds of 80 glomeruli each.")
@click.option("--seeds", default=2, show_default=True, help="How many trainings of each network.")
@click.option("--page", type=click.Path(path_type=Path, exists=True), help="Page to write the table into.")
@click.option("--device", default="auto", metavar="auto|cuda|cpu", show_default=True)
def main(
    lite0: Path, tables: tuple[Path, ...], out: Path, epochs: int, seeds: int, page: Path | None, device: str
) -> None:
    """Train and measure both networks."""
    where = choose_device(device).device
    networks: dict[str, Callable[[], nn.Module]] = {
        "ResNet-18, wide": WideTiles,
        "EfficientNet-Lite0": partial(LiteTiles, load_encoder(lite0)),
    }
    rows = ["| network | seed | " + " | ".join(SHOWN.values()) + " |", "|---|---|" + "---|" * len(SHOWN)]
    for seed in range(seeds):
        for number, (name, make) in enumerate(networks.items()):
            folder = out / f"{number}-{seed}"
            settings = Settings(epochs, BATCH, LEARNING_RATE, seed=seed)
            train(
                NetworkTask(tables, seed, name, make),
                settings,
                fabric_on(where, 1),
                folder,
                Console(stderr=True),
            )
            rows.append(f"| {name} | {seed} | " + " | ".join(last_of(folder / "metrics.csv")) + " |")
            print(rows[-1], flush=True)
    costs = [f"{name} {milliseconds(make(), where):.0f} ms" for name, make in networks.items()]
    text = "\n".join([*rows, "", f"A glomerulus costs: {', '.join(costs)}."])
    print(text)
    if page is not None:
        write_measured(page, "tile encoders", text)


def last_of(metrics: Path) -> list[str]:
    """The numbers that are shown, of the last round in a `metrics.csv`."""
    with metrics.open(encoding="utf-8", newline="") as file:
        last = list(csv.DictReader(file))[-1]
    return [f"{float(last[name]):.3f}" for name in SHOWN]


def milliseconds(network: nn.Module, device: torch.device) -> float:
    """What the network of the main job takes for one glomerulus on one thread; the least of some times."""
    torch.set_num_threads(1)
    quick, taken = quickened(network, device), []
    picture = torch.rand(1, 3, SIDE_PX, SIDE_PX, device=device).to(memory_format=torch.channels_last)
    box = torch.tensor([[0.0, 500.0, 500.0, 550.0, 550.0]], device=device)
    with torch.inference_mode():
        for _ in range(TIMED):
            began = time.process_time()
            quick(picture, box)
            taken.append(time.process_time() - began)
    return 1000 * min(taken)


if __name__ == "__main__":
    main()
