"""A classifier measured on painted silver: apart from phantoms, on real glomeruli with spikes painted on.

    python -m benchmarks.quality.measure_painted PAINTED [--weights WEIGHTS] [--json FILE] [--card]

PAINTED is the folder that `painted_silver.py` wrote. Painted glomeruli are held against the unpainted ones,
and against those with as much ink spread evenly. With --card the numbers join those on the classifier's card.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.quality.card_changes import write_to_card
from glomspike.classify.bags import load_bags
from glomspike.classify.evaluate import scored
from glomspike.classify.infer import bag_classifier, tiling_of
from glomspike.findings import Scores
from glomspike.learn.samples import read_samples
from glomspike.metrics.bootstrap import Rows, intervals
from glomspike.networks.models import Model, load_model
from glomspike.networks.weights import Metric

DATA = "painted silver"
EXTENTS = ("sparse", "half", "all")
NORMAL = {"unpainted": "", "thickened": "_thickened"}

Selection = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class PaintedPictures:
    """Pictures of painted silver: which glomerulus, which variant of it, whose, its probability; all (n,).

    `localisation` (n,) is the chance that a tile with spikes scores above one without, NaN without spikes.
    """

    glomerulus: NDArray[np.str_]
    variant: NDArray[np.str_]
    patient: NDArray[np.str_]
    probability: Scores
    localisation: Scores
    threshold: float

    @classmethod
    def of(cls, model: Model, folder: Path) -> "PaintedPictures":
        """The pictures of a folder with a classifier's probabilities."""
        samples, tiling = read_samples([folder / "samples.csv"]), tiling_of(model)
        found = [
            scored(bag_classifier(model), load_bags([sample], model.card.mpp, tiling)) for sample in samples
        ]
        glomerulus, variant = np.array([sample.image.stem.rsplit("-", 1) for sample in samples]).T
        return cls(
            glomerulus,
            variant,
            np.array([sample.patient for sample in samples]),
            np.array([one.verdict.probability for (one,) in found]),
            np.array([one.localisation for (one,) in found], dtype=np.float64),
            model.card.thresholds["spiked"],
        )

    @property
    def spiked(self) -> Selection:
        """Which have spikes."""
        return np.isin(self.variant, EXTENTS)

    @property
    def called(self) -> Selection:
        """Which the classifier calls spiked."""
        return self.probability >= self.threshold

    def metrics(self) -> list[Metric]:
        """The numbers, with intervals of a bootstrap over cases."""
        plain = self.variant == "unpainted"
        found = [self._auc(f"auc_{extent}", (self.variant == extent) | plain) for extent in EXTENTS]
        for variant, suffix in NORMAL.items():
            normal = self.variant == variant
            found.append(self._auc(f"auc{suffix}", self.spiked | normal))
            found.append(self._mean(f"false_positive_rate{suffix}", normal, self.called))
        found.append(self._mean("recall", self.spiked, self.called))
        found.append(self._mean("above_its_unpainted_self", self.spiked, self._above_unpainted()))
        found.append(self._mean("localisation_auc", np.isfinite(self.localisation), self.localisation))
        return sorted(found, key=lambda metric: metric.name)

    def _above_unpainted(self) -> Selection:
        plain = self.variant == "unpainted"
        unpainted = dict(zip(self.glomerulus[plain], self.probability[plain], strict=True))
        return self.probability > np.array([unpainted[glomerulus] for glomerulus in self.glomerulus])

    def _auc(self, name: str, among: Selection) -> Metric:
        spiked, probability = self.spiked[among], self.probability[among]
        return self._metric(
            name,
            among,
            lambda rows: share_above(probability[rows][spiked[rows]], probability[rows][~spiked[rows]]),
            lambda rows: 0 < int(spiked[rows].sum()) < len(rows),
        )

    def _mean(self, name: str, among: Selection, of: Selection | Scores) -> Metric:
        chosen = of[among]
        return self._metric(name, among, lambda rows: float(chosen[rows].mean()), lambda _: True)

    def _metric(
        self, name: str, among: Selection, value: Callable[[Rows], float], usable: Callable[[Rows], bool]
    ) -> Metric:
        patients, count = self.patient[among], int(among.sum())
        interval = intervals(patients, lambda rows: [value(rows)], usable)[0]
        data = f"{len(np.unique(patients))} cases of {DATA}, not trained on"
        return Metric(name=name, value=value(np.arange(count)), ci95=interval, data=data, n=count)


def share_above(positive: Scores, negative: Scores) -> float:
    """The area under the ROC curve: how often a positive is above a negative, equals counting half."""
    difference = positive[:, None] - negative[None]
    return float((difference > 0).mean() + (difference == 0).mean() / 2)


@click.command()
@click.argument("folder", metavar="PAINTED", type=click.Path(path_type=Path, exists=True))
@click.option("--weights", type=click.Path(path_type=Path), help="Weights instead of the installed ones.")
@click.option("--json", "file", type=click.Path(path_type=Path), help="File for numbers and probabilities.")
@click.option("--card", "to_card", is_flag=True, help="Write the numbers into the weights' card.")
def main(folder: Path, weights: Path | None, file: Path | None, to_card: bool) -> None:
    """Measure a classifier on painted silver."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    painted = PaintedPictures.of(load_model("classifier", weights, device), folder)
    metrics = painted.metrics()
    for metric in metrics:
        interval = "" if metric.ci95 is None else f" [{metric.ci95[0]:.3f}, {metric.ci95[1]:.3f}]"
        print(f"{metric.name} {metric.value:.3f}{interval} on {metric.n} pictures of {metric.data}")
    if file is not None:
        rows = zip(painted.glomerulus, painted.variant, painted.probability.tolist(), strict=True)
        pictures = {f"{glomerulus}-{variant}": value for glomerulus, variant, value in rows}
        numbers = {metric.name: metric.model_dump() for metric in metrics}
        file.write_text(json.dumps({"metrics": numbers, "probabilities": pictures}, indent=2) + "\n")
    if to_card:
        write_to_card(weights, metrics, (DATA,))


if __name__ == "__main__":
    main()
