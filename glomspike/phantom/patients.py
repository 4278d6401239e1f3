"""Phantom patients: one latent disease gives glomeruli in silver, fluorescence and electron micrographs.

Laboratory, stain, exposure, scale, number of pictures and every fault of them are drawn without regard to the
disease. Each patient's folder holds the pictures, each with its truth as JSON beside it, and `patient.json`.
"""

import csv
import json
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glomspike.findings import RGB
from glomspike.modalities import SILVER, Modality
from glomspike.phantom.curves import blob, resample
from glomspike.phantom.fluorescence import Binding, draw_fluorescence
from glomspike.phantom.glomerulus import GlomerulusPlan, Habit, tuft_outline
from glomspike.phantom.laboratories import OF_SPLIT, Laboratory
from glomspike.phantom.latents import Latent, OmFinding, TemFinding, draw_latent
from glomspike.phantom.oracle import Oracle
from glomspike.phantom.other_stains import sample_stain
from glomspike.phantom.paint import Painter
from glomspike.phantom.scanner import Scanner
from glomspike.phantom.slides import LICENCE, visible_on_slide
from glomspike.phantom.spikes import Lesion, only
from glomspike.phantom.stain import Stain
from glomspike.phantom.tem import draw_micrograph
from glomspike.phantom.tem_deposits import DepositPattern
from glomspike.phantom.tissue import plan_tissue
from glomspike.phantom.tuft import Anatomy, cut_tuft
from glomspike.results.png import write_grey, write_rgb

SHARES = {"train": 0.6, "val": 0.15, "test": 0.25}
FIELD_UM = 250.0  # side of a picture of light microscopy
ROOM_UM = 400.0  # side of the tissue that is planned for it
ANOTHER_STAIN = 0.3  # share of patients with a picture in PAS too
POPULATION = 4000  # patients on whom the oracle is measured
COLUMNS = (
    "image",
    "mpp",
    "mask",
    "modality",
    "marker",
    "grade",
    "site",
    "deposits",
    "patient",
    "disease",
    "stage",
    "split",
)


@dataclass(frozen=True)
class PatientOrder:
    """A phantom patient to make: number, split, laboratory, and the seed that decides all else."""

    number: int
    split: str
    laboratory: int
    seed: int

    @property
    def name(self) -> str:
        """The patient's name, and that of the folder."""
        return f"patient-{self.number:04d}"

    def latent(self) -> Latent:
        """What the patient has."""
        return draw_latent(np.random.default_rng([self.seed, 1, self.number]))


@dataclass(frozen=True)
class MadeImage:
    """A row of the tables."""

    image: str
    mpp: float
    modality: Modality
    marker: str
    mask: str = ""
    deposits: str = ""
    grade: str = ""
    site: str = ""


def orders_of(patients: int, seed: int) -> tuple[PatientOrder, ...]:
    """So many patients with their splits and laboratories."""
    rng = np.random.default_rng([seed, 2])
    train, val = (round(SHARES[split] * patients) for split in ("train", "val"))
    splits = ["train"] * train + ["val"] * val + ["test"] * (patients - train - val)
    order = rng.permutation(patients)
    found = []
    for number in range(1, patients + 1):
        split = splits[int(order[number - 1])]
        found.append(PatientOrder(number, split, int(rng.choice(OF_SPLIT[split])), seed))
    return tuple(found)


def write_patients(folder: Path, patients: int, seed: int, workers: int) -> Iterator[str]:
    """Makes patients in `folder` with truth and tables; yields each one's name when done.

    `samples.csv` is for training and evaluation, `cases.csv` for `glomspike cases`; `oracle.json` says how
    well diseases can be known from what is found. The same arguments give the same files, whatever the number
    of processes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    orders = orders_of(patients, seed)
    fresh = multiprocessing.get_context("spawn")
    made: list[tuple[PatientOrder, list[MadeImage]]] = []
    with ProcessPoolExecutor(min(workers, patients), mp_context=fresh) as pool:
        for order, images in zip(orders, pool.map(write_patient, orders, [folder] * patients), strict=True):
            made.append((order, images))
            yield order.name
    _write_tables(folder, made)
    _write_oracle(folder, orders, seed)


def write_patient(order: PatientOrder, folder: Path) -> list[MadeImage]:
    """Makes one patient in `folder`; returns the rows of the tables."""
    cv2.setNumThreads(1)
    place = folder / order.name
    place.mkdir(exist_ok=True)
    latent, laboratory = order.latent(), Laboratory.of(order.seed, order.laboratory)
    rng = np.random.default_rng([order.seed, 3, order.number])
    anatomy = _anatomy(rng, latent.om)
    om_rng, if_rng, tem_rng = rng.spawn(3)
    images = [
        *_write_om(om_rng, place, latent.om, anatomy, laboratory),
        *_write_if(if_rng, place, latent, anatomy, laboratory),
        *_write_tem(tem_rng, place, latent.micrographs, laboratory),
    ]
    _write_json(place / "patient.json", _truth(order, latent))
    return images


def _truth(order: PatientOrder, latent: Latent) -> dict[str, Any]:
    return {
        "patient": order.name,
        "split": order.split,
        "laboratory": order.laboratory,
        "disease": latent.disease,
        "stage": latent.stage,
        "variety": latent.variety.name,
        "evidence": round(latent.evidence, 3),
        "om": vars(latent.om),
        "if": [vars(one) for one in latent.stains],
        "tem": [{"places": list(one.places), "stage": one.stage} for one in latent.micrographs],
    }


def _anatomy(rng: np.random.Generator, om: OmFinding) -> Anatomy:
    """The patient's glomeruli, as what light microscopy finds asks for."""
    drawn = Anatomy.sample(rng)
    wall_um = {
        "thin": float(np.clip(rng.lognormal(0.1, 0.25), 0.65, 1.5)),
        "thick": rng.uniform(1.7, 2.5),
        "wire": rng.uniform(1.8, 2.6),
    }[om.wall]
    return replace(
        drawn,
        membrane_um=wall_um,
        roughness=rng.uniform(0.28, 0.42) if om.wall == "wire" else drawn.roughness,
        matrix_um=rng.uniform(3.0, 5.5) if om.wide_mesangium else rng.uniform(0.6, 2.4),
    )


