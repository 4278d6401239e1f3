"""Pictures of dark discs that stand for glomeruli, networks that see just these, and tables of them."""

import csv
from pathlib import Path

import cv2
import numpy as np
import torch
from cards import DRAFT
from torch import nn
from torch.nn import functional

from glomspike.classify.model import cut
from glomspike.detect.model import STRIDE, Maps
from glomspike.networks.models import Model
from glomspike.networks.weights import Card, Normalisation

BRIGHT, DARK = 200, 60
PLAIN = Normalisation(mean=(0, 0, 0), std=(1, 1, 1))


def disc_mask(width_px, height_px, circles_px):
    """True inside circles of x, y, radius; pixel 0 spans 0 to 1."""
    y, x = np.mgrid[:height_px, :width_px] + 0.5
    mask = np.zeros((height_px, width_px), dtype=bool)
    for centre_x, centre_y, radius in circles_px:
        mask |= np.hypot(x - centre_x, y - centre_y) <= radius
    return mask


def disc_picture(width_px, height_px, circles_px, seed=0):
    """Dark discs on bright, a little noisy ground."""
    dark = disc_mask(width_px, height_px, circles_px)[..., None]
    noise = np.random.default_rng(seed).integers(-12, 13, (height_px, width_px, 3))
    return (np.where(dark, DARK, BRIGHT) + noise).astype(np.uint8)


class DarkDiscs(nn.Module):
    """In the place of CircleNet: finds dark discs of one radius, in pixels of windows of one side.

    Windows that are shown larger or smaller have larger or smaller discs.
    """

    def __init__(self, radius_px, side_px):
        super().__init__()
        self.radius, self.side = radius_px / STRIDE, side_px
        self.steepness = nn.Parameter(torch.tensor(40.0))

    def forward(self, images):
        radius = self.radius * images.shape[-1] / self.side
        side = 2 * int(radius) + 1
        disc = torch.from_numpy(disc_mask(side, side, [(side / 2, side / 2, radius)])).float()[None, None]
        dark = functional.avg_pool2d((images.mean(dim=1, keepdim=True) < 0.5).float(), STRIDE)
        covered = functional.conv2d(dark, disc / disc.sum(), padding=side // 2)
        centre = self.steepness * (covered - 0.8)
        return Maps(centre, torch.full_like(centre, radius), torch.full_like(centre, 0.5).repeat(1, 2, 1, 1))


class DarkPixels(nn.Module):
    """In the place of the segmenter: dark pixels are glomerulus."""

    def __init__(self):
        super().__init__()
        self.steepness = nn.Parameter(torch.tensor(20.0))

    def forward(self, images):
        return self.steepness * (0.5 - images.mean(dim=1, keepdim=True))


class DarkTiles(nn.Module):
    """In the place of a tile network: a tile shows spikes where even its brightest pixel is dark."""

    def __init__(self):
        super().__init__()
        self.steepness = nn.Parameter(torch.tensor(20.0))

    def forward(self, pictures, boxes):
        return self.steepness * (0.5 - cut(pictures, boxes).amax(dim=(1, 2, 3)))


def model(kind, network, mpp, input_px, thresholds):
    """A network as a loaded model."""
    said = DRAFT.model_dump() | {
        "kind": kind, "architecture": "resnet18", "mpp": mpp, "input_px": input_px,
        "thresholds": thresholds, "normalisation": PLAIN,
    }  # fmt: skip
    return Model(network.eval(), Card(**said, sha256="0" * 64), torch.device("cpu"))


def write_samples(folder, rows):
    """A `samples.csv` of rows that name the same columns; pictures among their values become PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "samples.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        for number, row in enumerate(rows):
            table.writerow({column: _cell(folder, number, column, value) for column, value in row.items()})
    return folder / "samples.csv"


def _cell(folder, number, column, value):
    if not isinstance(value, np.ndarray):
        return value
    name = f"{column}-{number}.png"
    cv2.imwrite(str(folder / name), value[..., ::-1] if value.ndim == 3 else value.astype(np.uint8) * 255)
    return name


def write_disc_samples(folder: Path, mpp=4.0, splits=("train", "train", "val", "test")) -> Path:
    """Pictures of 160 x 160 px with two discs each, every one of another patient."""
    rows = []
    for number, split in enumerate(splits):
        x, y, radius = 50.0 + 5 * number, 110.0, 24.0 + number
        circles = [(x, 40.0, radius), (105.0, y, radius)]
        rows.append({
            "image": disc_picture(160, 160, circles, number), "mpp": mpp,
            "mask": disc_mask(160, 160, circles), "patient": f"p{number}", "split": split,
        })  # fmt: skip
    return write_samples(folder, rows)
