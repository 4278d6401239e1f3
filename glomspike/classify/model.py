"""Tile networks: pictures, and boxes of tiles in them, to the log-odds that each tile shows spikes.

They take pictures (n, 3, h, w), normalised, and boxes (m, 5): the number of the picture, then left, top,
right and bottom in its pixels; and give log-odds (m,).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from glomspike.networks.boxes import roi_align
from glomspike.networks.efficientnet import EfficientNetLite0
from glomspike.networks.resnet import BasicBlock, layers, width_of
from glomspike.networks.weights import Normalisation

NORMALISATION = Normalisation(mean=(0.62, 0.58, 0.62), std=(0.30, 0.31, 0.29))
AT_ONCE = 256  # tiles that are cut out together


class MappedTiles(nn.Module, ABC):
    """A network over whole pictures, whose tiles are each pooled from one map of log-odds.

    Tiles overlap, so that one by one every pixel would be convolved several times. A place of the map stands
    for 8 px.
    """

    STRIDE_PX = 8
    OFF_PX: float  # how far right of and below its place in the picture what is seen lies in the map
    FEATURES: int

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(self.FEATURES, 1, kernel_size=1)

    def forward(self, pictures: Tensor, boxes: Tensor) -> Tensor:
        """Log-odds of spikes (m,) of tiles, boxes (m, 5) in pixels, of normalised pictures (n, 3, h, w)."""
        return self.pooled(self.evidence(pictures).float(), boxes)

    def pooled(self, evidence: Tensor, boxes: Tensor) -> Tensor:
        """Log-odds (m,) of tiles, boxes (m, 5) in pixels, from those of all places (n, 1, h / 8, w / 8)."""
        # The mean of a linear map is the linear map of the mean: one channel is pooled instead of all.
        return self.mean_of_tiles(evidence, boxes)[:, 0]

    def evidence(self, pictures: Tensor) -> Tensor:
        """Log-odds (n, 1, h / 8, w / 8) of each place."""
        odds: Tensor = self.head(self.features(pictures))
        return odds

    @abstractmethod
    def features(self, pictures: Tensor) -> Tensor:
        """What is seen at each place: (n, FEATURES, h / 8, w / 8)."""

    def tile_features(self, pictures: Tensor, boxes: Tensor) -> Tensor:
        """What is seen of each tile: (m, FEATURES). Its log-odds are the head of it."""
        return self.mean_of_tiles(self.features(pictures).float(), boxes)

    @classmethod
    def mean_of_tiles(cls, maps: Tensor, boxes: Tensor) -> Tensor:
        """The means (m, c) of maps (n, c, h / 8, w / 8) over tiles, boxes (m, 5) in pixels."""
        shifted = torch.cat([boxes[:, :1], boxes[:, 1:] + cls.OFF_PX], dim=1)
        return roi_align(maps, shifted, 1, 1 / cls.STRIDE_PX).flatten(1)


class DenseTiles(MappedTiles):
    """The first half of a ResNet-18 (He et al. 2016); a feature vector sees 99 px around it."""

    # Strided convolutions look around the first of their pixels, not around the middle.
    OFF_PX = (MappedTiles.STRIDE_PX - 1) / 2
    FEATURES = 128

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(layers("resnet18", stages=2))

    def features(self, pictures: Tensor) -> Tensor:
        """What is seen: (n, 128, h / 8, w / 8)."""
        return feature_map(self.encoder, pictures)


def feature_map(encoder: nn.Sequential, pictures: Tensor) -> Tensor:
    """What the encoder of `DenseTiles` sees: (n, 128, h / 8, w / 8).

    In bfloat16 the few grey levels that make a spike would be rounded away before they are seen; edges may be
    rounded.
    """
    kind = pictures.device.type
    with torch.autocast(kind, enabled=False):
        edges = encoder[0](pictures.float())
    if torch.is_autocast_enabled(kind):
        edges = edges.to(torch.get_autocast_dtype(kind))
    features: Tensor = encoder[1:](edges)
    return features


class WideTiles(DenseTiles):
    """`DenseTiles` that also looks around: which side of a membrane is outside, shows some way off.

    Two more residual blocks with gaps in their kernels let a feature vector see 227 px. They change nothing
    at first, so that the encoder of `DenseTiles` is one to begin with.
    """

    def __init__(self) -> None:
        super().__init__()
        self.around = nn.Sequential(_with_gaps(self.FEATURES), _with_gaps(self.FEATURES))

    def features(self, pictures: Tensor) -> Tensor:
        """What is seen, further around than by `DenseTiles`: (n, 128, h / 8, w / 8)."""
        features: Tensor = self.around(super().features(pictures))
        return features


def _with_gaps(width: int) -> BasicBlock:
    """A residual block that sees twice as far around, and at first changes nothing."""
    block = BasicBlock(width, width)
    for convolution in (block.conv1, block.conv2):
        convolution.dilation = convolution.padding = (2, 2)
    nn.init.zeros_(block.bn2.weight)
    return block


class LiteTiles(MappedTiles):
    """The first five stages of an EfficientNet-Lite0 (Tan and Le 2019), in two resolutions.

    A feature vector joins that of a place of 8 px, which sees 67 px around it, and that of one of 16 px,
    which sees 339 px. It begins with an encoder that learnt from photographs (`photograph_encoder.py`).
    """

    STAGES = 5
    FEATURES = 40 + 112
    COARSE_PX = 16
    # With TensorFlow's padding a kernel begins at its first pixel and does not lie around it.
    OFF_PX = -(MappedTiles.STRIDE_PX - 1) / 2

    def __init__(self) -> None:
        super().__init__()
        self.encoder = EfficientNetLite0(self.STAGES, precise=True)

    def features(self, pictures: Tensor) -> Tensor:
        """What is seen: (n, 152, h / 8, w / 8)."""
        height_px, width_px = pictures.shape[2:]
        # The padding of odd sides would move everything by half a pixel.
        whole = functional.pad(pictures, (0, -width_px % self.COARSE_PX, 0, -height_px % self.COARSE_PX))
        *_, fine, coarse = self.encoder(whole)
        return torch.cat([fine, _enlarged(coarse)], dim=1)


def _enlarged(coarse: Tensor) -> Tensor:
    """A map (n, c, h, w) at twice the resolution; its places become every other one, from the second on."""
    size = [2 * side - 1 for side in coarse.shape[2:]]
    between = functional.interpolate(coarse, size, mode="bilinear", align_corners=True)
    return functional.pad(between, (1, 0, 1, 0), mode="replicate")


class PairedTiles(nn.Module):
    """Two networks that see differently: the log-odds of a tile are the sum of theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.lite = WideTiles(), LiteTiles()

    def forward(self, pictures: Tensor, boxes: Tensor) -> Tensor:
        """Log-odds of spikes (m,) of tiles, boxes (m, 5) in pixels, of normalised pictures (n, 3, h, w)."""
        return self.pooled(self.evidence(pictures), boxes)

    def evidence(self, pictures: Tensor) -> Tensor:
        """What either says of each place: (n, 2, h / 8, w / 8)."""
        wide, lite = (one.evidence(pictures).float() for one in (self.wide, self.lite))
        return torch.cat([wide, lite[..., : wide.shape[2], : wide.shape[3]]], dim=1)

    def pooled(self, evidence: Tensor, boxes: Tensor) -> Tensor:
        """Log-odds (m,) of tiles, boxes (m, 5) in pixels, from those of all places."""
        return self.wide.pooled(evidence[:, :1], boxes) + self.lite.pooled(evidence[:, 1:], boxes)


