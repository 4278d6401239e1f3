"""Unlabelled tissue: the pictures and slides of folders, and the patches of many scales cut from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glomspike.errors import SamplesError
from glomspike.findings import RGB
from glomspike.learn.augmentation import Rng, tissue_share
from glomspike.learn.samples import read_samples
from glomspike.networks.weights import TrainingData
from glomspike.slide.reader import MAX_MPP, open_slide

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".svs", ".ndpi", ".scn", ".mrxs", ".vms", ".svslide", ".bif"}
)
TABLE = "samples.csv"
FINEST_MPP, COARSEST_MPP = 0.25, 4.0
# Single crops have no scale. A guess serves, since patches are cut at all scales anyway.
GUESSED_MPP = 1.0
LEAST_TISSUE = 0.3
TRIES = 6


@dataclass(frozen=True)
class UnlabelledImage:
    """A picture or slide to look at; `mpp` is None where it records its scale, or none is known."""

    image: Path
    mpp: float | None


@dataclass(frozen=True)
class Source:
    """A folder and the pictures of it that may be learnt from."""

    folder: Path
    pictures: tuple[UnlabelledImage, ...]

    @property
    def training_data(self) -> TrainingData:
        """What a card says of the folder: its name, its pictures, the first line of its `licence.txt`."""
        licence = self.folder / "licence.txt"
        text = licence.read_text(encoding="utf-8").splitlines()[0] if licence.is_file() else "not stated"
        return TrainingData(name=self.folder.resolve().name, licence=text, images=len(self.pictures))


def find_source(folder: Path) -> Source:
    """The pictures of a folder: the training rows of its `samples.csv`, else all files in and below it.

    Validation and test patients of a table stay unseen. Raises SamplesError where there is nothing.
    """
    table = folder / TABLE
    if table.is_file():
        rows = [row for row in read_samples([table]) if row.split == "train"]
        pictures = [UnlabelledImage(row.image, row.mpp) for row in rows]
    else:
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        pictures = [UnlabelledImage(path, None) for path in paths]
    if not pictures:
        cause = "holds no picture or slide to learn from"
        raise SamplesError(folder, cause, "give a folder of pictures or slides, or one with a samples.csv")
    return Source(folder, tuple(pictures))


def cut_patches(source: Source, count: int, side_px: int, rng: Rng) -> list[RGB]:
    """At most `count` square patches of a source's tissue, as many of each picture, at random µm/px.

    Patches are (side_px, side_px, 3). Of a picture so blank that a few tries find no tissue there are
    fewer. Raises SlideError for a picture that cannot be read.
    """
    order = rng.permutation(len(source.pictures))
    shares = np.bincount(order[np.arange(count) % len(order)], minlength=len(order))
    patches: list[RGB] = []
    for picture, share in zip(source.pictures, shares, strict=True):
        if share:
            patches += _cut(picture, int(share), side_px, rng)
    return patches


def _cut(picture: UnlabelledImage, count: int, side_px: int, rng: Rng) -> list[RGB]:
    # A slide may not be as coarse as a few pictures are; here only the pixels count.
    with open_slide(picture.image, min(picture.mpp or GUESSED_MPP, MAX_MPP)) as slide:
        facts, slide_mpp = slide.facts, slide.facts.mpp.mean
        size0 = np.array([facts.bounds_width0, facts.bounds_height0])
        corner0 = np.array([facts.bounds_x0, facts.bounds_y0])
        largest_mpp = slide_mpp * size0.min() / side_px
        patches = []
        for _ in range(count):
            for _ in range(TRIES):
                drawn_mpp = np.exp(rng.uniform(np.log(FINEST_MPP), np.log(COARSEST_MPP)))
                # Never finer than the picture is, unless it is smaller than a patch.
                mpp = float(min(max(drawn_mpp, slide_mpp), largest_mpp))
                side0 = side_px * mpp / slide_mpp
                x0, y0 = corner0 + rng.uniform(0, 1, 2) * (size0 - side0)
                patch = slide.read(x0, y0, side0, side0, mpp)[:side_px, :side_px]
                if patch.shape[:2] == (side_px, side_px) and tissue_share(patch) >= LEAST_TISSUE:
                    patches.append(patch)
                    break
        return patches


def cut_all(sources: Sequence[Source], count: int, side_px: int) -> list[RGB]:
    """Patches (side_px, side_px, 3) of all sources, about `count`, as many of each; always the same ones.

    Equal shares keep a few real fields from drowning in many phantoms. Raises SamplesError for no tissue.
    """
    rng = np.random.default_rng(0)
    patches = [patch for s in sources for patch in cut_patches(s, count // len(sources), side_px, rng)]
    if not patches:
        folders = ", ".join(str(source.folder) for source in sources)
        raise SamplesError(folders, "no tissue found in the pictures", "give pictures of stained tissue")
    return [patches[i] for i in rng.permutation(len(patches))]
