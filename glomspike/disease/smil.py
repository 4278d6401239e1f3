"""One map of a bag of images: how much each image counts (sparse multi-instance learning, Long et al. 2025).

Images of a batch of bags are (b, n); `present` says which are there, since bags are filled up to one length.
Whatever is absent weighs nothing, and what is in one bag never depends on another.
"""

import math
from typing import Literal, NamedTuple, Self, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from glomspike.networks.attention import Attention

Aggregate = Literal["counts", "place-attention", "gated-attention", "mean", "medoid", "sum", "public"]
LEARNT = ("place-attention", "gated-attention")
BY_PLACE = ("counts", "place-attention")  # tell places of an image apart
AGGREGATES: tuple[Aggregate, ...] = get_args(Aggregate)
HIDDEN = 64
TINY = 1e-8
NEVER = -1e9  # a score whose softmax is 0


class BagWeights(NamedTuple):
    """How much each image of a bag counts, all (b, n).

    `weights` are 0 for what is absent or not `kept`, `distance` is that to the bag's most central image.
    `showing` is the logit that an image shows what is looked for, which where it is learnt decides the
    weights, and elsewhere is 0.
    """

    weights: Tensor
    kept: Tensor
    distance: Tensor
    showing: Tensor

    @classmethod
    def unlearnt(cls, weights: Tensor, kept: Tensor, distance: Tensor) -> Self:
        """Those of an aggregation that does not learn what an image shows."""
        return cls(weights, kept, distance, torch.zeros_like(weights))


class Aggregation(nn.Module):
    """Maps (b, n, c, h, w) of bags to one map (b, c, h, w) each, with its `BagWeights`.

    "place-attention" learns which places of which images count, so that a finding that fills a fiftieth of
    one image is not diluted by the rest of it; an image weighs what its places do. "counts" weighs places and
    images by `begin` alone. "gated-attention" learns which images count, each by the mean of its places.
    "medoid" drops images farther from the most central one than `keep` times the mean distance, and weighs
    the others by nearness; it is blind to labels. "mean" weighs all alike. The weights of these five sum to
    1. "sum" and "public" are for comparison: the plain sum, and the sum that the equations of the public code
    make, whose size grows with the bag.
    """

    def __init__(self, aggregate: Aggregate, channels: int, keep: float) -> None:
        super().__init__()
        self.aggregate, self.keep = aggregate, keep
        self.attention = Attention(channels, HIDDEN, gated=True) if aggregate in LEARNT else None
        # Only differences of scores decide the weights; that an image shows nothing needs a level.
        self.level = nn.Parameter(torch.zeros(())) if aggregate in {*LEARNT, *BY_PLACE} else None

    def forward(
        self, maps: Tensor, present: Tensor, begin: Tensor | None = None
    ) -> tuple[Tensor, BagWeights]:
        """`begin` (b, n, h, w) is what is known before of how much each place counts."""
        if self.aggregate in BY_PLACE:
            return self._by_place(maps, present, begin)
        weighing = self._by_image(maps, present)
        return torch.einsum("bn,bnchw->bchw", weighing.weights.to(maps.dtype), maps), weighing

    def _by_place(self, maps: Tensor, present: Tensor, begin: Tensor | None) -> tuple[Tensor, BagWeights]:
        """A map whose mean over places is the sum of all places of all images, by weights that sum to 1."""
        scores = maps.new_zeros(*maps.shape[:2], *maps.shape[3:]) if begin is None else begin
        if self.attention is not None:
            scores = scores + self.attention(maps.movedim(2, 4))
        count = scores[0, 0].numel()
        weighing = self._learnt(scores.flatten(2).logsumexp(dim=2) - math.log(count), maps, present)
        within = scores.flatten(2).softmax(dim=2).view_as(scores)
        weights = count * weighing.weights[..., None, None] * within
        return torch.einsum("bnhw,bnchw->bchw", weights.to(maps.dtype), maps), weighing

    def _learnt(self, scores: Tensor, maps: Tensor, present: Tensor) -> BagWeights:
        """The softmax over a bag's images of their scores (b, n)."""
        assert self.level is not None
        # A bag without an image has no weights.
        weights = scores.masked_fill(~present, NEVER).softmax(dim=1) * present
        distance = _to_medoid(distances(maps.float().mean(dim=(3, 4))), present).distance
        return BagWeights(weights, present, distance, scores - self.level)

    def _by_image(self, maps: Tensor, present: Tensor) -> BagWeights:
        """How much each image counts."""
        if self.aggregate == "public":
            return public_weighing(maps, present, self.keep)
        pooled = maps.float().mean(dim=(3, 4))
        if self.aggregate == "medoid":
            return medoid_weighing(pooled, present, self.keep)
        if self.attention is not None:
            return self._learnt(self.attention(pooled), maps, present)
        weights = present.float()
        if self.aggregate == "mean":
            weights = weights / weights.sum(dim=1, keepdim=True).clamp(min=1)
        distance = _to_medoid(distances(pooled), present).distance
        return BagWeights.unlearnt(weights, present, distance)


