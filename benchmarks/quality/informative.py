"""What the order of corrections is worth: the glomeruli that `--order informative` puts first, or any.

    python -m benchmarks.quality.informative SAMPLES... WORK [--seeds 20]
                                       [--picture docs/pictures/informative.png]

Phantoms are recoloured as in `benchmarks.quality.correction_loop`: a stain that no shipped model has seen.
Two thirds of the patients are the folder that is corrected; the others, who change with each seed, are
measured on. The shipped classifier scores all glomeruli. Of those of the folder, 25, 50 or 100 are corrected:
drawn at random, the most uncertain, or those that `glomspike/review/informative.py` puts first, which sees
what a run writes and no label. From the corrections the last layer of the classifier is fitted again, which
makes the log-odds of tiles from what the encoder sees; a whole training after each would take hours. Prints
the AUC on the other patients. What the encoder sees is kept in WORK.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from zipfile import ZipFile

import click
import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.progress import track
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from benchmarks.quality.correction_loop import glowing
from glomspike.classify.bags import Bag, load_bags
from glomspike.classify.infer import tiling_of
from glomspike.classify.method import boxes_of
from glomspike.classify.model import MappedTiles
from glomspike.classify.scores import POSITIVE, TOP_TILES, highest_apart
from glomspike.findings import Circle, TopTile
from glomspike.learn.samples import read_samples
from glomspike.networks.device import has_fast_bfloat16
from glomspike.networks.models import CPU, Model, load_model
from glomspike.results.findings import Finding
from glomspike.review.informative import features_of, informative_order

COLOURS = ("#6b7280", "#c4570a", "#0a5a78")
CORRECTED = (25, 50, 100)
ORDERS = ("random", "uncertain", "informative")
HIGHEST = 8  # tiles by which the fitted layer judges a glomerulus, as many as training shows
HOLD = 0.3  # how strongly the fitted layer is held to the shipped one
STEPS = 60
FOLDER = 2 / 3  # of the patients: those whose glomeruli are corrected
FIELDS = ("tiles", "spiked", "patient", "probability", "said")


@dataclass(frozen=True, eq=False)
class Glomerulus:
    """A phantom glomerulus: the features of its tiles (n, d), its label, and what a run says of it (k,)."""

    tiles: NDArray[np.float32]
    spiked: bool
    patient: str
    probability: float
    said: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Layer:
    """The last layer: log-odds of a tile are `weights` (d,) times its features, plus `bias`."""

    weights: NDArray[np.float64]
    bias: float

    def log_odds(self, tiles: NDArray[np.float32]) -> NDArray[np.float64]:
        """Those of tiles (n,) by their features (n, d)."""
        return np.asarray(tiles @ self.weights.astype(np.float32) + self.bias, dtype=np.float64)

    def judged(self, glomeruli: Sequence[Glomerulus]) -> NDArray[np.float64]:
        """The log-odds of glomeruli (n,): the mean of each one's highest tiles."""
        return np.array([np.sort(self.log_odds(one.tiles))[-HIGHEST:].mean() for one in glomeruli])


def encoded(bag: Bag, model: Model) -> Glomerulus:
    """A glomerulus in the new stain, as the shipped classifier sees it."""
    grid = bag.grid
    grid = replace(grid, pixels=np.where(grid.inside[..., None], glowing(grid.pixels), np.uint8(0)))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=has_fast_bfloat16(CPU)):
        picture = model.card.normalisation.apply(torch.from_numpy(grid.pixels[None]))
        tiles = torch.cat([one.tile_features(picture, boxes_of(grid)) for one in parts(model)], dim=1).numpy()
    odds = shipped_layer(model).log_odds(tiles)
    assert model.card.calibration is not None
    of_tiles = model.card.tile_calibration or model.card.calibration
    by_tile, probability = of_tiles.probability(odds), float(model.card.calibration.probability(odds.max()))
    corners_px = grid.corners_px.astype(np.float64)
    tops = tuple(islice(highest_apart(corners_px, by_tile, grid.tile_px), TOP_TILES))
    height_px, width_px = grid.pixels.shape[:2]
    finding = Finding(
        id=1,
        circle=Circle(0, 0, max(height_px, width_px) / 2 * model.card.mpp, 1),
        outline0=None,
        area_um2=float(grid.inside.sum()) * model.card.mpp**2,
        touches_edge=False,
        probability=probability,
        call=None,
        spike_fraction=float((by_tile >= POSITIVE).mean()),
        top_tiles=tuple(TopTile(0, 0, float(by_tile[i])) for i in tops),
        lesion=None,
        membrane=None,
        sharpness=None,
    )
    return Glomerulus(tiles, bag.spiked, bag.patient, probability, features_of(finding, grid.pixels))


