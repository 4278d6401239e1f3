"""Attention over the instances of a bag: the one place where models learn how much each counts."""

from torch import Tensor, nn


class Attention(nn.Module):
    """Features (..., n, features) of instances to how much each counts (..., n), before the softmax.

    Ilse et al., "Attention-based deep multiple instance learning" (2018): equation 8, or with `gated`
    equation 9.
    """

    def __init__(self, features: int, hidden: int, *, gated: bool) -> None:
        super().__init__()
        self.seen = nn.Sequential(nn.Linear(features, hidden), nn.Tanh())
        self.weight = nn.Linear(hidden, 1, bias=False)
        self.gate = nn.Sequential(nn.Linear(features, hidden), nn.Sigmoid()) if gated else None

    def forward(self, features: Tensor) -> Tensor:
        hidden = self.seen(features)
        if self.gate is not None:
            hidden = hidden * self.gate(features)
        scores: Tensor = self.weight(hidden)[..., 0]
        return scores.float()
