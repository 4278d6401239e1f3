"""How large glomeruli are expected to be, and how much the detector magnifies what it looks at for that."""

from collections.abc import Iterator, Sequence

HUMAN_UM = 180.0  # across; what the detector was trained on
# Diameters of glomeruli in paraffin sections, µm.
ANIMALS_UM = {"human": HUMAN_UM, "rat": 120.0, "mouse": 80.0}
SMALLEST_UM, LARGEST_UM = 30, 500  # of any animal, sclerosed or not
FEWEST = 3  # glomeruli, from whose median size anything follows
FAR = 1.6  # times smaller or larger than expected


def magnification(glomerulus_um: float | None) -> float:
    """How much finer than on its card a detector looks, so that glomeruli of this diameter look human."""
    return 1.0 if glomerulus_um is None else HUMAN_UM / glomerulus_um


def crop_warnings(diameter_um: float) -> Iterator[str]:
    """A sentence where the one glomerulus of a picture is larger or smaller than any."""
    if not SMALLEST_UM <= diameter_um <= LARGEST_UM:
        yield f"the glomerulus would be {diameter_um:.3g} µm across: check the µm/px of the picture"


def size_warnings(diameters_um: Sequence[float], expected_um: float | None) -> Iterator[str]:
    """A sentence where the glomeruli found are far from the expected size: others are likely to be missed."""
    if len(diameters_um) < FEWEST:
        return
    from statistics import median  # this module is imported for `--help`

    expected, found = expected_um or HUMAN_UM, median(diameters_um)
    if not expected / FAR < found < expected * FAR:
        sizes = f"the glomeruli found are about {found:.0f} µm across, and {expected:.0f} µm were expected"
        yield f"{sizes}: others may be missing; give --animal or --glomerulus-um, or check the scale"
