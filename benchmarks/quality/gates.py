"""How well the gates know silver, kidney and focus, on pictures that they learnt nothing from.

    python -m benchmarks.quality.gates stain PUBLIC MEASURING [--gate CARD]
    python -m benchmarks.quality.gates sharpness PHANTOMS
    python -m benchmarks.quality.gates kidney SAMPLES... --slides SLIDE...

`stain`: the stain called and the probability of silver for each measuring picture, and the AUC of silver
against all others; `stain-patches`, which the gate learnt from, are left out one by one in its card instead.
`sharpness`: glomeruli of phantom slides, scanned once more in focus and out of it by the phantom's scanner.
`kidney`: the surest detection on pictures of kidneys, and on squares of 1.5 mm of slides that are none.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from sklearn.metrics import roc_auc_score

from glomspike.detect.evaluate import scanned_samples
from glomspike.detect.infer import search
from glomspike.detect.scan import LEAST_SCORE
from glomspike.errors import NoScaleError
from glomspike.findings import STAINS, Outline, StainName
from glomspike.gates.colours import at_measuring_scale, stain_colours
from glomspike.gates.kidney import LEAST_TISSUE_MM2, SURE
from glomspike.gates.sharpness import OUT_OF_FOCUS, sharpness
from glomspike.gates.stain import SILVER, load_stain_gate
from glomspike.learn.samples import read_samples
from glomspike.learn.truth import slide_truth
from glomspike.networks.models import CPU, Model, load_model
from glomspike.phantom.scanner import Scanner
from glomspike.results.stopwatch import Stopwatch
from glomspike.slide.field import Field, read_field
from glomspike.slide.reader import Slide, open_slide, read_picture

TRUE_STAINS: dict[str, StainName] = {
    "he-nephrectomy": "H&E", "neptune-he": "H&E", "neptune-pas": "PAS", "neptune-tri": "trichrome",
    "neptune-sil": "silver", "pasm-fields-Masson": "trichrome", "pasm-fields-PAS": "PAS",
    "pasm-fields-PASM": "silver", "silver-reference": "silver",
}  # fmt: skip
OF_TRAINING: dict[str, StainName] = {"he-fields": "H&E", "pas-fields": "PAS"}  # their test pictures only
DEFOCUS_UM = (0.3, 0.5, 0.8, 1.2)  # of the scanner; it draws from 0.3 to 0.8
IN_FOCUS_PSF_UM = 0.05  # of the second scan, since the first has blurred already
SQUARE_UM = 1500.0


@click.group()
def main() -> None:
    """Measure the gates."""


@main.command()
@click.argument("public", type=click.Path(path_type=Path))
@click.argument("measuring", type=click.Path(path_type=Path))
@click.option("--gate", "card", type=click.Path(path_type=Path), help="A gate, not the shipped one.")
def stain(public: Path, measuring: Path, card: Path | None) -> None:
    """Call the stain of every measuring picture."""
    gate = load_stain_gate(card)
    silver: list[float] = []
    truth: list[bool] = []
    tables = {measuring / name: true for name, true in TRUE_STAINS.items()}
    tables |= {public / name: true for name, true in OF_TRAINING.items()}
    for folder, true in tables.items():
        found: list[tuple[str, StainName, float]] = []
        for sample in read_samples([folder / "samples.csv"]):
            if sample.split != "test":
                continue
            colours = stain_colours([at_measuring_scale(read_picture(sample.image), sample.mpp or 1.0)])
            if colours is None:
                continue
            each = gate.probabilities(colours)
            found.append((sample.image.stem, gate.called(colours).name, float(each[STAINS.index(SILVER)])))
        silver += [probability for _, _, probability in found]
        truth += [true == SILVER] * len(found)
        calls = Counter(called for _, called, _ in found)
        least, most = min(p for *_, p in found), max(p for *_, p in found)
        print(f"{folder.name} ({true}): {dict(calls)}, silver {least:.2f} to {most:.2f}")
    scores, is_silver = np.array(silver), np.array(truth)
    print(f"AUC of silver {roc_auc_score(is_silver, scores):.4f}, {is_silver.sum()} of {len(scores)} silver")
    refused = (scores[is_silver] < gate.silver_from).mean()
    let_in = (scores[~is_silver] >= gate.silver_from).mean()
    print(f"silver from {gate.silver_from}: refused {refused:.3f} of silver, let in {let_in:.3f} of others")


@main.command("sharpness")
@click.argument("phantoms", type=click.Path(path_type=Path))
@click.option("--slides", type=int, default=30, show_default=True)
def of_sharpness(phantoms: Path, slides: int) -> None:
    """Tell glomeruli in focus from those that the phantom's scanner has out of focus."""
    rng = np.random.default_rng(1)
    found = np.array(list(_sharpness(phantoms, slides, rng)))
    in_focus = found[:, 0]
    print(f"{len(found)} glomeruli; in focus {np.percentile(in_focus, [0, 5, 50]).round(3)}")
    for defocus_um, blurred in zip(DEFOCUS_UM, found[:, 1:].T, strict=True):
        labels = np.repeat([False, True], len(found))
        auc = roc_auc_score(labels, -np.concatenate([in_focus, blurred]))
        share = (blurred < OUT_OF_FOCUS).mean()
        print(f"defocus {defocus_um} um: AUC {auc:.3f}, called out of focus {share:.2f}")
    print(f"in focus but called out of it: {(in_focus < OUT_OF_FOCUS).mean():.3f}")


