"""Glomeruli scored for spikes: cut into tiles, every tile scored, judged by the highest."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from glomspike.classify.heatmap import Heat, spike_heat
from glomspike.classify.scores import judge, placed, score_grids
from glomspike.classify.tiles import cut_tiles
from glomspike.findings import Circle, Glomerulus, Outline, TileScores
from glomspike.models import Model
from glomspike.slide.field import Field


@dataclass(frozen=True, eq=False)
class Judged:
    """A glomerulus with the field it was seen in, and its tiles' scores where it was scored."""

    glomerulus: Glomerulus
    field: Field
    scores: TileScores | None

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
    """The judgement of each glomerulus, from its field at the classifier's µm/px; all tiles run together."""
    grids = [cut_tiles(field, outline) for field, outline in zip(fields, outlines, strict=True)]
    scores = score_grids(classifier.network, grids, classifier.card.normalisation)
    judged = []
    parts = zip(ids, circles, outlines, fields, grids, scores, strict=True)
    for id_, circle, outline, field, grid, own in parts:
        tiles = placed(grid, own, field.frame, field.mpp)
        glomerulus = Glomerulus(id_, circle, outline, judge(tiles, field.frame, threshold))
        judged.append(Judged(glomerulus, field, tiles))
    return judged
