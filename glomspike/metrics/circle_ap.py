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
    scores = np.concatenate([circles[:, 3] for circles in found] or [np.zeros(0)])
    order = np.argsort(-scores, kind="stable")
    precisions, recalls = [], []
    for threshold in THRESHOLDS:
        pairs = zip(found, truth, strict=True)
        hits = np.concatenate([_hits(f, t, threshold) for f, t in pairs] or [np.zeros(0, bool)])[order]
        precisions.append(_average_precision(hits, n_truth))
        recalls.append(hits.sum() / n_truth if n_truth else 0.0)
    return CircleAp(
        ap=float(np.mean(precisions)),
        ap50=precisions[THRESHOLDS.index(0.5)],
        ap75=precisions[THRESHOLDS.index(0.75)],
        recall50=float(recalls[THRESHOLDS.index(0.5)]),
        n_truth=n_truth,
        n_images=len(truth),
    )


def best_threshold(found: Sequence[NDArray[np.float64]], truth: Sequence[Circles]) -> float:
    """The score that, asked of circles, gives the best F1 at IoU .50; 0.5 where nothing true is found."""
    scores = np.concatenate([circles[:, 3] for circles in found] or [np.zeros(0)])
    hits = np.concatenate(
        [_hits(f, t, 0.5) for f, t in zip(found, truth, strict=True)] or [np.zeros(0, bool)]
    )
    if not hits.any():
        return 0.5
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum(hits[order])
    f1 = 2 * right / (np.arange(1, len(right) + 1) + sum(len(circles) for circles in truth))
    best = int(f1.argmax())
    following = scores[order][best + 1] if best + 1 < len(order) else 0.0
    return float((scores[order][best] + following) / 2)


def _hits(found: NDArray[np.float64], truth: Circles, threshold: float) -> NDArray[np.bool_]:
    """Which found circles of one image meet a true circle that no better one has taken."""
    hits = np.zeros(len(found), dtype=bool)
    if not len(truth) or not len(found):
        return hits
    overlaps = circle_iou(found[:, :3], truth)
    for index in np.argsort(-found[:, 3], kind="stable"):
        best = int(overlaps[index].argmax())
        if overlaps[index, best] >= threshold:
            hits[index] = True
            overlaps[:, best] = -1
    return hits


def _average_precision(hits: NDArray[np.bool_], n_truth: int) -> float:
    if not n_truth or not len(hits):
        return 0.0
    found = np.cumsum(hits)
    precision = found / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(found / n_truth, RECALL_POINTS, side="left")
    return float(np.where(places < len(hits), envelope[np.minimum(places, len(hits) - 1)], 0).mean())