def _sharpness(phantoms: Path, slides: int, rng: np.random.Generator) -> Iterator[list[float]]:
    """The sharpness in focus and at each defocus, of a glomerulus of each slide."""
    for sample in read_samples([phantoms / "samples.csv"])[:slides]:
        with open_slide(sample.image, sample.mpp) as slide:
            facts = slide.facts
            one = next((g for g in slide_truth(sample, facts).glomeruli if g.outline_px is not None), None)
            if one is None or one.outline_px is None:
                continue
            mpp = max(0.25, facts.mpp.x)
            low0 = one.outline_px.min(axis=0)
            side_px = int(float((one.outline_px.max(axis=0) - low0).max()) * facts.mpp.x / mpp)
            field = read_field(slide, low0[0], low0[1], side_px, side_px, mpp)
        outline = Outline(one.outline_px, 1.0, touches_edge=False)
        scanner = replace(
            Scanner.sample(rng), mpp=mpp, psf_um=IN_FOCUS_PSF_UM, fringe_um=(0.0, 0.0), contrast=1.0
        )
        noise = rng.standard_normal((side_px, side_px), dtype=np.float32)
        each = [sharpness(_scanned(field, scanner, um, noise), outline) for um in (0.0, *DEFOCUS_UM)]
        yield [0.0 if value is None else value for value in each]


def _scanned(field: Field, scanner: Scanner, defocus_um: float, noise: np.ndarray) -> Field:
    """A field scanned once more, wholly out of focus."""
    far = np.full(noise.shape, float(defocus_um > 0), dtype=np.float32)
    own = replace(scanner, defocus_um=defocus_um)
    return replace(field, pixels=own.scan(field.pixels.astype(np.float32), far, noise))


@main.command()
@click.argument("tables", metavar="SAMPLES...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--slides", multiple=True, type=click.Path(path_type=Path), help="A slide that is no kidney.")
@click.option("--mpp", type=float, default=0.25, show_default=True, help="Of slides that do not state it.")
@click.option("--detector", type=click.Path(path_type=Path), help="A detector, not the shipped one.")
def kidney(tables: tuple[Path, ...], slides: tuple[Path, ...], mpp: float, detector: Path | None) -> None:
    """Compare the surest detection on kidneys with that on other tissue."""
    model = load_model("detector", detector, CPU)
    card = model.card
    samples = [sample for sample in read_samples(tables) if sample.split == "test"]
    scanned = scanned_samples(samples, model, lambda *_: None)
    surest = [float(one.found_px[:, 3].max(initial=0)) for one in scanned if len(one.picture.circles_px)]
    others = [score for path in slides for score in _squares(path, model, mpp)]
    needed = SURE * card.thresholds["score"]
    truth = np.repeat([True, False], [len(surest), len(others)])
    print(f"{len(surest)} kidney pictures, below {needed:.2f}: {(np.array(surest) < needed).mean():.3f}")
    print(f"{len(others)} squares of others, below {needed:.2f}: {(np.array(others) < needed).mean():.3f}")
    print(f"AUC {roc_auc_score(truth, surest + others):.3f}")


def _squares(path: Path, detector: Model, mpp: float) -> Iterator[float]:
    """The surest detection of each square of a slide that is tissue for the most part."""
    card = detector.card
    every = card.model_copy(update={"thresholds": {**card.thresholds, "score": LEAST_SCORE}})
    with _opened(path, mpp) as slide:
        found = search(slide, replace(detector, card=every), lambda *_: None, Stopwatch())
        facts, tissue = slide.facts, found.tissue
    assert tissue is not None
    width0, height0 = SQUARE_UM / facts.mpp.x, SQUARE_UM / facts.mpp.y
    for top0 in np.arange(0, facts.height0, height0).tolist():
        for left0 in np.arange(0, facts.width0, width0).tolist():
            if tissue.fraction(left0, top0, width0, height0) * SQUARE_UM**2 / 1e6 >= LEAST_TISSUE_MM2:
                inside = [
                    circle.score
                    for circle in found.circles
                    if left0 <= circle.x0 < left0 + width0 and top0 <= circle.y0 < top0 + height0
                ]
                yield max(inside, default=0.0)


def _opened(path: Path, mpp: float) -> Slide:
    """A slide, at this scale where it states none."""
    try:
        return open_slide(path)
    except NoScaleError:
        return open_slide(path, mpp)


if __name__ == "__main__":
    main()