class SingleTiles(nn.Module):
    """A ResNet-18 that is shown each tile by itself, as in Chen et al., section 3.2."""

    def __init__(self) -> None:
        super().__init__()
        for name, layer in layers("resnet18").items():
            self.add_module(name, layer)
        self.fc = nn.Linear(width_of("resnet18", 4), 1)

    def forward(self, pictures: Tensor, boxes: Tensor) -> Tensor:
        """Log-odds of spikes (m,) of tiles, boxes (m, 5) in pixels, of normalised pictures (n, 3, h, w)."""
        parts = [self._odds(cut(pictures, part)) for part in torch.split(boxes, AT_ONCE)]
        return torch.cat(parts).float()

    def _odds(self, tiles: Tensor) -> Tensor:
        """Those of tiles (m, 3, side, side)."""
        *convolutions, last = self.children()
        for layer in convolutions:
            tiles = layer(tiles)
        odds: Tensor = last(tiles.mean(dim=(2, 3)))
        return odds[:, 0]


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "wide-resnet18-and-lite0": PairedTiles,
    "lite0": LiteTiles,
    "wide-resnet18": WideTiles,
    "dense-resnet18": DenseTiles,
    "resnet18": SingleTiles,
}


def cut(pictures: Tensor, boxes: Tensor) -> Tensor:
    """The pixels (m, 3, side, side) of boxes that are all of one whole size."""
    side = round(float(boxes[0, 3] - boxes[0, 1]))
    tiles: Tensor = roi_align(pictures, boxes, side, sampling_ratio=1)
    return tiles
