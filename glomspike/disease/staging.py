"""Stages in their order: cumulative logits of one shared direction and ordered thresholds.

P(stage > k) = sigmoid(x - t_k), k = 1, 2, 3, with t_1 < t_2 < t_3: the proportional odds of McCullagh (1980).
"""

from collections import Counter
from collections.abc import Iterable

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


def stage_weights(stages: Iterable[int | None]) -> Tensor:
    """How much a patient of each stage (4,) counts, so that all stages count alike; 1 on average.

    Few patients are biopsied late: a threshold between stages 3 and 4 would otherwise lie where only the
    latest of stage 4 pass it.
    """
    known = Counter(stage for stage in stages if stage is not None)
    alike = sum(known.values()) / max(1, len(known))
    return torch.tensor([alike / known[stage] if known[stage] else 1.0 for stage in range(1, STAGES + 1)])


def stage_loss(logits: Tensor, stages: Tensor, weights: Tensor) -> Tensor:
    """The mean cross-entropy of the three questions, each patient's by the weight (4,) of the stage.

    `stages` (b,) are 1 to 4, others are left out. 0 where no stage is known.
    """
    known = stages > 0
    if not bool(known.any()):
        return logits.sum() * 0
    above = (stages[known, None] > torch.arange(1, STAGES, device=stages.device)).float()
    of_patients = functional.binary_cross_entropy_with_logits(logits[known], above, reduction="none")
    return (of_patients.mean(dim=1) * weights.to(logits.device)[stages[known].long() - 1]).mean()


def stage_probabilities(logits: Tensor) -> Tensor:
    """The probability (b, 4) of each stage."""
    above = torch.sigmoid(logits)
    whole = torch.cat([torch.ones_like(above[:, :1]), above, torch.zeros_like(above[:, :1])], dim=1)
    return whole[:, :-1] - whole[:, 1:]
