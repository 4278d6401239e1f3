"""How good a detector is: its circles against the true ones of annotated pictures."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue
from torch import nn

from glomspike.detect.again import FINER, has_second_look, seen_again
from glomspike.detect.scan import scan_picture
from glomspike.errors import SamplesError
from glomspike.findings import RGB
from glomspike.geometry.circles import circle_iou
from glomspike.learn.evaluation import Evaluation, Progress, interval_numbers, worst_sheet
from glomspike.learn.samples import Sample, names_of_tables
from glomspike.learn.sheets import FOUND_COLOUR, TRUTH_COLOUR, circled
from glomspike.learn.truth import Picture, load_pictures, resized
from glomspike.metrics.bootstrap import Rows, intervals
from glomspike.metrics.circle_ap import CircleAp, ap_of_images, circle_ap, hits, matched
from glomspike.networks.models import Model
from glomspike.networks.weights import Normalisation

IOU = 0.5  # from which a circle counts as found
STATISTICS = ("ap", "ap50", "ap75", "recall50")


@dataclass(frozen=True, eq=False)
class ScannedPicture:
    """A picture with the scored circles found on it, in its pixels, and the score that they need.

    The circles' columns are those of `decode`.
    """

    picture: Picture
    found_px: NDArray[np.float64]
    threshold: float

    @property
    def shown_px(self) -> NDArray[np.float64]:
        """The circles (n, columns of `decode`) that reach the threshold, in the picture's pixels."""
        return self.found_px[self.found_px[:, 3] >= self.threshold]

    @property
    def right(self) -> int:
        """How many true circles are found."""
        return int(hits(self.shown_px, self.picture.circles_px, IOU).sum())

    @property
    def missed(self) -> int:
        return len(self.picture.circles_px) - self.right

    @property
    def false(self) -> int:
        """How many circles are shown where there is no glomerulus."""
        return len(self.shown_px) - self.right

    @property
    def badness(self) -> float:
        return self.missed + self.false

    @property
    def caption(self) -> str:
        return f"{self.missed} missed, {self.false} false: {self.picture.sample.image.name}"

    def drawn(self) -> RGB:
        """The picture with its true circles and those that are shown."""
        true = circled(self.picture.pixels, self.picture.circles_px, TRUTH_COLOUR)
        return circled(true, self.shown_px, FOUND_COLOUR)


def evaluate_detector(
    samples: Sequence[Sample], detector: Model, progress: Progress, magnified: float = 1.0
) -> Evaluation:
    """Circle AP over all annotated pictures of known µm/px, and what is right at the detector's threshold.

    Glomeruli count as found whatever class they are taken for; a detector of several has AP of each besides.
    `magnified` is how much finer than on its card the detector looks. Raises SamplesError where there is no
    such picture.
    """
    scanned = scanned_samples(samples, detector, progress, magnified)
    found = evaluation_of(scanned)
    by_class = measured_by_class(scanned, detector.card.classes)
    classes: JsonValue = {name: asdict(ap) for name, ap in by_class.items()}
    return replace(found, numbers={**found.numbers, "classes": classes}) if by_class else found


def scanned_samples(
    samples: Sequence[Sample], detector: Model, progress: Progress, magnified: float = 1.0
) -> list[ScannedPicture]:
    """The annotated pictures of known µm/px with what the detector finds. Raises SamplesError without one."""
    card = detector.card
    twice = has_second_look(card)
    finer = FINER if twice else 1
    pictures = scaled_pictures(samples, card.mpp / magnified / finer)
    if not pictures:
        cause = "no annotated picture of known µm/px among these samples"
        raise SamplesError(names_of_tables(samples), cause, "give rows with mpp and with mask or xml")
    network, normalisation, threshold = detector.network, card.normalisation, card.thresholds["score"]
    scanned: list[ScannedPicture] = []
    for picture in pictures:
        progress(len(scanned), len(pictures))
        one = scan(network, picture, card.input_px, normalisation, threshold, magnified, finer)
        scanned.append(with_second_look(network, one, normalisation, magnified) if twice else one)
    progress(len(pictures), len(pictures))
    return scanned


def evaluation_of(scanned: Sequence[ScannedPicture]) -> Evaluation:
    """The numbers of at least one scanned picture, and the worst cases."""
    n_truth = sum(len(one.picture.circles_px) for one in scanned)
    return Evaluation(
        {
            **_numbers(scanned),
            "threshold": scanned[0].threshold,
            "recall_at_threshold": sum(one.right for one in scanned) / max(n_truth, 1),
            "false_per_image": sum(one.false for one in scanned) / len(scanned),
            "lesions": _lesions(scanned),
            "tables": {str(table): _numbers(part) for table, part in _by_table(scanned).items()},
        },
        worst_sheet(scanned),
    )


