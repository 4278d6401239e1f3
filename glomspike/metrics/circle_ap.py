"""How well circles are found: COCO's average precision with circle IoU (Yang et al., CircleNet, 2020)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glomspike.geometry.circles import Circles, circle_iou

THRESHOLDS = tuple(np.arange(0.5, 0.96, 0.05).round(2).tolist())
AT_50, AT_75 = THRESHOLDS.index(0.5), THRESHOLDS.index(0.75)
RECALL_POINTS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class CircleAp:
    """Average precision over IoU .50 to .95, at .50 and at .75, and the share found at IoU .50."""

    ap: float
    ap50: float
    ap75: float
    recall50: float
    n_truth: int
    n_images: int


@dataclass(frozen=True, eq=False)
class CircleMatches:
    """The circles found on several images, best first, and what they meet.

    scores and images: (n,) each circle's score and the number of its image; met: (10, n) whether it meets a
    true circle, at each of the `THRESHOLDS`; n_truth: (images,) how many true circles each image has.
    """

    scores: NDArray[np.float64]
    images: NDArray[np.intp]
    met: NDArray[np.bool_]
    n_truth: NDArray[np.intp]


def circle_ap(found: Sequence[NDArray[np.float64]], truth: Sequence[Circles]) -> CircleAp:
    """Average precision of scored circles (n, 4) against true ones (m, 3), one pair for each image."""
    return ap_of_images(matched(found, truth), np.arange(len(truth)))


def matched(found: Sequence[NDArray[np.float64]], truth: Sequence[Circles]) -> CircleMatches:
    """Scored circles (n, 4) matched to true ones (m, 3), one pair for each image.

    Each found circle, best first, takes the free true circle of its image that it overlaps most.
    """
    scores = np.concatenate([np.zeros(0), *(circles[:, 3] for circles in found)])
    images = np.repeat(np.arange(len(found)), [len(circles) for circles in found])
    met = [
        np.array([hits(circles, true, threshold) for threshold in THRESHOLDS])
        for circles, true in zip(found, truth, strict=True)
    ]
    order = np.argsort(-scores, kind="stable")
    none = np.zeros((len(THRESHOLDS), 0), dtype=np.bool_)
    n_truth = np.array([len(true) for true in truth], dtype=np.intp)
    return CircleMatches(scores[order], images[order], np.hstack([none, *met])[:, order], n_truth)


def ap_of_images(found: CircleMatches, images: NDArray[np.intp]) -> CircleAp:
    """Average precision over the images of these numbers, each counted as often as it is named.

    Without any true circle there is nothing to be precise about, and all numbers are 0.
    """
    times = np.bincount(images, minlength=len(found.n_truth))
    n_truth = int(times @ found.n_truth)
    weights = times[found.images]
    ranks = np.cumsum(weights)
    precisions = [_average_precision(np.cumsum(weights[met]), ranks[met], n_truth) for met in found.met]
    return CircleAp(
        ap=float(np.mean(precisions)),
        ap50=precisions[AT_50],
        ap75=precisions[AT_75],
        recall50=float(weights[found.met[AT_50]].sum() / max(n_truth, 1)),
        n_truth=n_truth,
        n_images=len(images),
    )


def hits(found: NDArray[np.float64], truth: Circles, threshold: float) -> NDArray[np.bool_]:
    """Which found circles (n, 4) of one image meet a true circle (m, 3) that no better one has taken.

    They meet where their IoU is at least `threshold`.
    """
    met = np.zeros(len(found), dtype=bool)
    if not len(truth) or not len(found):
        return met
    overlaps = circle_iou(found[:, :3], truth)
    for index in np.argsort(-found[:, 3], kind="stable"):
        best = int(overlaps[index].argmax())
        if overlaps[index, best] >= threshold:
            met[index] = True
            overlaps[:, best] = -1
    return met


def best_threshold(found: Sequence[NDArray[np.float64]], truth: Sequence[Circles]) -> float:
    """The threshold on circles' scores that gives the best F1 at IoU .50; 0.5 where nothing true is found."""
    ranked = matched(found, truth)
    scores, met = ranked.scores, ranked.met[AT_50]
    if not met.any():
        return 0.5
    f1 = 2 * np.cumsum(met) / (np.arange(1, len(met) + 1) + ranked.n_truth.sum())
    best = int(f1.argmax())
    following = scores[best + 1] if best + 1 < len(scores) else 0.0
    return float((scores[best] + following) / 2)


def _average_precision(right: NDArray[np.intp], ranks: NDArray[np.intp], n_truth: int) -> float:
    """The mean over the recall points of the best precision from there on; 0 beyond the last.

    `right` counts the circles that meet a true one, up to each of them, and `ranks` all circles up to there:
    between them precision only falls.
    """
    if not n_truth:
        return 0.0
    precision = right / np.maximum(ranks, 1)
    envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    places = np.searchsorted(right / n_truth, RECALL_POINTS, side="left")
    return float(envelope[places].mean())
