"""Cross-modal scale attention (Long et al. 2025): electron micrographs ask the other modalities."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

CrossModal = Literal["repaired", "public", "off"]
CROSS_MODAL: tuple[CrossModal, ...] = get_args(CrossModal)
HEADS = 4


class CrossModalAttention(nn.Module):
    """Maps of one modality (b, c, h, w), attended to by those of another, to maps of the same shape.

    Tokens of `attending` are queries, those of `attended` keys and values, both normalised; true heads, their
    output projected once. What the queries found is added, as the mean over queries, to every place of the
    map: a place of one modality is no place of the other.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.of_queries, self.of_keys = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attention = nn.MultiheadAttention(channels, HEADS, bias=False, batch_first=True)

    def forward(self, attended: Tensor, attending: Tensor) -> Tensor:
        found = self.found(_tokens(attended), _tokens(attending))
        return attended + found.mean(dim=1)[:, :, None, None]

    def found(self, attended: Tensor, attending: Tensor) -> Tensor:
        """What each query token (b, q, c) finds (b, q, c) among tokens (b, k, c)."""
        keys = self.of_keys(attended)
        found: Tensor
        found, _ = self.attention(self.of_queries(attending), keys, attended, need_weights=False)
        return found


class PublicCrossModalAttention(nn.Module):
    """The same as in the public code, for comparison: one head, a scrambled output, no norm.

    Its output is transposed and reshaped as if it had heads, which mixes places and channels; queries are
    added to the map place by place.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(channels, channels, bias=False) for _ in range(3))
        self.output = nn.Linear(channels, channels)
        self.root = (channels // HEADS) ** 0.5

    def forward(self, attended: Tensor, attending: Tensor) -> Tensor:
        tokens, queries = _tokens(attended), _tokens(attending)
        scores = self.query(queries) @ self.key(tokens).transpose(1, 2) / self.root
        attention = scores.softmax(dim=2)
        found = attention @ self.value(tokens)
        scrambled = self.output(found.transpose(1, 2).reshape(found.shape))
        side = (attended.shape[2], attended.shape[3])
        if scrambled.shape[1] != tokens.shape[1]:  # there are more places in a micrograph's map
            square = scrambled.transpose(1, 2).unflatten(2, attending.shape[2:])
            scrambled = _tokens(nn.functional.adaptive_avg_pool2d(square, side))
        looked: Tensor = attended + scrambled.transpose(1, 2).unflatten(2, side)
        return looked


class NoAttention(nn.Module):
    """In the place of either: the map as it is."""

    def forward(self, attended: Tensor, _attending: Tensor) -> Tensor:
        return attended


def cross_modal(form: CrossModal, channels: int) -> nn.Module:
    """The attention of a form."""
    if form == "off":
        return NoAttention()
    return CrossModalAttention(channels) if form == "repaired" else PublicCrossModalAttention(channels)


def _tokens(maps: Tensor) -> Tensor:
    """The places (b, h w, c) of maps (b, c, h, w)."""
    return torch.flatten(maps, 2).transpose(1, 2)
