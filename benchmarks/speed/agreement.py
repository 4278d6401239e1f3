"""How far two sets of models agree: in what they find and call on a slide, and in the tiles of a picture."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glomspike.analysis import analyse
from glomspike.classify.infer import bag_classifier, tiling_of
from glomspike.classify.tiles import grid_of
from glomspike.findings import RGB, Glomerulus, SlideResult, SpikeScore
from glomspike.networks.models import Models
from glomspike.slide.reader import open_slide

AGREEMENT = (
    *("glomeruli", "found by one alone", "called differently"),
    *("largest difference of a glomerulus", "of a centre, µm", "of a radius, µm"),
)


@dataclass(frozen=True)
class Agreement:
    """How far two results of one slide agree.

    `counts` are the glomeruli of each, `alone` how many of both have no partner, `other_calls` the pairs that
    are called differently. The rest are the largest differences between partners: of spike probabilities, of
    centres and of radii.
    """

    counts: tuple[int, int]
    alone: int
    other_calls: int
    probability: float
    centre_um: float
    radius_um: float

    @property
    def cells(self) -> list[str]:
        """The numbers, as `AGREEMENT` heads them."""
        largest = [f"{self.probability:.4f}", f"{self.centre_um:.2f}", f"{self.radius_um:.2f}"]
        return [f"{self.counts[0]} and {self.counts[1]}", str(self.alone), str(self.other_calls), *largest]

    @property
    def is_same(self) -> bool:
        """Whether the same glomeruli are called the same."""
        return not self.alone and not self.other_calls


def found_on(path: Path, models: Models) -> SlideResult:
    """What these models find on a slide."""
    with open_slide(path) as slide:
        return analyse(slide, models)


def agreement(one: SlideResult, other: SlideResult) -> Agreement:
    """How far two results of one slide agree."""
    pairs = _partners(one, other)
    counts = len(one.glomeruli), len(other.glomeruli)
    scores = [(a.judgement, b.judgement) for a, b in pairs]
    off = [(a.circle.x0 - b.circle.x0, a.circle.y0 - b.circle.y0) for a, b in pairs]
    mpp = one.slide.mpp
    return Agreement(
        counts,
        alone=sum(counts) - 2 * len(pairs),
        other_calls=sum(_call(a) != _call(b) for a, b in scores),
        probability=max((abs(a.probability - b.probability) for a, b in scores if a and b), default=0.0),
        centre_um=max((float(np.hypot(x0 * mpp.x, y0 * mpp.y)) for x0, y0 in off), default=0.0),
        radius_um=max((abs(a.circle.radius_um - b.circle.radius_um) for a, b in pairs), default=0.0),
    )


def tile_difference(one: Models, other: Models, picture: RGB) -> float:
    """By how much the probability of a tile of a picture differs at most; all of it counts as glomerulus."""
    whole = np.ones(picture.shape[:2], dtype=np.bool_)
    first, second = (
        bag_classifier(models["classifier"]).verdicts(
            [grid_of(picture, whole, whole, tiling_of(models["classifier"]))]
        )[0]
        for models in (one, other)
    )
    return float(np.abs(first.tiles - second.tiles).max())


def _partners(one: SlideResult, other: SlideResult) -> list[tuple[Glomerulus, Glomerulus]]:
    """Glomeruli whose centres lie nearest to each other, and no further than half a radius."""
    if not one.glomeruli or not other.glomeruli:
        return []
    first, second = (
        np.array([(g.circle.x0 * r.slide.mpp.x, g.circle.y0 * r.slide.mpp.y) for g in r.glomeruli])
        for r in (one, other)
    )
    apart_um = np.linalg.norm(first[:, None] - second[None], axis=2)
    there, back = apart_um.argmin(axis=1), apart_um.argmin(axis=0)
    return [
        (a, other.glomeruli[there[i]])
        for i, a in enumerate(one.glomeruli)
        if back[there[i]] == i and apart_um[i, there[i]] <= a.circle.radius_um / 2
    ]


def _call(score: SpikeScore | None) -> str:
    return "none" if score is None else score.call
