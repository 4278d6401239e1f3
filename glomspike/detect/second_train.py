"""The training of a detector's second look: circles that its first stage finds on squares of training tissue.

The first stage stays as it is. What it finds, rightly or not, and what it misses, is shown to the second.
"""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from glomspike.detect.again import FINER, cut_out
from glomspike.detect.decode import decode
from glomspike.detect.evaluate import ScannedPicture, scan, with_second_look
from glomspike.detect.mine import mistakes
from glomspike.detect.model import CircleNet
from glomspike.detect.second_look import ANSWERS
from glomspike.detect.train import (
    EXAMPLES,
    LOWEST_THRESHOLD,
    DetectorOptions,
    DetectorTask,
    validation_numbers,
)
from glomspike.detect.windows import merged
from glomspike.findings import RGB
from glomspike.geometry.circles import Circles, circle_iou
from glomspike.learn.augmentation import Rng
from glomspike.learn.sheets import evenly, sheet
from glomspike.learn.training import (
    NORMALISATION,
    Batch,
    Example,
    task_signature,
    training_data,
    validation_metrics,
)
from glomspike.learn.truth import resized
from glomspike.networks.models import Model
from glomspike.networks.weights import CardDraft

SQUARE_PX = 256  # of twice as fine pixels as the first stage's
CIRCLES = 8  # of each square
LEAST_SCORE, LEAST_RADIUS_PX = 0.06, 6.0
# From which IoU with a true circle one is a glomerulus, up to which it is none, from which it is corrected.
RIGHT, WRONG, NEAR = 0.5, 0.4, 0.3
JITTER, JITTERED_SHARE, ANYWHERE_SHARE = 0.15, 0.3, 0.5
ANYWHERE_UM = (50.0, 200.0)
MIRRORED_SHARE = 0.7  # how often tissue goes on beyond the square as its mirror image, instead of as glass
CORRECTION_BETA = 0.1


