"""How well circles are found: COCO's average precision with circle IoU (Yang et al., CircleNet, 2020)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glomspike.detect.circles import Circles, circle_iou

THRESHOLDS = tuple(np.arange(0.5, 0.96, 0.05).round(2).tolist())
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


def circle_ap(found: Sequence[NDArray[np.float64]], truth: Sequence[Circles]) -> CircleAp:
    """Average precision of scored circles (n, 4) against true ones (m, 3), one pair for each image.

    Each found circle, best first, takes the free true circle of its image that it overlaps most. Without
    any true circle there is nothing to be precise about, and all numbers are 0.
    """
    n_truth = sum(len(circles) for circles in truth)
    precisions, recalls = [], []
    for threshold in THRESHOLDS:
        _, met = _ranked(found, truth, threshold)
        precisions.append(_average_precision(met, n_truth))
        recalls.append(met.sum() / n_truth if n_truth else 0.0)
    return CircleAp(
        ap=float(np.mean(precisions)),
        ap50=precisions[THRESHOLDS.index(0.5)],
        ap75=precisions[THRESHOLDS.index(0.75)],
        recall50=float(recalls[THRESHOLDS.index(0.5)]),
        n_truth=n_truth,
        n_images=len(truth),
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
    """The score that, asked of circles, gives the best F1 at IoU .50; 0.5 where nothing true is found."""
    scores, met = _ranked(found, truth, 0.5)
    if not met.any():
        return 0.5
    f1 = 2 * np.cumsum(met) / (np.arange(1, len(met) + 1) + sum(len(circles) for circles in truth))
    best = int(f1.argmax())
    following = scores[best + 1] if best + 1 < len(scores) else 0.0
    return float((scores[best] + following) / 2)


def _ranked(
    found: Sequence[NDArray[np.float64]], truth: Sequence[Circles], threshold: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The scores of all images' circles, best first, and which of them meet a true one."""
    scores = np.concatenate([np.zeros(0), *(circles[:, 3] for circles in found)])
    met = [hits(own, true, threshold) for own, true in zip(found, truth, strict=True)]
    order = np.argsort(-scores, kind="stable")
    return scores[order], np.concatenate([np.zeros(0, dtype=np.bool_), *met])[order]


def _average_precision(met: NDArray[np.bool_], n_truth: int) -> float:
    """The mean over the recall points of the best precision from there on; 0 beyond the last."""
    if not n_truth or not len(met):
        return 0.0
    right = np.cumsum(met)
    precision = right / np.arange(1, len(met) + 1)
    envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    places = np.searchsorted(right / n_truth, RECALL_POINTS, side="left")
    return float(envelope[places].mean())