def parts(model: Model) -> list[MappedTiles]:
    """The networks whose log-odds of tiles the shipped classifier adds."""
    return [part for part in model.network.modules() if isinstance(part, MappedTiles)]


def shipped_layer(model: Model) -> Layer:
    """The last layers of the shipped classifier as one."""
    heads = [part.head for part in parts(model)]
    weights = torch.cat([head.weight.detach().double().flatten() for head in heads])
    return Layer(weights.numpy(), sum(float(head.bias) for head in heads if head.bias is not None))


def fitted(start: Layer, corrected: Sequence[Glomerulus]) -> Layer:
    """The layer fitted to corrected glomeruli, held to the one it starts from."""
    spiked = np.array([one.spiked for one in corrected], dtype=float)
    every = np.concatenate([one.tiles for one in corrected])
    ends = np.cumsum([len(one.tiles) for one in corrected])
    spread = every.std(axis=0) + 1e-6

    def loss(moved: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        odds = Layer(start.weights + moved[:-1] / spread, start.bias + moved[-1]).log_odds(every)
        rows = [
            np.argpartition(odds[end - count : end], -min(HIGHEST, count))[-min(HIGHEST, count) :]
            + end
            - count
            for end, count in zip(ends, np.diff(ends, prepend=0), strict=True)
        ]
        judged = np.array([odds[chosen].mean() for chosen in rows])
        means = np.stack([every[chosen].mean(axis=0) for chosen in rows])
        off = expit(judged) - spiked
        value = np.logaddexp(0, judged).sum() - (spiked * judged).sum() + HOLD / 2 * (moved[:-1] ** 2).sum()
        slope = np.append((off[:, None] * means / spread).sum(axis=0) + HOLD * moved[:-1], off.sum())
        return float(value), slope

    found = minimize(loss, np.zeros(len(spread) + 1), jac=True, method="L-BFGS-B", options={"maxiter": STEPS})
    return Layer(start.weights + found.x[:-1] / spread, start.bias + float(found.x[-1]))


def ordered(order: str, folder: Sequence[Glomerulus], rng: np.random.Generator) -> list[int]:
    """The glomeruli of a folder in the order in which they are corrected."""
    if order == "random":
        return list(rng.permutation(len(folder)))
    doubts = 1 - np.abs(2 * np.array([one.probability for one in folder]) - 1)
    if order == "uncertain":
        return list(np.argsort(-doubts, kind="stable"))
    said = np.stack([one.said for one in folder])
    return informative_order(doubts, said, np.zeros(len(folder), dtype=np.bool_))


def measured(glomeruli: Sequence[Glomerulus], start: Layer, seed: int) -> NDArray[np.float64]:
    """The AUC (orders, 1 + corrections) on the patients of a seed who are not corrected, first with none."""
    rng = np.random.default_rng(seed)
    patients = rng.permutation(sorted({one.patient for one in glomeruli}))
    ours = set(patients[: round(FOLDER * len(patients))].tolist())
    folder = [one for one in glomeruli if one.patient in ours]
    others = [one for one in glomeruli if one.patient not in ours]
    spiked = [one.spiked for one in others]
    found = []
    for order in ORDERS:
        places = ordered(order, folder, rng)
        layers = [start, *(fitted(start, [folder[i] for i in places[:count]]) for count in CORRECTED)]
        found.append([roc_auc_score(spiked, layer.judged(others)) for layer in layers])
    return np.array(found)


def encoded_samples(tables: Sequence[Path], kept: Path) -> list[Glomerulus]:
    """All glomeruli of some tables as the shipped classifier sees them, kept in a file for the next time."""
    model = load_model("classifier", None, CPU)
    if not kept.exists():
        bags = load_bags(read_samples(tables), model.card.mpp, tiling_of(model))
        glomeruli = [encoded(bag, model) for bag in track(bags, "Encoding") if len(bag.grid.corners_px)]
        kept.parent.mkdir(parents=True, exist_ok=True)
        with ZipFile(kept, "w") as archive:
            for number, one in enumerate(glomeruli):
                for name in FIELDS:
                    with archive.open(f"{name}{number}.npy", "w") as file:
                        np.save(file, np.asarray(getattr(one, name)))
    with np.load(kept) as stored:
        count = len(stored.files) // len(FIELDS)
        return [
            Glomerulus(
                tiles=stored[f"tiles{number}"],
                spiked=bool(stored[f"spiked{number}"]),
                patient=str(stored[f"patient{number}"]),
                probability=float(stored[f"probability{number}"]),
                said=stored[f"said{number}"],
            )
            for number in range(count)
        ]


@click.command()
@click.argument("tables", type=click.Path(path_type=Path, exists=True), nargs=-1, required=True)
@click.argument("work", type=click.Path(path_type=Path))
@click.option("--seeds", default=20, show_default=True, help="How many divisions of the patients.")
@click.option("--picture", type=click.Path(path_type=Path), help="PNG to draw the curve into.")
def main(tables: tuple[Path, ...], work: Path, seeds: int, picture: Path | None) -> None:
    """Compare orders of correction."""
    glomeruli = encoded_samples(tables, work / "encoded.npz")
    start = shipped_layer(load_model("classifier", None, CPU))
    patients = len({one.patient for one in glomeruli})
    print(f"{len(glomeruli)} glomeruli of {patients} patients, {sum(o.spiked for o in glomeruli)} spiked\n")
    aucs = np.stack([measured(glomeruli, start, seed) for seed in track(range(seeds), "Fitting")])
    print(f"| AUC, mean of {seeds} (standard error) | none | {' | '.join(map(str, CORRECTED))} |")
    print(f"|---|---|{'---|' * len(CORRECTED)}")
    errors = aucs.std(axis=0, ddof=1) / np.sqrt(seeds)
    for order, means, spreads in zip(ORDERS, aucs.mean(axis=0), errors, strict=True):
        cells = (f"{mean:.3f} ({spread:.3f})" for mean, spread in zip(means, spreads, strict=True))
        print(f"| {order} | {' | '.join(cells)} |")
    for place, order in enumerate(ORDERS[1:], start=1):
        gains = aucs[:, place, 1:] - aucs[:, 0, 1:]
        better = ", ".join(
            f"{gain:+.3f} ± {error:.3f}, better in {won} of {seeds}"
            for gain, error, won in zip(
                gains.mean(axis=0),
                gains.std(axis=0, ddof=1) / np.sqrt(seeds),
                (gains > 0).sum(axis=0),
                strict=True,
            )
        )
        print(f"{order} against random: {better}")
    if picture is not None:
        picture.parent.mkdir(parents=True, exist_ok=True)
        drawn(aucs.mean(axis=0), errors).savefig(picture, dpi=110)


def drawn(means: NDArray[np.float64], errors: NDArray[np.float64]) -> Figure:
    """AUCs (orders, 1 + corrections) and their standard errors over the number of corrections."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for order, colour, mean, error in zip(ORDERS, COLOURS, means, errors, strict=True):
        axes.errorbar((0, *CORRECTED), mean, error, label=order, color=colour, marker="o", capsize=3)
    axes.set(xlabel="glomeruli corrected", ylabel="AUC on other patients", xticks=(0, *CORRECTED))
    axes.legend(loc="lower right", frameon=False)
    axes.grid(alpha=0.3)
    return figure


if __name__ == "__main__":
    main()
