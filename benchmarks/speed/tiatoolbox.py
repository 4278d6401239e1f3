"""Seconds for a glomerulus scored and outlined by TIAToolbox's engines, with glomspike's networks.

    PYTHONPATH=. PYTHON benchmarks/speed/tiatoolbox.py PICTURES

PYTHON has TIAToolbox and what glomspike needs. Tiles are cut by its sliding window extractor, with as much
around them as the network learnt with, and given to PatchPredictor; crops are given to SemanticSegmentor.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tiatoolbox.models.engine.io_config import IOPatchPredictorConfig, IOSegmentorConfig
from tiatoolbox.models.engine.patch_predictor import PatchPredictor
from tiatoolbox.models.engine.semantic_segmentor import SemanticSegmentor
from tiatoolbox.models.models_abc import ModelABC
from tiatoolbox.tools.patchextraction import SlidingWindowPatchExtractor
from torch import Tensor, nn

from benchmarks.speed.papers_way import MiddleTile
from benchmarks.speed.pictures import STRIDE_PX, TILE_PX, Pictures, seconds_of
from glomspike.classify.views import view_side_px
from glomspike.networks.models import load_model
from glomspike.networks.weights import Normalisation

BATCH = 32  # the fastest of 8 (the default), 32 and 128
BASELINE = [{"units": "baseline", "resolution": 1.0}]


class WrappedNetwork(ModelABC):
    """A network of glomspike's as TIAToolbox's engines want it."""

    def __init__(self, network: nn.Module, normalisation: Normalisation) -> None:
        super().__init__()
        self.network, self.normalisation = network, normalisation

    def forward(self, pictures: Tensor) -> Tensor:
        """Probabilities of both classes, in the last dimension."""
        spiked = torch.sigmoid(self.network(self.normalisation.apply(pictures)))
        both = torch.stack([1 - spiked, spiked], dim=-1)
        return both[:, 0] if both.ndim == 5 else both

    @staticmethod
    def infer_batch(model: nn.Module, batch_data: Tensor, *, device: str) -> NDArray[np.float32]:
        """See `ModelABC`."""
        with torch.inference_mode():
            return np.asarray(model(batch_data.to(device)).cpu().numpy())


def predicted(model: WrappedNetwork, pictures: Pictures, side_px: int, batch: int = BATCH) -> Any:
    """What PatchPredictor says of all tiles."""
    around_px = (side_px - TILE_PX) // 2
    padded = np.pad(pictures.glomerulus, ((around_px, around_px), (around_px, around_px), (0, 0)))
    cut = SlidingWindowPatchExtractor(
        input_img=padded,
        patch_size=(side_px, side_px),
        stride=(STRIDE_PX, STRIDE_PX),
        resolution=1.0,
        units="baseline",
        within_bound=True,
    )
    engine = PatchPredictor(model=model, batch_size=batch, num_workers=0, device="cpu", verbose=False)
    config = IOPatchPredictorConfig(
        patch_input_shape=(side_px, side_px), stride_shape=(STRIDE_PX, STRIDE_PX), input_resolutions=BASELINE
    )
    return engine.run(np.stack(list(cut)), patch_mode=True, ioconfig=config, return_probabilities=True)


def segmented(model: WrappedNetwork, crops: NDArray[np.uint8]) -> Any:
    """What SemanticSegmentor says of all crops."""
    engine = SemanticSegmentor(model=model, batch_size=BATCH, num_workers=0, device="cpu", verbose=False)
    shape = crops.shape[1:3]
    config = IOSegmentorConfig(
        patch_input_shape=shape,
        stride_shape=shape,
        patch_output_shape=shape,
        input_resolutions=BASELINE,
        output_resolutions=BASELINE,
    )
    return engine.run(crops, patch_mode=True, ioconfig=config, return_probabilities=True)


def main(pictures: Pictures) -> None:
    """Print the seconds as JSON; each engine has run once before it is timed."""
    cpu, side_px = torch.device("cpu"), view_side_px(TILE_PX)
    classifier, segmenter = load_model("classifier", None, cpu), load_model("segmenter", None, cpu)
    judge = WrappedNetwork(MiddleTile(classifier.network, side_px), classifier.card.normalisation)
    outline = WrappedNetwork(segmenter.network, segmenter.card.normalisation)
    count = len(predicted(judge, pictures, side_px)["probabilities"])
    assert count == len(pictures.corners_px), count
    segmented(outline, pictures.crops)
    seconds = {
        "tiles: PatchPredictor": seconds_of(lambda: predicted(judge, pictures, side_px)),
        "segment: SemanticSegmentor": seconds_of(lambda: segmented(outline, pictures.crops))
        / len(pictures.crops),
    }
    print(json.dumps(seconds))


if __name__ == "__main__":
    main(Pictures.load(Path(sys.argv[1])))
