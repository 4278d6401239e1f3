"""Residual networks (He et al. 2016) without their last layer; the others are named as in torchvision.

They are written here because importing torchvision takes half a second of every start.
"""

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

STEM_WIDTH = 64


class BasicBlock(nn.Module):
    """Two convolutions and what they were given, added; gives `width` channels."""

    EXPANSION = 1

    def __init__(self, inputs: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(inputs, width, stride)

    def forward(self, maps: Tensor) -> Tensor:
        found = self.relu(self.bn1(self.conv1(maps)))
        found = self.bn2(self.conv2(found))
        found += maps if self.downsample is None else self.downsample(maps)
        answer: Tensor = self.relu(found)
        return answer


class Bottleneck(nn.Module):
    """Three convolutions and what they were given, added; gives four times `width` channels."""

    EXPANSION = 4

    def __init__(self, inputs: int, width: int, stride: int = 1) -> None:
        super().__init__()
        outputs = self.EXPANSION * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, maps: Tensor) -> Tensor:
        found = self.relu(self.bn1(self.conv1(maps)))
        found = self.relu(self.bn2(self.conv2(found)))
        found = self.bn3(self.conv3(found))
        found += maps if self.downsample is None else self.downsample(maps)
        answer: Tensor = self.relu(found)
        return answer


# The block of each network, and how many there are in each of its four stages.
RESNETS: dict[str, tuple[type[BasicBlock | Bottleneck], tuple[int, ...]]] = {
    "resnet18": (BasicBlock, (2, 2, 2, 2)),
    "resnet34": (BasicBlock, (3, 4, 6, 3)),
    "resnet50": (Bottleneck, (3, 4, 6, 3)),
}


def width_of(name: str, stages: int) -> int:
    """The channels of what a network gives after so many stages."""
    block, _ = RESNETS[name]
    return int(STEM_WIDTH * 2 ** (stages - 1) * block.EXPANSION)


def layers(name: str, stages: int = 4) -> "OrderedDict[str, nn.Module]":
    """The layers of a network by name, in order, their weights drawn: its stem, and so many of its stages."""
    block, counts = RESNETS[name]
    found: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=nn.Conv2d(3, STEM_WIDTH, 7, stride=2, padding=3, bias=False),
        bn1=nn.BatchNorm2d(STEM_WIDTH),
        relu=nn.ReLU(inplace=True),
        maxpool=nn.MaxPool2d(3, stride=2, padding=1),
    )
    inputs = STEM_WIDTH
    for number, count in enumerate(counts[:stages]):
        width = STEM_WIDTH * 2**number
        outputs = width * block.EXPANSION
        first = block(inputs, width, stride=2 if number else 1)
        found[f"layer{number + 1}"] = nn.Sequential(first, *(block(outputs, width) for _ in range(1, count)))
        inputs = outputs
    for part in found.values():
        part.apply(_draw)
    return found


class ResNetEncoder(nn.Sequential):
    """A ResNet whose maps are all seen: images (n, 3, h, w) to those of stride 1, 2, 4, 8, 16 and 32.

    With fewer stages than four it ends earlier.
    """

    def __init__(self, name: str, stages: int = 4) -> None:
        super().__init__(layers(name, stages))
        widths = (width_of(name, number) for number in range(1, stages + 1))
        self.out_channels: Sequence[int] = (3, STEM_WIDTH, *widths)

    def forward(self, input: Tensor) -> list[Tensor]:  # noqa: A002  (named so in nn.Sequential)
        maps, found = [input], input
        for name, layer in self.named_children():
            found = layer(found)
            if name == "relu" or name.startswith("layer"):
                maps.append(found)
        return maps


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    """What brings a block's input to the size of its output; None where it has that."""
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


def _draw(part: nn.Module) -> None:
    """Weights as He et al. (2015) draw them."""
    if isinstance(part, nn.Conv2d):
        nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
