"""Whether the share of tiles that look like spikes follows how densely spikes stand: a picture and a table.

    python -m benchmarks.quality.spike_density PHANTOMS [--weights WEIGHTS] [--page docs/classifier.md]
                                       [--picture docs/pictures/spike-density.png]

PHANTOMS is a folder of `glomspike phantom`; its test patients are used, without glomeruli whose spikes cannot
be seen. The truth is the number of spikes on 100 µm of bare membrane, from the JSON beside each slide.
Correlations are Spearman's, with intervals over patients. The table is printed, and written into the page
between its two marks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import spearmanr

from benchmarks.quality.measured_page import write_measured
from glomspike.classify.bags import load_bags, with_label
from glomspike.classify.evaluate import scored
from glomspike.classify.infer import bag_classifier, tiling_of
from glomspike.classify.scores import POSITIVE
from glomspike.learn.samples import Sample, in_split, read_samples
from glomspike.learn.truth import slide_truth
from glomspike.metrics.bootstrap import Rows, intervals
from glomspike.networks.models import Model, load_model
from glomspike.phantom.truth import read_spikes
from glomspike.slide.reader import open_slide

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Measurements:
    """Glomeruli or cases: whose each is (n,), its spikes per 100 µm, and its share of spike-like tiles."""

    patients: NDArray[np.str_]
    density: Values
    fraction: Values

    def where(self, chosen: NDArray[np.bool_]) -> "Measurements":
        """Some of them."""
        return Measurements(self.patients[chosen], self.density[chosen], self.fraction[chosen])

    def rho(self) -> str:
        """Spearman's correlation with its interval."""

        def of_rows(rows: Rows) -> list[float]:
            return [float(spearmanr(self.density[rows], self.fraction[rows]).statistic)]

        def usable(rows: Rows) -> bool:
            return all(len(np.unique(values[rows])) > 1 for values in (self.density, self.fraction))

        (interval,) = intervals(self.patients, of_rows, usable)
        found = f"{of_rows(np.arange(len(self.patients)))[0]:.2f}"
        return found if interval is None else f"{found} ({interval[0]:.2f} to {interval[1]:.2f})"


@click.command()
@click.argument("phantoms", type=click.Path(path_type=Path, exists=True))
@click.option("--weights", type=click.Path(path_type=Path), help="A classifier, not the shipped one.")
@click.option("--picture", type=click.Path(path_type=Path), help="PNG to draw it into.")
@click.option("--page", type=click.Path(path_type=Path, exists=True), help="Page to write the table into.")
def main(phantoms: Path, weights: Path | None, picture: Path | None, page: Path | None) -> None:
    """Measure how well the share of spike-like tiles follows the density of spikes."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    classifier = load_model("classifier", weights, device)
    rows = [
        row
        for sample in in_split(read_samples([phantoms / "samples.csv"]), "test")
        for row in measured_slide(sample, classifier)
    ]
    patients, density, positive, tiles = (np.array(column) for column in zip(*rows, strict=True))
    glomeruli = Measurements(patients, density, positive / tiles)
    cases = by_case(patients, density, positive, tiles)
    text = table(glomeruli, cases)
    print(text)
    if page is not None:
        write_measured(page, "spike density", text)
    if picture is not None:
        picture.parent.mkdir(parents=True, exist_ok=True)
        drawn(glomeruli, cases).savefig(picture, dpi=110)


def measured_slide(sample: Sample, classifier: Model) -> list[tuple[str, float, int, int]]:
    """Patient, spikes per 100 µm, positive tiles and tiles of each glomerulus of a phantom slide."""
    truth0 = read_spikes(sample.image.with_suffix(".json"))
    places0 = np.array([one.centre0 for one in truth0])
    with open_slide(sample.image, sample.mpp) as slide:
        glomeruli = with_label(slide_truth(sample, slide.facts).glomeruli)
    found = scored(
        bag_classifier(classifier), load_bags([sample], classifier.card.mpp, tiling_of(classifier))
    )
    rows = []
    for one, glomerulus in zip(found, glomeruli, strict=True):
        away0 = np.linalg.norm(places0 - [glomerulus.x_px, glomerulus.y_px], axis=1)
        tiles = one.verdict.tiles
        density = truth0[int(away0.argmin())].spikes_per_100_um
        rows.append((sample.patient, density, int((tiles >= POSITIVE).sum()), len(tiles)))
    return rows


def by_case(
    patients: NDArray[np.str_], density: Values, positive: NDArray[np.int_], tiles: NDArray[np.int_]
) -> Measurements:
    """The cases: the mean density of a patient's glomeruli, and the share of all their tiles."""
    cases = np.unique(patients)
    members = [patients == case for case in cases]
    return Measurements(
        cases,
        np.array([density[one].mean() for one in members]),
        np.array([positive[one].sum() / tiles[one].sum() for one in members]),
    )


def table(glomeruli: Measurements, cases: Measurements) -> str:
    """The correlations in Markdown."""
    rows: Sequence[tuple[str, Measurements]] = (
        ("all glomeruli", glomeruli),
        ("glomeruli with spikes", glomeruli.where(glomeruli.density > 0)),
        ("cases", cases),
    )
    lines = [f"| {name} | {len(found.patients)} | {found.rho()} |" for name, found in rows]
    return "\n".join(["| among | n | Spearman's ρ (95 % interval) |", "|---|---|---|", *lines])


def drawn(glomeruli: Measurements, cases: Measurements) -> Figure:
    """Glomeruli as dots and cases as rings."""
    figure = Figure(figsize=(7, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.scatter(glomeruli.density, glomeruli.fraction, s=16, color="#0a5a78", alpha=0.65, linewidths=0)
    axes.scatter(cases.density, cases.fraction, s=80, facecolors="none", edgecolors="#c4570a", linewidths=1.4)
    axes.set(
        xlabel="truth: spikes per 100 µm of bare membrane", ylabel="share of tiles that look like spikes"
    )
    names = (
        f"{len(glomeruli.patients)} glomeruli, ρ {glomeruli.rho()}",
        f"{len(cases.patients)} cases, ρ {cases.rho()}",
    )
    axes.legend(names, loc="upper left", frameon=False)
    axes.grid(alpha=0.3)
    return figure


if __name__ == "__main__":
    main()
