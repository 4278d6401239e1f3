"""Tables of patients with images of three modalities, whose diseases differ by simple shapes."""

import csv
from pathlib import Path

import cv2
import numpy as np

from glomspike.disease.form import Form

SMALL = Form(sides_px={"om": 64, "if": 64, "tem": 96}, mpps={"om": 3.0, "if": 3.0, "tem": 0.03})
COLUMNS = (
    *("image", "mpp", "modality", "marker", "patient", "disease", "stage", "split"),
    *("deposits", "mask", "grade", "site"),
)
DISEASES = ("IgAN", "LN", "MN")


def micrograph(disease: str, rng: np.random.Generator) -> np.ndarray:
    """Grey grain with a bright band, a membrane, and dark blobs on one side (MN), the other (LN), or far."""
    return marked_micrograph(disease, rng)[0]


def marked_micrograph(disease: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A micrograph with the mask of its blobs, which have the number of their place."""
    grey, mask = rng.normal(150, 8, (120, 120)), np.zeros((120, 120), np.uint8)
    grey[55:65] = 210
    row, place = {"MN": (48, 1), "LN": (72, 3), "IgAN": (105, 4)}[disease]
    for column in rng.choice(np.arange(12, 110, 14), 5, replace=False):
        cv2.circle(grey, (int(column), row), 5, 40, -1)
        cv2.circle(mask, (int(column), row), 5, place, -1)
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2), mask


def fluorescence(bright: bool, rng: np.random.Generator) -> np.ndarray:
    """A green disc, bright or hardly seen."""
    picture = np.zeros((80, 80, 3), np.uint8)
    picture[..., 1] = rng.integers(0, 12, (80, 80))
    if bright:
        cv2.circle(picture, (40, 40), 20, (0, int(rng.integers(120, 220)), 0), -1)
    return picture


def glomerulus(rng: np.random.Generator) -> np.ndarray:
    """A dark disc on white, the same for all."""
    picture = rng.integers(225, 250, (80, 80, 3)).astype(np.uint8)
    cv2.circle(picture, (40, 40), 22, (150, 90, 140), -1)
    return picture


def scored(patients: int = 12) -> dict[str, np.ndarray]:
    """What would be said of spikes of so many patients: the same of all."""
    return {f"patient {number}": np.full(6, 0.3, np.float32) for number in range(patients)}


def write_patients(
    folder: Path, patients: int = 12, micrographs: int = 3, diseases: tuple[str, ...] = DISEASES
) -> Path:
    """A table of patients, each disease in turn; the last of each is for testing, that before to validate.

    The first micrograph of each is said to show deposits, and a mask says where; the second to show none.
    Of the first antibody it is said how it binds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng, rows = np.random.default_rng(0), []
    for number in range(patients):
        disease = diseases[number % len(diseases)]
        group = number // len(diseases)
        split = ("train", "val", "test")[max(0, group - (patients // len(diseases) - 3))]
        stage = 1 + group % 4 if disease == "MN" else ""
        images = [("om", "silver", 2.5, glomerulus(rng))]
        for marker, disease_of in (("IgA", "IgAN"), ("IgG", "MN")):
            bright = disease in {disease_of, "LN"}
            images.append(("if", marker, 2.5, fluorescence(bright, rng)))
        marked = [marked_micrograph(disease, rng) for _ in range(micrographs)]
        images += [("tem", "", 0.02, pixels) for pixels, _ in marked]
        for image, (modality, marker, mpp, pixels) in enumerate(images):
            name = f"{number:02d}-{image}-{modality}.png"
            cv2.imwrite(str(folder / name), pixels[..., ::-1])
            stated = (disease, stage) if image == 0 else ("", "")
            deposits = {3: "yes", 4: "no"}.get(image, "")
            mask = f"{number:02d}-mask.png" if image == 3 else ""
            if mask:
                cv2.imwrite(str(folder / mask), marked[0][1])
            bright = marker == "IgA" and disease != "MN"
            binding = {1: ("3", "mesangium") if bright else ("0", "")}.get(image, ("", ""))
            known = (*stated, split, deposits, mask, *binding)
            rows.append((name, mpp, modality, marker, f"patient {number}", *known))
    table = folder / "samples.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return table
