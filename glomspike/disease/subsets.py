"""Which modalities a judgement rests on: all seven subsets, and what they are called."""

from collections.abc import Collection
from itertools import combinations

from glomspike.modalities import MODALITIES, Modality

Subset = tuple[Modality, ...]
ALL: Subset = MODALITIES
SUBSETS: tuple[Subset, ...] = tuple(
    subset for count in range(len(MODALITIES), 0, -1) for subset in combinations(MODALITIES, count)
)


def subset_name(modalities: Collection[Modality]) -> str:
    """The modalities joined in one order: `om+if+tem`."""
    return "+".join(m for m in MODALITIES if m in modalities)
