"""Fields with globally sclerosed glomeruli in four stains, composed from crops, to measure a detector on.

    python -m datasets.composed_fields PUBLIC PHANTOMS OUT [--fields 24] [--seed 1]

PUBLIC is what `public_samples.py` wrote, PHANTOMS a folder of `glomspike phantom`. OUT gets
`composed-STAIN/samples.csv`, for PAS, H&E, trichrome and silver: sclerosed PAS crops, 60 to 150 µm wide, and
others of 150 to 250 µm, set into fields of the same split, whose glomeruli stay. H&E is real tissue, to whose
optical densities the crops are brought; trichrome is computed from PAS; in silver the tissue is phantoms' and
the crops are stained by computation. Sclerosed and other glomeruli have their lesion in ImageScope's layers.
Splits are "test" and, where there is tissue of it, "val"; nothing of either is trained on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import cv2
import numpy as np

from datasets.public_samples import LESIONS, PAS_CROPS_LICENCE, Row, write_rows
from glomspike.annotate.layers import Region, RegionType
from glomspike.detect.compose import set_in
from glomspike.detect.cut import outline_of
from glomspike.findings import RGB, Points
from glomspike.learn.augmentation import Rng, stained_as, tissue_share
from glomspike.learn.samples import Split, in_split, read_samples
from glomspike.learn.truth import Picture, load_pictures

MPP = 2.0
SIDE_PX = 320
CROPS = {"GS": "pas-crops-sclerosed", "nonGS": "pas-crops"}
SIZES_UM = {"GS": (60.0, 150.0), "nonGS": (150.0, 250.0)}
MOST = {"GS": 4, "nonGS": 1}
GAP = 1.15  # of the sum of two radii
TRIES = 60
LEAST_TISSUE = 0.6
LEAST_INSIDE = 0.3  # of an outline's points, for what is left of a glomerulus to count
GLASS = 245
PAS_DYES = ("haematoxylin", "schiff magenta")
Dyes = tuple[str, str, str]


@dataclass(frozen=True)
class Stain:
    """Where a stain's tissue comes from in each split; the dyes of crops and of whole fields, if new.

    No table's name means phantoms. Crops come as near to the tissue's colours as `alike` says.
    """

    tissue: dict[Split, str | None]
    crops: Dyes | None = None
    fields: Dyes | None = None
    alike: float = 0.0


# Only one slide of PAS fields is not trained on.
STAINS = {
    "pas": Stain({"test": "pas-fields"}),
    "he": Stain(
        {"val": "he-fields", "test": "he-fields"}, ("haematoxylin", "pink eosin", "pink eosin"), alike=0.9
    ),
    "trichrome": Stain({"test": "pas-fields"}, fields=("biebrich scarlet", "aniline blue", "haematoxylin")),
    "silver": Stain({"val": None, "test": None}, ("purple", "silver", "pink eosin")),
}


@click.command()
@click.argument("public", type=click.Path(path_type=Path))
@click.argument("phantoms", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--fields", default=24, show_default=True, help="How many of each stain and split.")
@click.option("--seed", default=1, show_default=True, help="Another seed, other fields.")
def main(public: Path, phantoms: Path, out: Path, fields: int, seed: int) -> None:
    """Compose fields of four stains."""
    for number, (name, stain) in enumerate(STAINS.items()):
        rows: list[Row] = []
        for split, source in stain.tissue.items():
            rng = np.random.default_rng([seed, number, split == "test"])
            tissue = _pictures(public / source if source else phantoms, split, MPP)
            crops = {kind: _pictures(public / table, split, None) for kind, table in CROPS.items()}
            rows += composed_fields(stain, split, tissue, crops, fields, rng)
        print(f"{name}: {write_rows(out / f'composed-{name}', rows, PAS_CROPS_LICENCE)} fields")


def composed_fields(
    stain: Stain,
    split: Split,
    tissue: Sequence[Picture],
    crops: dict[str, list[Picture]],
    count: int,
    rng: Rng,
) -> Iterator[Row]:
    """So many fields out of a split's tissue and its crops of each kind."""
    for number in range(count):
        picture = tissue[int(rng.integers(len(tissue)))]
        pixels, outlines = _field(picture, stain, crops, rng)
        lesions = {LESIONS[kind]: tuple(_regions(regions)) for kind, regions in outlines.items()}
        drawn = tuple(region for regions in lesions.values() for region in regions)
        patient, stem = picture.sample.patient, f"{split}-{number}"
        yield Row(stem, pixels, None, MPP, patient, split, drawn, lesions=lesions)


