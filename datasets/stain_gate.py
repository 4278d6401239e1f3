"""Not data: the gate that knows a stain, fitted to public tissue, to conversions of it, and to phantoms.

    python -m datasets.stain_gate PUBLIC PHANTOMS weights/stain.json [--seed 1]

PUBLIC is what `public_samples.py` wrote, PHANTOMS a folder of `glomspike phantom`. Of each training picture
the gate learns crops as they are and under other lamps and cameras, and crops converted to every stain by
exchanging dyes in optical density. Silver is called from the lowest probability of a silver picture of a
validation patient, from one half at most. `stain-patches` are few and each of another stain, so they are also
judged by gates that learnt from all but one of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from warnings import catch_warnings, simplefilter

import click
import cv2
import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from glomspike.findings import RGB, STAINS, Scores, StainName
from glomspike.gates.colours import MPP, at_measuring_scale, stain_colours
from glomspike.gates.stain import SILVER, StainGate
from glomspike.learn.augmentation import Rng, compressed, lit, stained_as
from glomspike.learn.samples import Sample, read_samples
from glomspike.networks.weights import Metric, TrainingData
from glomspike.slide.field import read_field
from glomspike.slide.reader import open_slide, read_picture

SIDES_PX = (120, 240)  # of crops
HIDDEN, DECAY, ROUNDS = 24, 3.0, 300
HIGHEST_THRESHOLD = 0.5
COARSER = (0.35, 1.3)  # factors of sampling; above 1 a picture stays as it is
CROPS_OF_LOST_SCALE = 50
LOST_MPP = 1.0

Dyes = tuple[str, str, str]

TABLES: dict[str, StainName] = {
    "pas-fields": "PAS", "hubmap-lowmag": "PAS", "pas-crops": "PAS", "he-fields": "H&E",
    "vegf-fields": "immuno", "stain-patches": "immuno",
}  # fmt: skip
PATCHES: dict[str, StainName] = {
    "stain-01": "H&E", "stain-02": "PAS", "stain-03": "silver", "stain-32": "other",
}  # fmt: skip
# What tissue of a stain was dyed with.
OWN_DYES: dict[StainName, tuple[str, str]] = {
    "PAS": ("haematoxylin", "schiff magenta"),
    "H&E": ("haematoxylin", "eosin"),
    "immuno": ("haematoxylin", "diaminobenzidine"),
}
# What a stain is made of: the dyes where haematoxylin was, where the other stain was, and elsewhere.
DYES: dict[StainName, tuple[Dyes, ...]] = {
    "silver": (
        ("haematoxylin", "silver", "pink eosin"),
        ("pink eosin", "silver", "haematoxylin"),
        ("blue haematoxylin", "silver", "eosin"),
        ("purple", "brown silver", "eosin"),
        ("light green", "silver", "light green"),
        ("blue haematoxylin", "silver", "blue haematoxylin"),
        ("purple", "silver", "purple"),
    ),
    "PAS": (
        ("haematoxylin", "schiff magenta", "pink eosin"),
        ("blue haematoxylin", "schiff magenta", "schiff magenta"),
    ),
    "H&E": (
        ("haematoxylin", "eosin", "pink eosin"),
        ("purple", "pink eosin", "eosin"),
        ("blue haematoxylin", "pink eosin", "pink eosin"),
    ),
    "trichrome": (
        ("haematoxylin", "aniline blue", "biebrich scarlet"),
        ("biebrich scarlet", "aniline blue", "haematoxylin"),
        ("biebrich scarlet", "light green", "orange"),
        ("haematoxylin", "light green", "biebrich scarlet"),
    ),
    "immuno": (
        ("haematoxylin", "diaminobenzidine", "diaminobenzidine"),
        ("blue haematoxylin", "diaminobenzidine", "diaminobenzidine"),
        ("blue haematoxylin", "diaminobenzidine", "blue haematoxylin"),
        ("blue haematoxylin", "biebrich scarlet", "blue haematoxylin"),
    ),
    "other": (("orange", "sirius red", "orange"),),
}
# Crops of each picture: as its own stain, and of each stain that it is converted to.
OWN_CROPS, CONVERTED = 4, 2
MORE_CONVERTED: dict[StainName, int] = {"silver": 6, "H&E": 4}


@dataclass(frozen=True, eq=False)
class Tissue:
    """A picture at the measuring scale, its stain, its table and name, and whether it is to validate."""

    pixels: RGB
    stain: StainName
    table: str
    name: str
    validates: bool


@dataclass(frozen=True, eq=False)
class Rows:
    """Colours (n, colours) with their stains (n,), of pictures of these names (n,), whole or cropped."""

    colours: Scores
    stains: np.ndarray
    names: np.ndarray
    validates: np.ndarray
    converted: np.ndarray
    whole: np.ndarray


def tissue(public: Path, phantoms: Path, rng: Rng) -> Iterator[Tissue]:
    """All pictures to learn from and to validate on."""
    for table, stain in TABLES.items():
        samples = [one for one in read_samples([public / table / "samples.csv"]) if one.split != "test"]
        if table == "pas-crops":
            samples = [samples[i] for i in rng.choice(len(samples), CROPS_OF_LOST_SCALE, replace=False)]
        for sample in samples:
            pixels = at_measuring_scale(read_picture(sample.image), sample.mpp or LOST_MPP)
            own = PATCHES.get(sample.image.stem, stain)
            yield Tissue(pixels, own, table, sample.image.stem, sample.split == "val")
    for sample in read_samples([phantoms / "samples.csv"]):
        yield Tissue(phantom(sample), SILVER, "phantoms", sample.image.stem, sample.split == "val")


def phantom(sample: Sample) -> RGB:
    """The upper part of a phantom slide."""
    with open_slide(sample.image, sample.mpp) as slide:
        facts = slide.facts
        width_px = min(400, int(facts.width0 * facts.mpp.x / MPP))
        height_px = min(250, int(facts.height0 * facts.mpp.y / MPP))
        return read_field(slide, 0, 0, width_px, height_px, MPP).pixels


def rows_of(pictures: Sequence[Tissue], rng: Rng) -> Rows:
    """The colours of crops of all pictures, in their stain and in others."""
    found: list[tuple[Scores, StainName, str, bool, bool, bool]] = []

    def add(one: Tissue, crop: RGB, stain: StainName, *, converted: bool) -> None:
        colours = stain_colours([crop])
        if colours is not None:
            found.append((colours, stain, one.name, one.validates, converted, crop is one.pixels))

    for one in pictures:
        add(one, one.pixels, one.stain, converted=False)
        for _ in range(3 * OWN_CROPS if one.table == "stain-patches" else OWN_CROPS):
            add(one, as_another_camera(cropped(one.pixels, rng), rng), one.stain, converted=False)
        if one.stain not in OWN_DYES or one.table == "phantoms":
            continue
        for stain, dyes in DYES.items():
            for _ in range(MORE_CONVERTED.get(stain, CONVERTED)):
                names = dyes[rng.integers(len(dyes))]
                crop = stained_as(cropped(one.pixels, rng), names, rng, OWN_DYES[one.stain])
                add(one, as_another_camera(crop, rng), stain, converted=True)
    columns = list(zip(*found, strict=True))
    return Rows(np.array(columns[0]), *(np.array(column) for column in columns[1:]))


def cropped(pixels: RGB, rng: Rng) -> RGB:
    """A square anywhere in a picture."""
    height_px, width_px = pixels.shape[:2]
    side_px = min(height_px, width_px, int(rng.integers(*SIDES_PX)))
    top, left = rng.integers(height_px - side_px + 1), rng.integers(width_px - side_px + 1)
    return np.ascontiguousarray(pixels[top : top + side_px, left : left + side_px])


def as_another_camera(pixels: RGB, rng: Rng) -> RGB:
    """The picture under another lamp, sampled more coarsely at times, with noise and JPEG."""
    factor = rng.uniform(*COARSER)
    if factor < 1:
        pixels = np.asarray(cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA))
    return compressed(lit(pixels, rng), rng)


def fitted(rows: Rows, chosen: np.ndarray, seed: int) -> tuple[StandardScaler, MLPClassifier]:
    """The network fitted to some rows; pictures that were not converted count twice."""
    index = np.flatnonzero(chosen)
    index = np.concatenate([index, index[~rows.converted[index]]])
    scaler = StandardScaler().fit(rows.colours[index])
    network = MLPClassifier((HIDDEN,), alpha=DECAY, max_iter=ROUNDS, random_state=seed, solver="lbfgs")
    with catch_warnings():
        simplefilter("ignore")  # it stops early, on purpose
        network.fit(scaler.transform(rows.colours[index]), rows.stains[index])
    return scaler, network


def silver_of(scaler: StandardScaler, network: MLPClassifier, colours: Scores) -> Scores:
    """The probability of silver (n,)."""
    column = list(network.classes_).index(SILVER)
    return np.asarray(network.predict_proba(scaler.transform(colours))[:, column])


def left_out(rows: Rows, name: str, seed: int) -> Scores:
    """The probability of silver of a picture's own crops, by a gate that did not learn from it."""
    model = fitted(rows, rows.names != name, seed)
    return silver_of(*model, rows.colours[(rows.names == name) & ~rows.converted])


