"""The second stage of a detector: a network that sees each circle again, alone, and as large as any other.

To CircleNet a tubule of 70 µm is a dozen pixels wide, between much else. Here the circle fills half of its
picture, of finer pixels where the slide has them. Like a later stage of Cascade R-CNN (Cai and Vasconcelos,
CVPR 2018), the network says how likely the circle is a glomerulus, and corrects it.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from glomspike.networks.encoders import image_encoder

SIDE_PX = 96
CONTEXT = 2.2  # how many of a circle's diameters its picture is wide
USUAL_UM = 150.0
PLACE_CHANNELS, HIDDEN, DROPOUT = 64, 128, 0.2
PLACES = (SIDE_PX // 32) ** 2
ANSWERS = 4


class SecondLook(nn.Module):
    """Pictures of circles (n, 3, 96, 96), normalised, with the circles' diameters in µm, to answers (n, 4).

    An answer is the logit that the circle is a glomerulus, how far the centre is off, x and y, in radii, and
    the logarithm of by how much the radius is too small.
    """

    def __init__(self, encoder: str) -> None:
        super().__init__()
        self.encoder = image_encoder(encoder)
        at_16, at_32 = self.encoder.out_channels[-2:]
        self.places = nn.Conv2d(at_32, PLACE_CHANNELS, 1)
        self.answer = nn.Sequential(
            nn.Linear(at_16 + PLACE_CHANNELS * PLACES + 1, HIDDEN),
            nn.ReLU(inplace=True),
            nn.Dropout(DROPOUT),
            nn.Linear(HIDDEN, ANSWERS),
        )

    def forward(self, images: Tensor, diameters_um: Tensor) -> Tensor:
        at_16, at_32 = self.encoder(images)[-2:]
        places = functional.relu(self.places(at_32)).flatten(1)
        size = torch.log(diameters_um / USUAL_UM)[:, None].to(places.dtype)
        answers: Tensor = self.answer(torch.cat([at_16.mean(dim=(2, 3)), places, size], dim=1)).float()
        return answers
