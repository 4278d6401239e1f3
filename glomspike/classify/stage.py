"""Glomeruli scored for spikes: cut into tiles and judged by the method that the classifier's card names."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from glomspike.classify.infer import bag_classifier, tiling_of
from glomspike.classify.real_picture import real_picture_warning
from glomspike.classify.resolution import resolution_warning
from glomspike.classify.scores import judge, placed
from glomspike.classify.tiles import cut_tiles
from glomspike.findings import CallRule, Circle, Glomerulus, Mpp
from glomspike.networks.models import Model
from glomspike.networks.stage import Candidate, SpikeFinding
from glomspike.slide.field import Field, RegionReader
from glomspike.slide.resolution import can_be_scored


@dataclass(frozen=True, eq=False)
class SpikeStage:
    """Scores the candidates' fields, and calls them by a rule."""

    model: Model
    slide_mpp: Mpp
    rule: CallRule
    name = "classify"

    def region(self, _slide: RegionReader, _circle: Circle) -> None:
        """None: spikes are sought in the candidate's field."""

    def apply(
        self, candidates: Sequence[Candidate], _regions: Sequence[Field | None]
    ) -> list[SpikeFinding | None]:
        """The score of each candidate from its field; None where the scan is too coarse to see spikes."""
        if not can_be_scored(self.slide_mpp):
            return [None] * len(candidates)
        tiling = tiling_of(self.model)
        grids = [cut_tiles(candidate.field, candidate.outline, tiling) for candidate in candidates]
        verdicts = bag_classifier(self.model).verdicts(grids)
        findings: list[SpikeFinding | None] = []
        for candidate, grid, verdict in zip(candidates, grids, verdicts, strict=True):
            tiles = placed(grid, verdict.tiles, candidate.field)
            score = judge(tiles, verdict.probability, candidate.field, self.rule)
            findings.append(SpikeFinding(score, tiles))
        return findings

    def warnings(self, detected: Sequence[Glomerulus]) -> Iterator[str]:
        """What the card says of the model's limits, a scan too coarse, and tiles that could not be read."""
        card = self.model.card
        if detected and can_be_scored(self.slide_mpp) and card.limits:
            yield card.limits
        if detected and can_be_scored(self.slide_mpp) and (seen := real_picture_warning(card)) is not None:
            yield seen
        if (warning := resolution_warning(self.slide_mpp, card.mpp)) is not None:
            yield warning
        yield from unreadable_warnings(detected)


def unreadable_warnings(detected: Sequence[Glomerulus]) -> Iterator[str]:
    """A sentence for each glomerulus of which tiles could not be read."""
    for glomerulus in detected:
        spikes = glomerulus.spikes
        if spikes is not None and spikes.unreadable_tiles:
            count = f"{spikes.unreadable_tiles} of {spikes.unreadable_tiles + spikes.tiles} tiles"
            yield f"glomerulus {glomerulus.id}: {count} could not be read and are not scored"
