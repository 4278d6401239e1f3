"""Slides and findings for the tests of what is written about them."""

import numpy as np

from glomspike.findings import (
    CallRule,
    Circle,
    Glomerulus,
    Mpp,
    Outline,
    SlideFacts,
    SlideResult,
    SpikedMembrane,
    SpikeScore,
    TopTile,
)

TILE_SIDE_UM = 12.5
MPP = Mpp(0.25, 0.25)
RULE = CallRule.of_one_cut(0.5)
MEMBRANE = SpikedMembrane(16, 4, "segmental")


def slide_facts(vendor="aperio", mpp=MPP, bounds=(0, 0, 40_000, 30_000), name="slide.svs"):
    return SlideFacts(name, vendor, 40_000, 30_000, mpp, *bounds)


def spike_score(probability, corners0=((9_900.0, 7_900.0), (10_000.0, 8_000.0)), call=None):
    tops = tuple(TopTile(x0, y0, probability - 0.01 * i) for i, (x0, y0) in enumerate(corners0))
    return SpikeScore(
        probability, probability >= 0.5, 0.25, 40, 10, 3, TILE_SIDE_UM, tops,
        call or RULE.call(probability), MEMBRANE,
    )  # fmt: skip


def round_outline(x0, y0, radius_um, mpp, vertices=40):
    angle = np.linspace(0, 2 * np.pi, vertices, endpoint=False)
    unit = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    polygon0 = np.array([x0, y0]) + unit * radius_um / np.array([mpp.x, mpp.y])
    return Outline(polygon0, float(np.pi * radius_um**2), False)


def glomerulus(number=1, x0=10_000.0, y0=8_000.0, radius_um=100.0, spikes=None, mpp=MPP):
    circle = Circle(x0, y0, radius_um, 0.875)
    return Glomerulus(number, circle, round_outline(x0, y0, 0.9 * radius_um, mpp), spikes)


def slide_result(*glomeruli, slide=None, warnings=()):
    return SlideResult(slide or slide_facts(), tuple(glomeruli), tuple(warnings))
