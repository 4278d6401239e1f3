"""A network whose encoder can stay as it is while the rest learns."""

from typing import Self

from torch import nn


class FreezableEncoder(nn.Module):
    """Base of networks that set `self.encoder`."""

    encoder: nn.Module
    frozen = False

    def freeze_encoder(self) -> None:
        """Keep the encoder as it is from here on: neither its weights nor its normalisation learn."""
        self.encoder.requires_grad_(requires_grad=False)
        self.frozen = True

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        if self.frozen:
            self.encoder.eval()  # BatchNorm would go on learning
        return self
