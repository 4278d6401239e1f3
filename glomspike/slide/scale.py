"""µm/px from what picture files say of lengths: OME's physical sizes, ImageJ's units, dots per inch."""

from collections.abc import Mapping

from glomspike.findings import Mpp

UM_PER_INCH = 25_400.0
COARSEST_MPP = 5.0  # of a microscope: 5080 dots per inch are beyond printers

_UM = {
    "m": 1e6, "cm": 1e4, "mm": 1e3, "µm": 1.0, "um": 1.0, "nm": 1e-3, "pm": 1e-6,
    "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "micrometre": 1.0, "millimeter": 1e3, "millimetre": 1e3,
    "nanometer": 1e-3, "nanometre": 1e-3, "å": 1e-4, "in": UM_PER_INCH, "inch": UM_PER_INCH,
}  # fmt: skip


def length_um(value: float, unit: str) -> float | None:
    """A length in micrometres; None for units that are none of length, such as pixels."""
    # ImageJ writes µ as an escape, and the letter exists twice: as the micro sign and as the Greek mu.
    name = unit.strip().replace("\\u00B5", "µ").replace("\u03bc", "µ").lower()
    return value * _UM[name] if name in _UM else None


def mpp_of_lengths(x: float, y: float, unit: str) -> Mpp | None:
    """The scale of pixels that are `x` by `y` large, in `unit`; None where that is no length."""
    x_um, y_um = length_um(x, unit), length_um(y, unit)
    return Mpp(x_um, y_um) if x_um and y_um and min(x_um, y_um) > 0 else None


def mpp_of_dots(dots_per_inch: tuple[float, float]) -> Mpp | None:
    """The scale of a resolution, None where there is none or pixels are larger than a microscope's.

    What most files say of dots per inch is about printing.
    """
    if min(dots_per_inch) <= UM_PER_INCH / COARSEST_MPP:
        return None
    return Mpp(UM_PER_INCH / float(dots_per_inch[0]), UM_PER_INCH / float(dots_per_inch[1]))


def mpp_of_imagej(metadata: Mapping[str, object], pixels_per_unit: tuple[float, float]) -> Mpp | None:
    """The scale of a TIFF written by ImageJ, whose description names the unit of its resolution."""
    unit, (x, y) = metadata.get("unit"), pixels_per_unit
    return mpp_of_lengths(1 / x, 1 / y, unit) if isinstance(unit, str) and x > 0 and y > 0 else None
