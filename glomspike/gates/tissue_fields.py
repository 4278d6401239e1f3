"""The fields of a slide that its stain is measured on: tissue from all over it, a little of each piece."""

import math

import numpy as np

from glomspike.findings import RGB
from glomspike.gates.colours import MPP
from glomspike.slide.field import RegionReader, read_field
from glomspike.slide.tissue import Tissue

SIDE_PX = 256
MOST = 12  # fields of one slide


def tissue_fields(slide: RegionReader, tissue: Tissue | None) -> tuple[RGB, ...]:
    """Pictures (256, 256, 3) at 2 µm/px, evenly taken from a slide's tissue; its middle without a mask.

    None where there is no tissue. What cannot be read is white.
    """
    facts = slide.facts
    if tissue is None:
        middles0 = np.array([[facts.width0 / 2, facts.height0 / 2]])
    else:
        rows, columns = np.nonzero(tissue.mask)
        wanted = min(MOST, math.ceil(tissue.area_mm2 / (SIDE_PX * MPP / 1000) ** 2))
        chosen = ((np.arange(wanted) + 0.5) / max(wanted, 1) * len(rows)).astype(int)
        middles0 = tissue.frame.to_level0(np.stack([columns[chosen], rows[chosen]], axis=1) + 0.5)
    half0 = SIDE_PX * MPP / 2 / np.array([facts.mpp.x, facts.mpp.y])
    corners0 = (middles0 - half0).tolist()
    return tuple(read_field(slide, x0, y0, SIDE_PX, SIDE_PX, MPP).pixels for x0, y0 in corners0)