def _pictures(folder: Path, split: Split, mpp: float | None) -> list[Picture]:
    return load_pictures(in_split(read_samples([folder / "samples.csv"]), split), mpp)


def _field(
    picture: Picture, stain: Stain, crops: dict[str, list[Picture]], rng: Rng
) -> tuple[RGB, dict[str, list[Points]]]:
    """A square of tissue with crops set in, and the outlines of what is on it by kind."""
    pixels, there = _square(picture, rng)
    outlines: dict[str, list[Points]] = {"GS": [], "nonGS": there}
    for kind, regions in crops.items():
        for _ in range(rng.integers(1, MOST[kind] + 1)):
            radius_px = rng.uniform(*SIZES_UM[kind]) / 2 / MPP
            taken = [line for lines in outlines.values() for line in lines]
            if (centre := _room(pixels, taken, radius_px, rng)) is None:
                continue
            crop = regions[int(rng.integers(len(regions)))]
            if stain.crops is not None:
                dyed = stained_as(crop.pixels, stain.crops, rng, PAS_DYES)
                crop = Picture(crop.sample, dyed, None, crop.truth)
            known = set_in(pixels, crop, centre, radius_px, rng, alike=stain.alike)
            outlines[kind].append(known.outline_px)
    shown = pixels if stain.fields is None else stained_as(pixels, stain.fields, rng, PAS_DYES)
    return shown, outlines


def _square(picture: Picture, rng: Rng) -> tuple[RGB, list[Points]]:
    """A square of a picture, with glass where that ends, and the outlines of the glomeruli on it."""
    height_px, width_px = picture.pixels.shape[:2]
    beyond = (0, max(0, SIDE_PX - height_px)), (0, max(0, SIDE_PX - width_px)), (0, 0)
    whole = np.pad(picture.pixels, beyond, constant_values=GLASS)
    for _ in range(TRIES):
        x = int(rng.integers(whole.shape[1] - SIDE_PX + 1))
        y = int(rng.integers(whole.shape[0] - SIDE_PX + 1))
        pixels = whole[y : y + SIDE_PX, x : x + SIDE_PX].copy()
        if tissue_share(pixels) > LEAST_TISSUE:
            break
    there = [outline_of(glomerulus) - (x, y) for glomerulus in picture.truth.glomeruli]
    kept = [o for o in there if ((o > 0) & (o < SIDE_PX)).all(axis=1).mean() > LEAST_INSIDE]
    return pixels, [np.clip(outline, 0, SIDE_PX) for outline in kept]


def _room(pixels: RGB, taken: Sequence[Points], radius_px: float, rng: Rng) -> Points | None:
    """The middle of a place in tissue that is clear of the outlines there; None where none is found."""
    circles = [cv2.minEnclosingCircle(outline.astype(np.float32)) for outline in taken]
    for _ in range(TRIES):
        centre = np.asarray(rng.uniform(radius_px, SIDE_PX - radius_px, 2), np.float64)
        (left, top), (right, bottom) = (centre - radius_px).astype(int), (centre + radius_px).astype(int)
        is_clear = all(np.hypot(*(centre - middle)) > GAP * (radius_px + r) for middle, r in circles)
        if is_clear and tissue_share(pixels[top:bottom, left:right]) > LEAST_TISSUE:
            return centre
    return None


def _regions(outlines: Sequence[Points]) -> Iterator[Region]:
    for outline in outlines:
        yield Region(RegionType.POLYGON, outline)


if __name__ == "__main__":
    main()
