"""The glomeruli of a slide as outlines."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from glomspike.errors import WeightsError
from glomspike.findings import Circle, Outline
from glomspike.segment.crop import crop_of
from glomspike.segment.model import segmentation_network
from glomspike.segment.outline import glomerulus_polygon, outline_on_slide
from glomspike.segment.probability import glomerulus_probability
from glomspike.slide.reader import Slide
from glomspike.weights import Card, load_card, load_state

BATCH = 8
READERS = 4


@dataclass(frozen=True, eq=False)
class Segmenter:
    """A trained segmentation network, its card, and the device it is on."""

    network: nn.Module
    card: Card
    device: torch.device


def load_segmenter(path: Path | None, device: torch.device) -> Segmenter:
    """The segmenter at `path`, or the one that came with glomspike, on a device. Raises WeightsError."""
    card, tensors = load_card("segmenter", path)
    try:
        network = segmentation_network(card.architecture, **card.arguments)  # type: ignore[arg-type]
        network.load_state_dict(load_state(card, tensors))
    except (TypeError, RuntimeError, KeyError) as error:
        raise WeightsError(
            tensors, "does not fit its card", "use a segmenter that glomspike trained"
        ) from error
    return Segmenter(network.to(memory_format=torch.channels_last).to(device).eval(), card, device)


def outline_glomeruli(
    slide: Slide, circles: Sequence[Circle], segmenter: Segmenter
) -> tuple[Outline | None, ...]:
    """The outline of the glomerulus in each circle; None where the segmenter sees none there."""
    side_px = segmenter.card.input_px
    outlines: list[Outline | None] = []
    with ThreadPoolExecutor(READERS) as pool:
        for first in range(0, len(circles), BATCH):
            fields = list(pool.map(lambda c: crop_of(slide, c, side_px), circles[first : first + BATCH]))
            crops = np.stack([field.pixels for field in fields])
            probabilities = glomerulus_probability(segmenter.network, crops, segmenter.card.normalisation)
            for field, probability in zip(fields, probabilities, strict=True):
                polygon_px = glomerulus_polygon(probability, (side_px / 2, side_px / 2))
                outlines.append(
                    None if polygon_px is None else outline_on_slide(polygon_px, field.frame, slide.facts)
                )
    return tuple(outlines)
