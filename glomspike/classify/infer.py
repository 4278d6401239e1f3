"""Glomeruli scored for spikes: cut into tiles, and judged by the method that the classifier's card names."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from glomspike.classify.attention import AttentionMil, HighestTile
from glomspike.classify.heatmap import Heat, spike_heat
from glomspike.classify.method import BagClassifier
from glomspike.classify.model import NETWORKS
from glomspike.classify.msa_mil import MsaMil
from glomspike.classify.pooling import BY_HIGHEST, POOLED
from glomspike.classify.scores import judge, placed
from glomspike.classify.tiles import Tiling, cut_tiles
from glomspike.findings import Circle, Glomerulus, Lesion, Outline, TileScores
from glomspike.networks.models import Model
from glomspike.slide.field import Field

# By the architecture on a card; a method's networks are its own.
METHODS: dict[str, type[MsaMil | AttentionMil]] = {
    **dict.fromkeys(NETWORKS, MsaMil),
    **dict.fromkeys(POOLED, AttentionMil),
    **dict.fromkeys(BY_HIGHEST, HighestTile),
}


@dataclass(frozen=True, eq=False)
class Judged:
    """A glomerulus with the field it was seen in, and its tiles' scores where it was scored."""

    glomerulus: Glomerulus
    field: Field
    scores: TileScores | None

    def with_lesion(self, lesion: Lesion | None) -> "Judged":
        """The same, told what ails the glomerulus."""
        return replace(self, glomerulus=replace(self.glomerulus, lesion=lesion))

    def heat(self) -> Heat | None:
        """The spike heatmap over the field, or None where nothing was scored."""
        if self.scores is None or len(self.scores.probabilities) == 0:
            return None
        return spike_heat(self.scores, self.glomerulus.outline, self.field)


def judge_glomeruli(
    ids: Iterable[int],
    circles: Sequence[Circle],
    outlines: Sequence[Outline],
    fields: Sequence[Field],
    classifier: Model,
    threshold: float,
) -> list[Judged]:
    """The judgement of each glomerulus, from its field at the classifier's µm/px."""
    tiling = tiling_of(classifier)
    grids = [cut_tiles(field, outline, tiling) for field, outline in zip(fields, outlines, strict=True)]
    verdicts = bag_classifier(classifier).verdicts(grids)
    judged = []
    parts = zip(ids, circles, outlines, fields, grids, verdicts, strict=True)
    for id_, circle, outline, field, grid, verdict in parts:
        tiles = placed(grid, verdict.tiles, field)
        score = judge(tiles, verdict.probability, field, threshold)
        judged.append(Judged(Glomerulus(id_, circle, outline, score), field, tiles))
    return judged


def bag_classifier(model: Model) -> BagClassifier:
    """The trained method that a classifier's card names, ready to judge."""
    return METHODS[model.card.architecture].of(model)


def tiling_of(model: Model) -> Tiling:
    """How a classifier was taught to see glomeruli cut."""
    return Tiling.of(model.card.arguments)
