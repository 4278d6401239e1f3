"""What a disease network that learnt from phantoms says of real electron micrographs: a look, never a claim.

    python -m benchmarks.quality.real_micrographs MODEL TEM

TEM is a folder of micrographs with `mn-stages` in it, pictures of membranous nephropathy whose names begin
with their stage. Each is judged as the only image of a case, its scale withheld since few state one: which
deposits it seems to show, and the stage that is expected if it is one of membranous nephropathy.
"""

from pathlib import Path

import click
import numpy as np
import torch
from scipy.stats import spearmanr

from glomspike.disease.bags import Patient, by_modality
from glomspike.disease.judge import encoded_patient, plain
from glomspike.disease.model import Answer, DiseaseNetwork
from glomspike.disease.places import place_chances
from glomspike.disease.prepare import Instance, micrograph_square
from glomspike.disease.staging import stage_probabilities
from glomspike.modalities import DEPOSIT_PLACES
from glomspike.networks.models import load_model
from glomspike.slide.reader import read_picture

SUFFIXES = {".png", ".jpg"}


def disease_network(model: Path) -> DiseaseNetwork:
    """The network of a folder of weights, on the CPU."""
    return plain(load_model("disease", model, torch.device("cpu")).network)


def answer_alone(network: DiseaseNetwork, picture: Instance) -> Answer:
    """What a network says of a picture that is the only one of its case."""
    patient = encoded_patient(network, Patient(picture.name, by_modality([picture])))
    return patient.answer(network, (picture.modality,))


@click.command()
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@click.argument("tem", type=click.Path(path_type=Path, exists=True, file_okay=False))
def main(model: Path, tem: Path) -> None:
    """Print what a network says of real micrographs."""
    network = disease_network(model)
    print(f"| micrograph | {' | '.join(DEPOSIT_PLACES)} | expected stage |")
    print(f"|{'---|' * (2 + len(DEPOSIT_PLACES))}")
    stages, expected = [], []
    for path in sorted([*tem.iterdir(), *(tem / "mn-stages").iterdir()]):
        if path.suffix not in SUFFIXES or path.stem.endswith("_mask"):
            continue
        square = micrograph_square(path.name, read_picture(path), None, network.form.sides_px["tem"])
        answer = answer_alone(network, square)
        chances = place_chances(answer.places[0, 0])
        stage = float(np.dot(stage_probabilities(answer.stage)[0].cpu().numpy(), [1, 2, 3, 4]))
        if path.parent.name == "mn-stages":
            stages.append(int(path.stem.removeprefix("stage")[0]))
            expected.append(stage)
        cells = " | ".join(f"{chances[place]:.2f}" for place in DEPOSIT_PLACES)
        print(f"| {path.stem} | {cells} | {stage:.2f} |")
    print(f"\nRank correlation with the stages of {len(stages)}: {spearmanr(stages, expected).statistic:.2f}")


if __name__ == "__main__":
    main()
