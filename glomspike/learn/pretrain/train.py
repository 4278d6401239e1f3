"""The encoder's training: two views of each patch of tissue, in other stains, turns, scales and sharpness."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from glomspike.errors import SamplesError
from glomspike.findings import RGB
from glomspike.learn.augmentation import Rng, compressed, focused, glass, lit, restained, turned, warped
from glomspike.learn.pretrain.simsiam import SimSiam, Views, retrieval, simsiam_loss, spread
from glomspike.learn.pretrain.tissue import COARSEST_MPP, FINEST_MPP, Source, cut_all
from glomspike.learn.sheets import COLUMNS, sheet
from glomspike.learn.training import LICENCE, NORMALISATION, Batch, Example, validation_metrics
from glomspike.networks.weights import CardDraft

# A patch is so many times as wide as a view of it, which has room to turn and to move in it.
PATCH_SIDES = 2
# Where both views always change their dyes, little is left at first that they have in common.
RESTAINED = 0.4
HELD_OUT = 256
QUERIES = 4
EMBEDDED_AT_ONCE = 64


@dataclass(frozen=True)
class PretrainOptions:
    """What is used: `patches` pieces of tissue, each cut once, in views of `view_px` pixels."""

    encoder: str = "resnet18"
    view_px: int = 96
    patches: int = 6000


class PretrainTask:
    """Brings SimSiam to the training loop."""

    quality = "retrieval"

    def __init__(self, sources: Sequence[Source], options: PretrainOptions) -> None:
        """Cuts the patches; a few of them are held out to see whether views are recognised.

        Raises SamplesError for sources without tissue, SlideError for a picture that cannot be read.
        """
        self.sources, self.options = sources, options
        patches = cut_all(sources, options.patches, PATCH_SIDES * options.view_px)
        held_out = min(HELD_OUT, max(COLUMNS, len(patches) // 5))
        if len(patches) <= held_out:
            folders = ", ".join(str(source.folder) for source in sources)
            raise SamplesError(folders, f"only {len(patches)} pieces of tissue in it", "give more tissue")
        self.held_out, self.patches = patches[:held_out], patches[held_out:]

    @property
    def signature(self) -> str:
        images = [
            (str(picture.image), picture.image.stat().st_size)
            for source in self.sources
            for picture in source.pictures
        ]
        return json.dumps([images, asdict(self.options)])

    def network(self) -> nn.Module:
        return SimSiam(self.options.encoder)

    def begin_epoch(self, network: nn.Module, epoch: int) -> int:
        return len(self.patches)

    def sample(self, index: int, rng: Rng) -> Example:
        patch = self.patches[rng.integers(len(self.patches))]
        return {
            "one": view(patch, self.options.view_px, rng),
            "other": view(patch, self.options.view_px, rng),
        }

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """SimSiam's loss of a batch of pairs of views, a scalar."""
        seen = [Views(*network(NORMALISATION.apply(batch[key]))) for key in ("one", "other")]
        return simsiam_loss(*seen)

    def validate(self, network: nn.Module) -> dict[str, float]:
        one, other = (self._embedded(network, [self._view(i, side) for i in self._places]) for side in (0, 1))
        return {"retrieval": retrieval(one, other), "spread": spread(one)}

    @property
    def _places(self) -> range:
        return range(len(self.held_out))

    def _view(self, place: int, side: int) -> RGB:
        return view(self.held_out[place], self.options.view_px, np.random.default_rng((place, side)))

    def _embedded(self, network: nn.Module, views: Sequence[RGB]) -> Tensor:
        device = next(network.parameters()).device
        parts = torch.split(torch.from_numpy(np.stack(views)).to(device), EMBEDDED_AT_ONCE)
        return torch.cat([network(NORMALISATION.apply(part))[0].float() for part in parts])

    def examples(self, network: nn.Module) -> RGB:
        """A sheet of held-out patches, each beside the three others that the encoder finds most alike."""
        views = [self._view(place, 0) for place in self._places]
        unit = functional.normalize(self._embedded(network, views))
        nearest = (unit @ unit.T).topk(COLUMNS).indices[:QUERIES].cpu().numpy()
        captions = [
            f"{row + 1}: {'view' if rank == 0 else 'like it'}" for row, rank in np.ndindex(nearest.shape)
        ]
        return sheet([views[place] for place in nearest.ravel()], captions)

    def card(self, measured: dict[str, float]) -> CardDraft:
        return CardDraft(
            kind="encoder",
            name="glomspike tissue encoder",
            version="1",
            architecture=self.options.encoder,
            arguments={"encoder": self.options.encoder},
            mpp=(FINEST_MPP * COARSEST_MPP) ** 0.5,
            input_px=self.options.view_px,
            normalisation=NORMALISATION,
            classes=("tissue",),
            thresholds={},
            training_data=tuple(source.training_data for source in self.sources),
            metrics=validation_metrics(measured, len(self.held_out)),
            intended_use="research: a beginning for trainings on kidney tissue (`train --encoder-weights`)",
            limits=f"learnt without labels, at {FINEST_MPP:g} to {COARSEST_MPP:g} µm/px",
            licence=LICENCE,
        )


def view(patch: RGB, side_px: int, rng: Rng) -> RGB:
    """A square (side_px, side_px, 3) of a patch: turned, moved, scaled by 0.7 to 1.4, restained."""
    scale = float(np.exp(rng.uniform(np.log(0.7), np.log(1.4))))
    x, y = np.array(patch.shape[1::-1]) / 2 + rng.uniform(-0.2, 0.2, 2) * side_px
    matrix = turned(rng, side_px, (float(x), float(y)), scale)
    pixels = warped(patch, matrix, side_px, glass(patch, rng))
    if rng.random() < RESTAINED:
        pixels = restained(pixels, rng)
    return compressed(focused(lit(pixels, rng), rng), rng)
