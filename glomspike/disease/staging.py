"""Stages in their order: cumulative logits of one shared direction and ordered thresholds.

P(stage > k) = sigmoid(x - t_k), k = 1, 2, 3, with t_1 < t_2 < t_3: the proportional odds of McCullagh (1980).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

STAGES = 4
# Between two thresholds at first. A narrower stage between two others would never be the likeliest.
APART = 3.0


class OrdinalHead(nn.Module):
    """Features (b, n) to the logits (b, 3) of P(stage > 1), P(stage > 2), P(stage > 3), which never rise.

    `lateness` (b,) is what is known before of how late the stage is, on the scale of the logits.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.direction = nn.Linear(features, 1, bias=False)
        self.first = nn.Parameter(torch.tensor(-APART))
        self.steps = nn.Parameter(torch.zeros(STAGES - 2))

    def forward(self, features: Tensor, lateness: Tensor) -> Tensor:
        return self.at(lateness + self.direction(features).float().squeeze(1))

    def at(self, lateness: Tensor) -> Tensor:
        """The logits (…, 3) of the three questions where something is so late (…)."""
        return lateness[..., None] - self.thresholds()

    def thresholds(self) -> Tensor:
        """The three thresholds, rising."""
        above = functional.softplus(self.steps + APART).cumsum(dim=0)
        return torch.cat([self.first[None], self.first + above])


def stage_loss(logits: Tensor, stages: Tensor) -> Tensor:
    """The mean cross-entropy of the three questions; `stages` (b,) are 1 to 4, others are left out.

    0 where no stage is known.
    """
    known = stages > 0
    if not bool(known.any()):
        return logits.sum() * 0
    above = (stages[known, None] > torch.arange(1, STAGES, device=stages.device)).float()
    return functional.binary_cross_entropy_with_logits(logits[known], above)


def stage_probabilities(logits: Tensor) -> Tensor:
    """The probability (b, 4) of each stage."""
    above = torch.sigmoid(logits)
    whole = torch.cat([torch.ones_like(above[:, :1]), above, torch.zeros_like(above[:, :1])], dim=1)
    return whole[:, :-1] - whole[:, 1:]