def _lesion(rng: np.random.Generator, om: OmFinding, blur_um: float) -> Lesion | None:
    """The spikes that light microscopy finds, None where it finds none."""
    if om.spiking == "none":
        return None
    extent = float(rng.choice([1.0, rng.uniform(0.35, 1.0)], p=[0.6, 0.4]))
    joined = 1.0 if om.spiking == "joined" else 0.0
    return replace(Lesion.sample(rng, blur_um), extent=extent, joined=joined)


def _write_om(
    rng: np.random.Generator, place: Path, om: OmFinding, anatomy: Anatomy, laboratory: Laboratory
) -> Iterator[MadeImage]:
    """A glomerulus in silver, in some patients another in PAS."""
    habit = Habit.sample(rng)
    cells = rng.uniform(1.5, 2.4) if om.cellular else rng.uniform(0.5, 1.2)
    habit = replace(habit, anatomy=anatomy, podocytes=cells)
    stains = [(SILVER, laboratory.stain)]
    if rng.random() < ANOTHER_STAIN:
        stains.append(("pas", sample_stain(rng, "pas")))
    for number, (marker, stain) in enumerate(stains, start=1):
        scanner = laboratory.scanner
        lesion = _lesion(rng, om, scanner.blur_um)
        picture, truth = _glomerulus(rng, habit, lesion, stain, scanner)
        name = f"om-{number}-{marker}"
        write_picture(place / f"{name}.png", picture, scanner.mpp)
        write_grey(place / f"{name}-mask.png", _mask(truth["outline_px"], picture.shape[:2]))
        _write_json(place / f"{name}.json", {**truth, "marker": marker, "finding": vars(om)})
        mask = f"{place.name}/{name}-mask.png"
        yield MadeImage(f"{place.name}/{name}.png", scanner.mpp, "om", marker, mask)


def _glomerulus(
    rng: np.random.Generator, habit: Habit, lesion: Lesion | None, stain: Stain, scanner: Scanner
) -> tuple[RGB, dict[str, Any]]:
    """The picture of a glomerulus amid its tissue, and its truth."""
    plan = plan_tissue(rng, ROOM_UM, ROOM_UM, 1, lesion, habit)
    while not plan.glomeruli:
        plan = plan_tissue(rng, ROOM_UM, ROOM_UM, 1, lesion, habit)
    (glomerulus,) = plan.glomeruli
    painter = Painter(plan, stain, scanner, int(rng.integers(2**31)))
    side = round(FIELD_UM / scanner.mpp)
    middle = glomerulus.capsule_um.mean(axis=0) + rng.uniform(-12, 12, size=2)
    corner = np.round(middle / scanner.mpp - side / 2).astype(int)
    picture = painter.block(int(corner[0]), int(corner[1]), side, side)
    return picture, _om_truth(painter, glomerulus, corner, scanner)


