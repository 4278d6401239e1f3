"""Circles seen again, each by itself: what the second stage of a detector changes about them."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, logit
from torch import nn

from glomspike.detect.second_look import CONTEXT, SIDE_PX
from glomspike.detect.windows import merged
from glomspike.findings import RGB
from glomspike.geometry.circles import Circles
from glomspike.networks.transfer import Delivery, sent
from glomspike.networks.weights import Card, Normalisation

BATCH = 32
FINER = 2  # how many times finer than at first pictures are for the second look
LEAST_SCORE = 0.08  # circles that the first look gives less are not seen again, and are none
WEIGHT = 0.25  # of the second look's logit in the score's
FARTHEST, MOST_GROWTH = 0.5, 0.5  # by how much a circle is corrected at most, in radii and as a logarithm


def has_second_look(card: Card) -> bool:
    """Whether a detector has a second stage."""
    return bool(card.arguments.get("second_look"))


def least_score_at_first(card: Card) -> float:
    """From which score on a circle of the first stage may become one of the detector's."""
    return LEAST_SCORE if has_second_look(card) else card.thresholds["score"]


def seen_again(
    network: nn.Module, pixels: RGB, circles_px: Circles, seen_mpp: float, normalisation: Normalisation
) -> Circles:
    """`corrected` for circles of a picture, whose pixels the detector takes for ones of `seen_mpp`."""
    worth_px = circles_px[circles_px[:, 3] >= LEAST_SCORE]
    shown = [cut_out(pixels, *circle) for circle in worth_px[:, :3].tolist()]
    return corrected(network, worth_px, shown, seen_mpp, normalisation)


def corrected(
    network: nn.Module,
    circles_px: Circles,
    shown: Sequence[RGB],
    seen_mpp: float,
    normalisation: Normalisation,
) -> Circles:
    """Scored circles (n, columns of `decode`) as the second look leaves them, one for each glomerulus.

    `shown` are their pictures, `seen_mpp` the µm/px of the circles' pixels, as the detector takes them. The
    best come first.
    """
    if not len(circles_px):
        return circles_px
    diameters_um = (2 * seen_mpp * circles_px[:, 2]).astype(np.float32)
    answers = np.concatenate(
        [
            _answers(
                network, shown[first : first + BATCH], diameters_um[first : first + BATCH], normalisation
            )
            for first in range(0, len(shown), BATCH)
        ]
    )
    x, y, radius, score = circles_px[:, :4].T
    after = circles_px.copy()
    after[:, 0] = x + radius * np.clip(answers[:, 1], -FARTHEST, FARTHEST)
    after[:, 1] = y + radius * np.clip(answers[:, 2], -FARTHEST, FARTHEST)
    after[:, 2] = radius * np.exp(np.clip(answers[:, 3], -MOST_GROWTH, MOST_GROWTH))
    after[:, 3] = expit((1 - WEIGHT) * logit(score) + WEIGHT * answers[:, 0])
    return merged(after)


def cut_out(
    pixels: RGB, x_px: float, y_px: float, radius_px: float, beyond: int = cv2.BORDER_CONSTANT
) -> RGB:
    """The picture of a circle, out of a picture with the circle's pixels; white beyond that."""
    factor = SIDE_PX / (2 * CONTEXT * radius_px)
    half_px = CONTEXT * radius_px
    left, top = max(0, int(x_px - half_px) - 4), max(0, int(y_px - half_px) - 4)
    near = pixels[top : int(y_px + half_px) + 5, left : int(x_px + half_px) + 5]
    if factor < 0.7:
        near = np.asarray(cv2.GaussianBlur(near, (0, 0), 0.42 / factor), np.uint8)
    shift = SIDE_PX / 2 - factor * np.array([x_px - left, y_px - top])
    matrix = np.array([[factor, 0, shift[0]], [0, factor, shift[1]]])
    cut = cv2.warpAffine(near, matrix, (SIDE_PX, SIDE_PX), borderMode=beyond, borderValue=(255, 255, 255))
    return np.asarray(cut, np.uint8)


def _answers(
    network: nn.Module, shown: Sequence[RGB], diameters_um: NDArray[np.float32], normalisation: Normalisation
) -> NDArray[np.float64]:
    """What `SecondLook` answers (n, 4), computed where the network is."""
    device = next(network.parameters()).device
    pixels = normalisation.apply(sent(np.stack(shown), device))
    with torch.inference_mode():
        return Delivery.of(network(pixels, torch.from_numpy(diameters_um).to(device))).array()
