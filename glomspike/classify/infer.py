"""A classifier as its card describes it: the method that judges bags of tiles, and how those are cut."""

from glomspike.classify.attention import AttentionMil, HighestTile
from glomspike.classify.method import BagClassifier
from glomspike.classify.model import NETWORKS
from glomspike.classify.msa_mil import MsaMil
from glomspike.classify.pooling import BY_HIGHEST, POOLED
from glomspike.classify.tiles import Tiling
from glomspike.networks.models import Model

# By the architecture on a card; each method has networks of its kind.
METHODS: dict[str, type[MsaMil | AttentionMil]] = {
    **dict.fromkeys(NETWORKS, MsaMil),
    **dict.fromkeys(POOLED, AttentionMil),
    **dict.fromkeys(BY_HIGHEST, HighestTile),
}


def bag_classifier(model: Model) -> BagClassifier:
    """The trained method that a classifier's card names, ready to judge."""
    return METHODS[model.card.architecture].of(model)


def tiling_of(model: Model) -> Tiling:
    """How a classifier was trained to see glomeruli cut."""
    return Tiling.of(model.card.arguments)