class SecondLookTask:
    """Brings the second look of a trained detector to the training loop; the rest of the detector is kept."""

    def __init__(self, tables: Sequence[Path], detector: Model) -> None:
        """Loads all pictures; the second look goes on learning where the detector has one."""
        card = detector.card
        self.tables, self.detector = tables, detector
        options = DetectorOptions(card.mpp / FINER, SQUARE_PX, classes=card.classes)
        self.squares = DetectorTask(tables, options, None, None)
        pictures = list(chain.from_iterable(chain.from_iterable(self.squares.fields)))
        network, side_px = detector.network, card.input_px
        self.squares.mistakes = mistakes(network, pictures, side_px, NORMALISATION, FINER)
        self.at_first = [
            scan(network, picture, side_px, NORMALISATION, LOWEST_THRESHOLD, FINER)
            for picture in self.squares.validation
        ]

    @property
    def quality(self) -> str:
        return "ap_of_tables"

    @property
    def signature(self) -> str:
        return task_signature(
            self.tables, self.squares.options, self.detector.network.state_dict(), "second look"
        )

    def network(self) -> nn.Module:
        """The detector, of which only the second look learns; a new one has the first stage's encoder."""
        card, state = self.detector.card, self.detector.network.state_dict()
        arguments: dict[str, Any] = {**card.arguments, "second_look": True}
        network = CircleNet(**arguments)
        encoder = {f"second_look.{n}": tensor for n, tensor in state.items() if n.startswith("encoder.")}
        network.load_state_dict({**network.state_dict(), **encoder, **state})
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(name.startswith("second_look."))
        return network

    def begin_epoch(self, network: nn.Module, epoch: int) -> int:
        return self.squares.options.samples_per_epoch

    def sample(self, index: int, rng: Rng) -> Example:
        """Pictures (8, 96, 96, 3) of circles on one square, their diameters in µm, and what is true of each.

        That is the IoU with a true circle, and the correction as `SecondLook` gives it, (8, 4).
        """
        square = self.squares.square(rng)
        kinds = [self.squares.kind(one) for one in square.glomeruli]
        circles = np.array([one.circle_px for one in square.glomeruli]).reshape(-1, 3)
        is_true = np.array(kinds) == 0
        shown = self._circles(square.pixels, circles[is_true], rng)
        shown = shown[~_touch(shown, circles[~is_true])] if not is_true.all() else shown
        while len(shown) < CIRCLES:
            shown = np.vstack([shown, _anywhere(rng, self.squares.options.mpp)])
        chosen = shown[rng.permutation(len(shown))[:CIRCLES]]
        beyond = cv2.BORDER_REFLECT_101 if rng.random() < MIRRORED_SHARE else cv2.BORDER_CONSTANT
        return {
            "image": np.stack(
                [cut_out(square.pixels, x, y, radius, beyond) for x, y, radius in chosen.tolist()]
            ),
            "diameter_um": (2 * self.squares.options.mpp * chosen[:, 2]).astype(np.float32),
            "truth": _truth(chosen, circles[is_true]),
        }

    def _circles(self, pixels: RGB, true_px: Circles, rng: Rng) -> Circles:
        """What is shown of a square: what the first stage finds, true circles about as it finds them, any."""
        with torch.inference_mode():
            seen = torch.from_numpy(resized(pixels, 1 / FINER)[None])
            (found,) = decode(self.detector.network(NORMALISATION.apply(seen))).numpy().astype(np.float64)
        found = merged(found[found[:, 3] >= LEAST_SCORE, :4])[:, :3] * FINER
        found = found[found[:, 2] >= LEAST_RADIUS_PX]
        missed = circle_iou(true_px, found).max(axis=1, initial=0) < RIGHT
        near = true_px[(missed | (rng.random(len(true_px)) < JITTERED_SHARE)) & _lie_in(true_px, len(pixels))]
        shifts, growths = rng.normal(0, JITTER, (len(near), 2)), np.exp(rng.normal(0, JITTER, (len(near), 1)))
        about = np.hstack([near[:, :2] + near[:, 2:] * shifts, near[:, 2:] * growths])
        any_ = _anywhere(rng, self.squares.options.mpp) if rng.random() < ANYWHERE_SHARE else np.zeros((0, 3))
        return np.vstack([found, about, any_])

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Cross-entropy of what is a glomerulus, and smooth L1 of the corrections of what is near one."""
        images, truth = batch["image"].flatten(0, 1), batch["truth"].flatten(0, 1)
        answers = network(NORMALISATION.apply(images), batch["diameter_um"].flatten())
        overlap = truth[:, 0]
        is_sure = ((overlap >= RIGHT) | (overlap <= WRONG)).float()
        wrong = functional.binary_cross_entropy_with_logits(
            answers[:, 0], (overlap >= RIGHT).float(), reduction="none"
        )
        off = functional.smooth_l1_loss(
            answers[:, 1:], truth[:, 1:], reduction="none", beta=CORRECTION_BETA
        ).sum(dim=1)
        is_near = (overlap >= NEAR).float()
        return (wrong * is_sure).sum() / is_sure.sum().clamp(min=1) + (
            off * is_near
        ).sum() / is_near.sum().clamp(min=1)

    def validate(self, network: nn.Module) -> dict[str, float]:
        return validation_numbers(self._scanned(network, self.at_first))

    def _scanned(self, network: nn.Module, at_first: Sequence[ScannedPicture]) -> list[ScannedPicture]:
        return [with_second_look(network, one, NORMALISATION) for one in at_first]

    def examples(self, network: nn.Module) -> RGB:
        """A sheet of validation pictures with their true and found circles."""
        scanned = self._scanned(network, evenly(self.at_first, EXAMPLES))
        return sheet([one.drawn() for one in scanned], [one.caption for one in scanned])

    def card(self, measured: dict[str, float]) -> CardDraft:
        """The card of the whole detector: what it was, and what its second look learnt from."""
        card = self.detector.card
        known = {data.name: data for data in (*card.training_data, *training_data(self.tables))}
        truth = sum(len(picture.truth.glomeruli) for picture in self.squares.validation)
        changed = {
            "arguments": {**card.arguments, "second_look": True},
            "thresholds": {"score": measured["threshold"]},
            "training_data": tuple(known.values()),
            "metrics": validation_metrics(measured, truth, "threshold"),
        }
        return CardDraft(**card.model_dump(exclude={"sha256"}) | changed)


def _lie_in(circles_px: Circles, side_px: int) -> NDArray[np.bool_]:
    """Which circles (n, 3) have their centre in a square."""
    return np.asarray(((circles_px[:, :2] > 0) & (circles_px[:, :2] < side_px)).all(axis=1))


def _touch(circles_px: Circles, others_px: Circles) -> NDArray[np.bool_]:
    """Which circles (n, 3) overlap one of the others."""
    return np.asarray((circle_iou(circles_px, others_px) > 0).any(axis=1))


def _anywhere(rng: Rng, mpp: float) -> Circles:
    """A circle (1, 3) somewhere on a square."""
    radius_px = np.exp(rng.uniform(*np.log(ANYWHERE_UM))) / 2 / mpp
    return np.array([[*rng.uniform(0, SQUARE_PX, 2), radius_px]])


def _truth(circles_px: Circles, true_px: Circles) -> NDArray[np.float32]:
    """For each circle the largest IoU with a true one, and the correction that makes it that, (n, 4)."""
    if not len(true_px):
        return np.zeros((len(circles_px), ANSWERS), np.float32)
    overlap = circle_iou(circles_px, true_px)
    nearest, radius = true_px[overlap.argmax(axis=1)], circles_px[:, 2:]
    off = (nearest[:, :2] - circles_px[:, :2]) / radius
    growth = np.log(nearest[:, 2:] / radius)
    return np.hstack([overlap.max(axis=1, keepdims=True), off, growth]).astype(np.float32)