def _mask(outline_px: list[list[float]], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """0 / 255 (height, width): the glomerulus."""
    mask = np.zeros(shape, dtype=np.uint8)
    cv2.fillPoly(mask, [np.rint(np.array(outline_px)).astype(np.int32)], 255)
    return mask


def _om_truth(
    painter: Painter, glomerulus: GlomerulusPlan, corner_px: NDArray[np.int_], scanner: Scanner
) -> dict[str, Any]:
    visible = only(glomerulus.growth, visible_on_slide(painter, glomerulus))
    membrane_um = max(glomerulus.membrane_um, 1.0)
    return {
        "mpp": scanner.mpp,
        "outline_px": np.round(glomerulus.capsule_um[::8] / scanner.mpp - corner_px, 1).tolist(),
        "spiked": glomerulus.spiked,
        "spiked_share": round(min(visible.length_um / membrane_um, 1.0), 4),
        "spikes_px": np.round(visible.places_um / scanner.mpp - corner_px, 1).tolist(),
    }


def _write_if(
    rng: np.random.Generator, place: Path, latent: Latent, anatomy: Anatomy, laboratory: Laboratory
) -> Iterator[MadeImage]:
    """One glomerulus, serial sections of which are stained for each antibody."""
    dense = replace(
        anatomy,
        crowding=max(anatomy.crowding, 0.8),
        lobule_um=min(anatomy.lobule_um, 36.0),
        apart_um=min(anatomy.apart_um, 0.6),
        loop_um=float(np.clip(anatomy.loop_um, 3.0, 4.6)),
        matrix_um=max(anatomy.matrix_um, 2.4),
        membrane_um=min(anatomy.membrane_um, 1.6),
    )
    radius_um = rng.uniform(82, 112)
    capsule = resample(blob(rng, radius_um, 0.06) * rng.uniform(0.88, 1.1, size=2), 1.0)
    section = cut_tuft(rng, dense, tuft_outline(rng, capsule, np.zeros(2), radius_um), capsule, 0.0)
    coarse = float(np.clip(latent.variety.coarse + rng.normal(0, 0.12), 0, 1))
    patchy = float(np.clip(rng.normal(0.55 if latent.stage == 4 else 0.25, 0.12), 0, 1))
    for stain in latent.stains:
        binding = Binding(stain.grade, stain.site, coarse, patchy)
        drawn = draw_fluorescence(rng, laboratory.camera, section, capsule, binding)
        name = f"if-{stain.marker}"
        write_picture(place / f"{name}.jpg", drawn.picture, None, laboratory.camera.quality)
        _write_json(place / f"{name}.json", {**drawn.truth(), "marker": stain.marker})
        image = f"{place.name}/{name}.jpg"
        site = stain.site if stain.grade else ""
        yield MadeImage(image, drawn.mpp, "if", stain.marker, grade=str(stain.grade), site=site)


def _write_tem(
    rng: np.random.Generator, place: Path, findings: Sequence[TemFinding], laboratory: Laboratory
) -> Iterator[MadeImage]:
    """Micrographs, those without deposits alike for all diseases."""
    greys, membrane_um = laboratory.block(rng), float(np.clip(rng.normal(0.33, 0.05), 0.2, 0.48))
    for number, finding in enumerate(findings, start=1):
        shown = DepositPattern(finding.places, finding.stage, rng.uniform(0.3, 1.0))
        effaced = float(rng.choice([0.0, rng.uniform(0, 0.15), rng.uniform(0.15, 0.7)], p=[0.4, 0.35, 0.25]))
        drawn = draw_micrograph(rng, laboratory.microscope, greys, shown, membrane_um, effaced)
        name = f"tem-{number:02d}"
        write_picture(place / f"{name}.jpg", drawn.picture, None, laboratory.microscope.quality)
        stated = {
            "shows_deposits": bool(finding.places),
            "places": list(finding.places),
            "stage": finding.stage,
        }
        _write_json(place / f"{name}.json", {**stated, **drawn.truth()})
        deposits, mask = "yes" if finding.places else "no", ""
        if finding.places:
            mask = f"{place.name}/{name}-mask.png"
            write_grey(place / f"{name}-mask.png", drawn.places())
        image = f"{place.name}/{name}.jpg"
        yield MadeImage(image, laboratory.microscope.um_px, "tem", "", mask, deposits)


def write_picture(path: Path, picture: NDArray[np.uint8], mpp: float | None, quality: int = 95) -> None:
    """A picture (height, width) or (height, width, 3) as PNG with its scale, or as JPEG."""
    if path.suffix == ".png":
        write_rgb(path, picture, mpp)
    else:
        Image.fromarray(picture).save(path, quality=quality)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")


def _write_tables(folder: Path, made: Sequence[tuple[PatientOrder, list[MadeImage]]]) -> None:
    (folder / "licence.txt").write_text(LICENCE + "\n", encoding="utf-8")
    with (folder / "samples.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for order, images in made:
            latent = order.latent()
            patient = [order.name, latent.disease, latent.stage or "", order.split]
            for one in images:
                known = [one.marker, one.grade, one.site, one.deposits]
                writer.writerow([one.image, f"{one.mpp:g}", one.mask, one.modality, *known, *patient])
    with (folder / "cases.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["case", "image", "modality", "marker", "level", "block", "mpp"])
        for order, images in made:
            for one in images:
                mpp = "" if one.modality == "om" else f"{one.mpp:g}"  # slides say it themselves
                writer.writerow([order.name, one.image, one.modality, one.marker, "", "", mpp])


def _write_oracle(folder: Path, orders: Sequence[PatientOrder], seed: int) -> None:
    """What perfect reading would reach: on many patients as drawn, and on the test patients made."""
    oracle, rng = Oracle(), np.random.default_rng([seed, 4])
    population = [draw_latent(rng) for _ in range(POPULATION)]
    content: dict[str, Any] = {"population": {"patients": POPULATION, **oracle.quality(population)}}
    test = [order.latent() for order in orders if order.split == "test"]
    if len({latent.disease for latent in test}) == len({latent.disease for latent in population}):
        content["test"] = {"patients": len(test), **oracle.quality(test)}
    (folder / "oracle.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
