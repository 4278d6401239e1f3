"""How strongly and where antibodies bind: what reports of fluorescence say, and the network's opinion.

The brightness of a picture is the camera's as much as the stain's, and the same antibody means one disease
along loops and another in the mesangium. Grades and sites, which reports state for each antibody, teach the
network both, where a disease is said of a patient and not of a picture.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from glomspike.modalities import STRONGEST, BindingSite

GRADES = STRONGEST + 1
SITES = ("mesangium", "loops")
UNKNOWN = -1
HIDDEN = 64
PER_MARKER = 2 + len(SITES)


def known_binding(stated: Sequence[tuple[int | None, BindingSite | None]], length: int) -> NDArray[np.int64]:
    """What is known of how an antibody binds on each picture (length, 3), of grades and sites as stated.

    Its grade, whether it binds in the mesangium, whether along loops, each UNKNOWN where nobody says.
    """
    known = np.full((length, 1 + len(SITES)), UNKNOWN, np.int64)
    for row, (grade, site) in zip(known, stated, strict=False):
        if grade is not None:
            row[0] = grade
        if site is not None:
            row[1:] = [one in site for one in SITES]
    return known


class BindingHead(nn.Module):
    """Maps (b, n, channels, h, w) to logits (b, n, GRADES + 2): of each grade, and of each site."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.seen = nn.Linear(2 * channels, HIDDEN)
        self.said = nn.Linear(HIDDEN, GRADES + len(SITES))

    def forward(self, maps: Tensor) -> Tensor:
        pooled = torch.cat([maps.mean(dim=(3, 4)), maps.amax(dim=(3, 4))], dim=2)
        logits: Tensor = self.said(self.seen(pooled).relu())
        return logits.float()


def binding_chances(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The probabilities of grades (…, GRADES), and of each site (…, 2) where anything binds."""
    return logits[..., :GRADES].softmax(dim=-1), logits[..., GRADES:].sigmoid()


def binding_seen(logits: Tensor) -> tuple[tuple[float, ...], dict[str, float]]:
    """The probabilities of grades 0 to 3, and of each site, of one picture's logits."""
    grades, sites = binding_chances(logits)
    return tuple(round(p, 4) for p in grades.tolist()), {
        site: round(p, 4) for site, p in zip(SITES, sites.tolist(), strict=True)
    }


def evidence_by_marker(logits: Tensor, present: Tensor, marker: Tensor, markers: int) -> Tensor:
    """Of each antibody whether there is a picture, how strongly it binds, and how much of that at each site.

    The antibody's strongest picture counts. (b, markers * PER_MARKER), 0 for those without a picture: a mean
    over antibodies cannot say which of them was negative and which was missing.
    """
    grades, sites = binding_chances(logits)
    levels = torch.arange(GRADES, device=logits.device) / STRONGEST
    strength = (grades * levels).sum(dim=-1, keepdim=True)
    said = torch.cat([torch.ones_like(strength), strength, strength * sites], dim=-1)
    of_marker = functional.one_hot(marker, markers) * present[..., None]  # (b, n, markers)
    return (said[:, :, None] * of_marker[..., None]).amax(dim=1).flatten(1)


def binding_loss(logits: Tensor, known: Tensor) -> Tensor:
    """The mean cross-entropies of grades and of sites, each of the pictures of which they are known.

    `known` is (b, n, 3). 0 where nothing is.
    """
    grade, sites = known[..., 0], known[..., 1:]
    loss = logits.sum() * 0
    if bool((grade != UNKNOWN).any()):
        loss = loss + functional.cross_entropy(
            logits[..., :GRADES].flatten(0, 1), grade.flatten(), ignore_index=UNKNOWN
        )
    there = sites != UNKNOWN
    if bool(there.any()):
        loss = loss + functional.binary_cross_entropy_with_logits(
            logits[..., GRADES:][there], sites[there].to(logits.dtype)
        )
    return loss
