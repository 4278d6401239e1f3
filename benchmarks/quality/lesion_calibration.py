"""The calibration of a lesion classifier in each stain, and the threshold from which a lesion is called.

    python -m benchmarks.quality.lesion_calibration SAMPLES... [--weights WEIGHTS] [--card] [--seed 1]

SAMPLES are tables of PAS crops with two lesions. Each glomerulus is shown as it is and converted to silver,
H&E and trichrome by exchanging dyes in optical density, since no other stain has crops of known lesion.
Log-odds are calibrated on the validation patients of each stain; one threshold, halfway between the lowest
and the highest that find at least 90 % of the first class there in PAS and call at least 97 % of the others
right, is measured on test patients. `--card` writes all of it into the weights' card.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from scipy.special import expit, logit

from benchmarks.quality.card_changes import change_card
from glomspike.findings import RGB, Scores, StainName
from glomspike.learn.augmentation import Rng, stained_as
from glomspike.learn.samples import read_samples
from glomspike.lesions.crops import load_lesions, network_crop
from glomspike.lesions.probability import lesion_probabilities
from glomspike.metrics.calibration import calibration_error, platt
from glomspike.metrics.classes import class_statistics
from glomspike.metrics.wilson import wilson
from glomspike.networks.models import CPU, Model, load_model
from glomspike.networks.weights import Calibration, Metric

LEAST_SENSITIVITY, LEAST_SPECIFICITY = 0.9, 0.97
PAS = ("haematoxylin", "schiff magenta")
# The dyes where haematoxylin was, where Schiff's reagent was, and elsewhere.
DYES: dict[StainName, tuple[tuple[str, str, str], ...]] = {
    "silver": (
        ("pink eosin", "silver", "haematoxylin"),
        ("blue haematoxylin", "silver", "eosin"),
        ("haematoxylin", "silver", "pink eosin"),
        ("purple", "brown silver", "eosin"),
    ),
    "H&E": (("haematoxylin", "eosin", "pink eosin"), ("haematoxylin", "pink eosin", "eosin")),
    "trichrome": (
        ("haematoxylin", "aniline blue", "biebrich scarlet"),
        ("haematoxylin", "light green", "biebrich scarlet"),
    ),
}
SURE = 1e-6


@dataclass(frozen=True, eq=False)
class StainEvidence:
    """Glomeruli in one stain: log-odds (n,) of the first class, truth, whose, which split."""

    stain: StainName
    log_odds: Scores
    positive: np.ndarray
    patients: np.ndarray
    splits: np.ndarray

    def fitted(self) -> Calibration:
        """The calibration on validation patients."""
        chosen = self.splits == "val"
        scale, offset = platt(self.log_odds[chosen], self.positive[chosen])
        how = "" if self.stain == "PAS" else f", converted to {self.stain} by computation"
        patients = len(np.unique(self.patients[chosen]))
        data = f"{int(chosen.sum())} PAS glomeruli of {patients} validation patients{how}"
        return Calibration(method="platt", scale=scale, offset=offset, data=data)


def judged(model: Model, tables: Sequence[Path], rng: Rng) -> list[StainEvidence]:
    """The glomeruli of validation and test in each stain."""
    card = model.card
    patches = load_lesions([s for s in read_samples(tables) if s.split != "train"], card.input_px)
    crops = [network_crop(patch, card.input_px) for patch in patches]
    positive = np.array([patch.lesion == card.classes[0] for patch in patches])
    patients = np.array([patch.patient for patch in patches])
    splits = np.array([patch.patch.sample.split for patch in patches])
    found = []
    for stain in ("PAS", *DYES):
        shown = crops if stain == "PAS" else [converted(crop, stain, rng) for crop in crops]
        first = lesion_probabilities(model.network, shown, card.normalisation)[:, 0]
        log_odds = logit(np.clip(first, SURE, 1 - SURE))
        found.append(StainEvidence(stain, log_odds, positive, patients, splits))
    return found


def converted(crop: RGB, stain: StainName, rng: Rng) -> RGB:
    """A PAS crop in another stain."""
    names = DYES[stain][rng.integers(len(DYES[stain]))]
    return stained_as(crop, names, rng, PAS)


def threshold_of(probabilities: Scores, positive: np.ndarray) -> float:
    """The threshold in the middle of those that are sensitive and specific enough."""
    limits = np.concatenate([[0.0], np.sort(probabilities)])
    middles = (limits[:-1] + limits[1:]) / 2
    good = [one for one in middles if _is_good(probabilities, positive, float(one))]
    if not good:
        raise click.ClickException("no threshold is sensitive and specific enough on these glomeruli")
    return round(float(expit((logit(min(good)) + logit(max(good))) / 2)), 3)


def _is_good(probabilities: Scores, positive: np.ndarray, threshold: float) -> bool:
    called = probabilities >= threshold
    is_sensitive = called[positive].mean() >= LEAST_SENSITIVITY
    return bool(is_sensitive and (~called[~positive]).mean() >= LEAST_SPECIFICITY)


def metrics(of_stain: StainEvidence, calibration: Calibration, threshold: float) -> list[Metric]:
    """How the calls do on test patients of a stain."""
    chosen = of_stain.splits == "test"
    probabilities = calibration.probability(of_stain.log_odds[chosen])
    positive = of_stain.positive[chosen]
    right = (probabilities >= threshold) == positive
    how = "" if of_stain.stain == "PAS" else f", converted to {of_stain.stain} by computation"
    patients = len(np.unique(of_stain.patients[chosen]))
    data = f"{patients} test patients of pas-lesions, not trained on{how}"
    counts = {
        "sensitivity": (int(right[positive].sum()), int(positive.sum())),
        "specificity": (int(right[~positive].sum()), int((~positive).sum())),
    }
    shares = [
        Metric(name=name, value=n / of, ci95=wilson(n, of), data=data, n=of)
        for name, (n, of) in counts.items()
    ]
    both = np.stack([probabilities, 1 - probabilities], axis=1)
    auc = class_statistics(both, np.where(positive, 0, 1))["auc"]
    ece = float(calibration_error(probabilities, positive))
    n = len(positive)
    rest = [Metric(name=name, value=value, data=data, n=n) for name, value in (("auc", auc), ("ece", ece))]
    return shares + rest


@click.command()
@click.argument("tables", metavar="SAMPLES...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--weights", type=click.Path(path_type=Path), help="Weights instead of the installed ones.")
@click.option("--card", "to_card", is_flag=True, help="Write all of it into the weights' card.")
@click.option("--seed", type=int, default=1, show_default=True)
def main(tables: tuple[Path, ...], weights: Path | None, to_card: bool, seed: int) -> None:
    """Calibrate a lesion classifier in each stain and choose its threshold."""
    model = load_model("lesions", weights, CPU)
    if len(model.card.classes) != 2:
        raise click.UsageError("only classifiers of two lesions are calibrated")
    found = judged(model, tables, np.random.default_rng(seed))
    fitted = {one.stain: one.fitted() for one in found}
    chosen = found[0].splits == "val"
    of_validation = fitted["PAS"].probability(found[0].log_odds[chosen])
    threshold = threshold_of(of_validation, found[0].positive[chosen])
    measured = [metric for one in found for metric in metrics(one, fitted[one.stain], threshold)]
    click.echo(f"{model.card.classes[0]} from {threshold}")
    for stain, calibration in fitted.items():
        click.echo(f"{stain}: sigmoid({calibration.scale:.2f} x + {calibration.offset:.2f})")
    for metric in measured:
        interval = "" if metric.ci95 is None else f" [{metric.ci95[0]:.3f}, {metric.ci95[1]:.3f}]"
        click.echo(f"{metric.name} {metric.value:.3f}{interval}, n {metric.n}: {metric.data}")
    if to_card:
        others = {stain: one.model_dump() for stain, one in fitted.items() if stain != "PAS"}
        changes = {
            "thresholds": {model.card.classes[0]: threshold},
            "calibration": fitted["PAS"].model_dump(),
            "stain_calibrations": others,
            "metrics": [metric.model_dump() for metric in measured],
        }
        change_card(weights, changes, "lesions")


if __name__ == "__main__":
    main()