def metrics(rows: Rows, silver: Scores, threshold: float, seed: int) -> tuple[Metric, ...]:
    """How the gate does on validation patients, and on stain-patches left out one by one."""
    judged = rows.validates & ~rows.converted
    is_silver = rows.stains == SILVER
    names = sorted({str(name) for name in rows.names if str(name).startswith("stain-")})
    each = {name: left_out(rows, name, seed) for name in names}
    for name, found in each.items():
        print(f"{name}: {PATCHES.get(name, 'immuno')}, silver {found[0]:.3f}, crops {found.mean():.3f}")
    of_patches = np.concatenate(list(each.values()))
    are_silver = np.concatenate([np.full(len(p), PATCHES.get(n) == SILVER) for n, p in each.items()])
    own_silver = judged & is_silver & rows.whole
    refused = float((silver[own_silver] < threshold).mean())
    return (
        Metric(
            name="auc_silver",
            value=float(roc_auc_score(is_silver[judged], silver[judged])),
            data="crops of validation patients: PAS, H&E and phantoms",
            n=int(judged.sum()),
        ),
        Metric(
            name="refused_silver",
            value=refused,
            data="validation phantoms",
            n=int(own_silver.sum()),
        ),
        Metric(
            name="auc_silver",
            value=float(roc_auc_score(are_silver, of_patches)),
            data="crops of stain-patches, each excluded from training in turn",
            n=len(of_patches),
        ),
    )


