"""The report's plots as numbers that its templates draw."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glomspike.report.colours import ColourMap, palette

BINS = 20
_STEPS = 33  # of a colour map; the browser draws what lies between


@dataclass(frozen=True)
class Bar:
    """How many glomeruli have a probability from `low` to `high`; `share` is that of the fullest bar."""

    low: float
    high: float
    count: int
    share: float


def histogram(probabilities: Sequence[float]) -> tuple[Bar, ...]:
    """Glomeruli by spike probability, in twenty bars from 0 to 1, the last with both its ends."""
    counts, edges = np.histogram(probabilities, BINS, (0.0, 1.0))
    fullest = max(int(counts.max()), 1)
    bars = zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True)
    return tuple(Bar(low, high, count, count / fullest) for low, high, count in bars)


def grey(probability: float) -> str:
    """The grey that represents a probability until the page's filter gives it a colour: black is 0."""
    step = round(probability * 255)
    return f"#{step:02x}{step:02x}{step:02x}"


@dataclass(frozen=True)
class ColourTable:
    """A colour map as an SVG filter wants it: values from 0 to 1 of each channel, separated by spaces."""

    name: ColourMap
    red: str
    green: str
    blue: str


def colour_table(name: ColourMap) -> ColourTable:
    """A colour map as a table of evenly spaced steps."""
    steps = palette(name)[np.round(np.linspace(0, 255, _STEPS)).astype(int)] / 255
    red, green, blue = (" ".join(f"{value:.3f}" for value in channel) for channel in steps.T)
    return ColourTable(name, red, green, blue)
