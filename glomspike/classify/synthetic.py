"""Synthetic tiles with spikes as MSA-MIL learns from them: in a view like any other, and not too many."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glomspike.classify.synthesis.folder import Manifest, read_manifest
from glomspike.classify.tiles import Tiling
from glomspike.classify.views import LEAST_SCALE, MOST_SCALE, varied, view_side_px
from glomspike.errors import SamplesError, SlideError
from glomspike.findings import RGB
from glomspike.learn.augmentation import Rng, warped
from glomspike.learn.samples import Sample
from glomspike.networks.weights import TrainingData
from glomspike.slide.reader import read_picture


@dataclass(frozen=True, eq=False)
class SyntheticTile:
    """A synthetic picture with a tile of spikes in its middle."""

    picture: RGB
    tile_px: int
    spiked = True

    def random_view(self, rng: Rng) -> tuple[RGB, NDArray[np.float32]]:
        """The tile in a square view, and its box in that (4,); as `view_of`, and always filled.

        It is not turned, since the generator has seen tissue in all directions, and corners of nothing, which
        no other view has, would give away what is synthetic.
        """
        view_px, side_px = view_side_px(self.tile_px), len(self.picture)
        least = max(LEAST_SCALE, view_px / side_px)
        scale = float(np.exp(rng.uniform(np.log(least), np.log(MOST_SCALE))))
        room_px = min(side_px * scale - view_px, view_px - self.tile_px) / 2
        middle = view_px / 2 + rng.uniform(-room_px, room_px, 2)
        matrix = np.column_stack([scale * np.eye(2), middle - scale * side_px / 2]).astype(np.float32)
        box = np.concatenate([middle - self.tile_px / 2, middle + self.tile_px / 2]).astype(np.float32)
        return varied(warped(self.picture, matrix, view_px, None), rng), box


@dataclass(frozen=True, eq=False)
class SyntheticSet:
    """The synthetic tiles of a folder, at most `share` of the spiked tiles of a round."""

    folder: Path
    manifest: Manifest
    tiles: tuple[SyntheticTile, ...]
    share: float

    def of_a_round(self, spiked: int, rng: Rng) -> list[SyntheticTile]:
        """As many as may join so many spiked tiles, drawn at random."""
        count = int(self.share / (1 - self.share) * spiked)
        return [self.tiles[i] for i in rng.permutation(len(self.tiles))[:count]]

    @property
    def signature(self) -> str:
        """A hash of pictures and share."""
        digest = hashlib.sha256(f"{self.share}".encode())
        for tile in self.tiles:
            digest.update(tile.picture.tobytes())
        return digest.hexdigest()

    @property
    def training_data(self) -> TrainingData:
        """What a card says of them: that they are synthetic, and what from."""
        origins, classifier = self.manifest.derived_from, self.manifest.classifier[:12]
        return TrainingData(
            name=f"synthetic spikes ({self.folder.resolve().name})",
            licence="; ".join(dict.fromkeys(origin.licence for origin in origins)),
            images=len(self.tiles),
            source=f"StyleGAN2-ADA, from tiles of {', '.join(origin.name for origin in origins)} in which "
            f"classifier {classifier} saw spikes",
        )


def picture_side_px(tile_px: int) -> int:
    """The side of synthetic pictures, a power of two: enough for the widest view."""
    return 1 << (int(np.ceil(view_side_px(tile_px) / LEAST_SCALE)) - 1).bit_length()


def load_synthetic(
    folder: Path, share: float, samples: Sequence[Sample], mpp: float, tiling: Tiling
) -> SyntheticSet:
    """The synthetic tiles that `glomspike augment` wrote, for a training on samples at `mpp` µm/px.

    Raises SamplesError where the folder holds none, or those of other tiles, or where they derive from a
    patient who is to be validated or tested on.
    """
    manifest = read_manifest(folder)
    if (manifest.tile_px, manifest.mpp) != (tiling.tile_px, mpp):
        cause = f"holds tiles of {manifest.tile_px} px at {manifest.mpp:g} µm/px"
        raise SamplesError(folder, cause, "make some with a classifier that uses the wanted tiles")
    held_out = {sample.patient for sample in samples if sample.split != "train"}
    shared = sorted(held_out & set(manifest.patients))
    if shared:
        cause = f"derives from {shared[0]}, who is in validation or test here"
        raise SamplesError(folder, cause, "keep the splits that it was made with")
    tiles = tuple(SyntheticTile(_read(folder / name), tiling.tile_px) for name in manifest.pictures)
    return SyntheticSet(folder, manifest, tiles, share)


def _read(path: Path) -> RGB:
    try:
        return read_picture(path)
    except SlideError as error:
        raise SamplesError(path, error.cause, "make the synthetic tiles again") from error