@click.command()
@click.argument("public", type=click.Path(path_type=Path))
@click.argument("phantoms", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--seed", type=int, default=1, show_default=True)
def main(public: Path, phantoms: Path, out: Path, seed: int) -> None:
    """Fit the gate and write its card."""
    rng = np.random.default_rng(seed)
    pictures = list(tissue(public, phantoms, rng))
    rows = rows_of(pictures, rng)
    print(f"{len(rows.stains)} crops of {len(pictures)} pictures")
    scaler, network = fitted(rows, ~rows.validates, seed)
    silver = silver_of(scaler, network, rows.colours)
    least = silver[rows.validates & rows.whole & (rows.stains == SILVER)].min()
    threshold = round(min(float(least), HIGHEST_THRESHOLD), 4)
    columns = [list(network.classes_).index(name) for name in STAINS]
    weights, offsets = network.coefs_, network.intercepts_
    gate = StainGate(
        name="glomspike stain gate",
        version="1",
        mean=numbers(scaler.mean_),
        scale=numbers(scaler.scale_),
        hidden=tuple(numbers(row) for row in weights[0]),
        hidden_offset=numbers(offsets[0]),
        out=tuple(numbers(row[columns]) for row in weights[1]),
        out_offset=numbers(offsets[1][columns]),
        silver_from=threshold,
        training_data=tuple(learnt_from(pictures, public, phantoms)),
        metrics=metrics(rows, silver, threshold, seed),
        intended_use="research: distinguishing silver-stained kidney tissue from other stains",
        limits="trichrome and most silver were learnt from tissue converted by computation and from phantoms",
        licence="Apache-2.0 as far as the licences of the training data allow",
    )
    out.write_text(gate.model_dump_json() + "\n", encoding="utf-8")
    print(f"silver from {threshold}; {[(one.data, round(one.value, 4)) for one in gate.metrics]}")


def numbers(values: np.ndarray) -> tuple[float, ...]:
    """Numbers as a card has them."""
    return tuple(float(f"{value:.5g}") for value in values)


def learnt_from(pictures: Sequence[Tissue], public: Path, phantoms: Path) -> Iterator[TrainingData]:
    """What a card says of the training pictures."""
    for table in [*TABLES, "phantoms"]:
        folder = phantoms if table == "phantoms" else public / table
        count = sum(one.table == table and not one.validates for one in pictures)
        yield TrainingData(name=table, licence=(folder / "licence.txt").read_text().strip(), images=count)


if __name__ == "__main__":
    main()
