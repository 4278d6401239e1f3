"""What people do to a run's annotations in a viewer, for tests: layers by name, and shapes to add."""

import numpy as np

from glomspike.annotate.layers import Layer, Region, RegionType
from glomspike.annotate.marks import AREA, OTHER, OUTLINES, SPIKE_TILES, SPIKED, UNDETERMINED

COLOURS = {s.name: s.colour for s in (SPIKED, OTHER, OUTLINES, SPIKE_TILES, UNDETERMINED, AREA)}


class Annotations:
    """Layers that can be edited as in a viewer."""

    def __init__(self, layers):
        self.regions = {layer.name: list(layer.regions) for layer in layers}
        self.skipped = {}

    @property
    def layers(self):
        return [
            Layer(name, COLOURS.get(name, (9, 9, 9)), tuple(drawn), self.skipped.get(name, ()))
            for name, drawn in self.regions.items()
        ]

    def add(self, style, region):
        self.regions.setdefault(getattr(style, "name", style), []).append(region)

    def take(self, style, number):
        """Removes and gives the region of a number."""
        drawn = self.regions[style.name]
        chosen = next(r for r in drawn if r.text.split(":")[0] == str(number))
        self.regions[style.name] = [r for r in drawn if r is not chosen]
        return chosen

    def move(self, number, source, target):
        self.add(target, self.take(source, number))


def ellipse(x, y, radius, text=""):
    return Region(RegionType.ELLIPSE, np.array([[x - radius, y - radius], [x + radius, y + radius]]), text)


def pen(x, y, radius, text="", negative=False):
    turn = np.linspace(0, 2 * np.pi, 30, endpoint=False)
    points = np.array([x, y]) + radius * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return Region(RegionType.POLYGON, points, text, negative)


def box(x, y, side=50, text=""):
    corners = np.array([[x, y], [x + side, y], [x + side, y + side], [x, y + side]], dtype=float)
    return Region(RegionType.RECTANGLE, corners, text)


def shifted(region, by_x, by_y):
    return Region(region.type, region.vertices_viewer + np.array([by_x, by_y]), region.text, region.negative)