def distances(pooled: Tensor) -> Tensor:
    """Between the directions of pooled features (b, n, c): (b, n, n), exactly 0 between equal images."""
    directions = functional.normalize(pooled.detach().float(), dim=2)
    return (directions[:, :, None] - directions[:, None]).square().sum(dim=3).sqrt()


def medoid_weighing(pooled: Tensor, present: Tensor, keep: float) -> BagWeights:
    """The rule of nearness for pooled features (b, n, c).

    S holds the medoid and what lies within `keep` times the mean distance from it; weights are the softmax
    over S of minus the distance by its median. Bags of one or two images and bags of equal images are weighed
    alike. Nothing here has a gradient.
    """
    between = distances(pooled)
    near = _to_medoid(between, present)
    kept = present & (near.distance <= keep * near.mean[:, None]) | near.is_medoid
    usual = _median_above_zero(between, present)
    scores = (-near.distance / usual[:, None]).masked_fill(~kept, NEVER)
    by_nearness = scores.softmax(dim=1) * kept
    alike = (present.sum(dim=1) <= 2) | (near.mean == 0)
    kept = torch.where(alike[:, None], present, kept)
    equal = present.float() / present.sum(dim=1, keepdim=True).clamp(min=1)
    weights = torch.where(alike[:, None], equal, by_nearness)
    return BagWeights.unlearnt(weights, kept, near.distance)


def public_weighing(maps: Tensor, present: Tensor, keep: float) -> BagWeights:
    """The weights of the public code's equations: laid-flat maps, 1 / distance brought to 0 … 1.

    The medoid and its nearest neighbour weigh 1, the farthest image kept 0. Its errors that stop the program
    or take another image for the medoid are not repeated; bags of one or two images are summed.
    """
    flat = maps.detach().float().flatten(2)
    between = torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist")
    near = _to_medoid(between, present)
    kept = present & (near.distance <= keep * near.mean[:, None]) | near.is_medoid
    others = kept & ~near.is_medoid
    nearness = 1 / (near.distance + TINY)
    low = nearness.masked_fill(~others, float("inf")).amin(dim=1, keepdim=True)
    high = nearness.masked_fill(~others, 0.0).amax(dim=1, keepdim=True)
    weights = torch.where(others, (nearness - low) / (high - low).clamp(min=TINY), near.is_medoid.float())
    few = present.sum(dim=1, keepdim=True) <= 2
    weights = torch.where(few, present.float(), weights)
    return BagWeights.unlearnt(weights, torch.where(few, present, kept), near.distance)


class _Nearness(NamedTuple):
    """The distance of each image (b, n) to the medoid, which image that is (b, n), the mean of pairs (b,)."""

    distance: Tensor
    is_medoid: Tensor
    mean: Tensor


def _pairs(present: Tensor) -> Tensor:
    """Which pairs (b, n, n) are of two images that are there."""
    itself = torch.eye(present.shape[1], dtype=torch.bool, device=present.device)
    return present[:, :, None] & present[:, None] & ~itself


def _to_medoid(between: Tensor, present: Tensor) -> _Nearness:
    pairs = _pairs(present)
    total = (between * pairs).sum(dim=2).masked_fill(~present, float("inf"))
    medoid = total.argmin(dim=1)
    rows = torch.arange(len(between), device=between.device)
    is_medoid = functional.one_hot(medoid, present.shape[1]).bool() & present
    mean = (between * pairs).sum(dim=(1, 2)) / pairs.sum(dim=(1, 2)).clamp(min=1)
    return _Nearness(between[rows, medoid] * present, is_medoid, mean)


def _median_above_zero(between: Tensor, present: Tensor) -> Tensor:
    """The median (b,) of the distances above 0; 1 where there is none."""
    counted = between.masked_fill(~(_pairs(present) & (between > 0)), float("nan"))
    return counted.flatten(1).nanmedian(dim=1).values.nan_to_num(1.0)