def scaled_pictures(samples: Sequence[Sample], mpp: float) -> list[Picture]:
    """The annotated pictures whose scale is known, at `mpp` µm/px."""
    annotated = [sample for sample in samples if sample.mask is not None or sample.xml is not None]
    return [picture for picture in load_pictures(annotated, mpp) if picture.mpp is not None]


def scan(
    network: nn.Module,
    picture: Picture,
    side_px: int,
    normalisation: Normalisation,
    threshold: float,
    magnified: float = 1.0,
    finer: int = 1,
) -> ScannedPicture:
    """A picture with the circles that the first stage finds on it.

    Its pixels are those of the detector's µm/px, or so many times `finer`.
    """
    assert picture.mpp is not None
    seen_mpp = picture.mpp * magnified * finer
    found_px = scan_picture(network, resized(picture.pixels, 1 / finer), seen_mpp, side_px, normalisation)
    found_px[:, :3] *= finer
    return ScannedPicture(picture, found_px, threshold)


def with_second_look(
    network: nn.Module, scanned: ScannedPicture, normalisation: Normalisation, magnified: float = 1.0
) -> ScannedPicture:
    """A picture with its circles as the second stage leaves them."""
    picture = scanned.picture
    assert picture.mpp is not None
    mpp = picture.mpp * magnified
    return replace(
        scanned, found_px=seen_again(network, picture.pixels, scanned.found_px, mpp, normalisation)
    )


def measured(scanned: Sequence[ScannedPicture]) -> CircleAp:
    """Average precision over all pictures together."""
    return circle_ap([one.found_px for one in scanned], [one.picture.circles_px for one in scanned])


def measured_by_table(scanned: Sequence[ScannedPicture]) -> dict[Path, CircleAp]:
    """Average precision over the pictures of each table."""
    return {table: measured(part) for table, part in _by_table(scanned).items()}


def measured_by_class(scanned: Sequence[ScannedPicture], classes: Sequence[str]) -> dict[str, CircleAp]:
    """Average precision of each of several classes, over the pictures in which all glomeruli have a class.

    A circle counts for the class that has the largest share of it. Empty where there is one class only.
    """
    if len(classes) == 1:
        return {}
    of_known_class = [one for one in scanned if all(g.lesion in classes for g in one.picture.truth.glomeruli)]
    measured_: dict[str, CircleAp] = {}
    for kind, name in enumerate(classes):
        found = [one.found_px[one.found_px[:, 4:].argmax(axis=1) == kind] for one in of_known_class]
        of_class = [[g.lesion == name for g in one.picture.truth.glomeruli] for one in of_known_class]
        truth = [
            one.picture.circles_px[np.array(part, bool)]
            for one, part in zip(of_known_class, of_class, strict=True)
        ]
        measured_[name] = circle_ap(found, truth)
    return measured_


def _lesions(scanned: Sequence[ScannedPicture]) -> dict[str, JsonValue]:
    """How many glomeruli of each lesion that is named there are, and which share is found."""
    found: dict[str, list[bool]] = {}
    for one in scanned:
        overlap = circle_iou(one.picture.circles_px, one.shown_px[:, :3])
        is_found = overlap.max(axis=1, initial=0) >= IOU
        for glomerulus, right in zip(one.picture.truth.glomeruli, is_found, strict=True):
            if glomerulus.lesion is not None:
                found.setdefault(glomerulus.lesion, []).append(bool(right))
    return {name: {"n": len(part), "found": float(np.mean(part))} for name, part in sorted(found.items())}


def _by_table(scanned: Sequence[ScannedPicture]) -> dict[Path, list[ScannedPicture]]:
    tables: dict[Path, list[ScannedPicture]] = {}
    for one in scanned:
        tables.setdefault(one.picture.sample.table, []).append(one)
    return {table: tables[table] for table in sorted(tables)}


def _numbers(scanned: Sequence[ScannedPicture]) -> dict[str, JsonValue]:
    """Average precision with its intervals over patients; draws without a true circle do not count."""
    patients = np.array([one.picture.sample.patient for one in scanned])
    pairs = matched([one.found_px for one in scanned], [one.picture.circles_px for one in scanned])

    def of_draw(rows: Rows) -> list[float]:
        ap = ap_of_images(pairs, rows)
        return [getattr(ap, name) for name in STATISTICS]

    found = intervals(patients, of_draw, lambda rows: bool(pairs.n_truth[rows].any()))
    return {
        **asdict(ap_of_images(pairs, np.arange(len(scanned)))),
        **interval_numbers(STATISTICS, found),
        "n_patients": len(np.unique(patients)),
    }
