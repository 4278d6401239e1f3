"""The lesion network: a ResNet, the mean of its features over the crop, and one output per lesion."""

from torch import Tensor, nn
from torch.nn import functional

from glomspike.networks.freezable import FreezableEncoder
from glomspike.networks.resnet import layers, width_of

FOCAL_GAMMA = 2.5
# The ResNet and how many of its four stages; the short one has a quarter of the parameters.
ENCODERS = {
    "resnet50": ("resnet50", 4),
    "resnet34": ("resnet34", 4),
    "resnet18": ("resnet18", 4),
    "resnet18-short": ("resnet18", 3),
}


class LesionNetwork(FreezableEncoder):
    """Normalised crops (n, 3, h, w) to scores (n, classes), whose softmax are the probabilities.

    `encoder` is one of `ENCODERS` (He et al. 2016).
    """

    def __init__(self, encoder: str, classes: int) -> None:
        super().__init__()
        name, stages = ENCODERS[encoder]
        self.encoder = nn.Sequential(layers(name, stages))
        self.head = nn.Linear(width_of(name, stages), classes)

    def forward(self, crops: Tensor) -> Tensor:
        """Scores (n, classes), before softmax, of normalised crops (n, 3, h, h)."""
        scores: Tensor = self.head(self.encoder(crops).mean(dim=(2, 3)))
        return scores


def focal_loss(scores: Tensor, truth: Tensor) -> Tensor:
    """The mean of -(1 - p)^γ log p, p being the probability of the true class.

    Lin et al., "Focal Loss for Dense Object Detection" (2017), equation 4, with Glo-In-One's γ of 2.5.
    Scores are (n, classes), truth (n,) their indices.
    """
    log_p = functional.log_softmax(scores.float(), dim=1).gather(1, truth[:, None])[:, 0]
    return -((1 - log_p.exp()) ** FOCAL_GAMMA * log_p).mean()
