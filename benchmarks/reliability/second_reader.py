"""How fastslide reads slides beside OpenSlide: levels, pixels, scale.

    pip install fastslide
    python -m benchmarks.reliability.second_reader SLIDE ...

For each level both have: the largest difference of any pixel and the mean one, in grey levels, over squares
that both read without resampling. docs/adr/0025-tifffile-is-the-second-reader.md has the numbers.
"""

import sys
from pathlib import Path

import fastslide
import numpy as np
import openslide

SIDE_PX = 512
SQUARES = 8


def compare(path: Path) -> None:
    """Print a line for each of a slide's levels."""
    other = fastslide.FastSlide.from_file_path(path)
    sizes = [tuple(size) for size in other.level_dimensions]
    with openslide.OpenSlide(path) as slide:
        missing = [size for size in slide.level_dimensions if size not in sizes]
        scale = slide.properties.get(openslide.PROPERTY_NAME_MPP_X)
        print(f"{path.name}: {scale} and {other.mpp[0]:g} µm/px, {len(missing)} levels missing")
        for number, size in enumerate(slide.level_dimensions):
            if size in sizes:
                most, mean = _difference(slide, number, other, sizes.index(size))
                print(f"    {size[0]} x {size[1]}: at most {most}, {mean:.2f} in the mean")


def _difference(
    slide: openslide.OpenSlide, number: int, other: "fastslide.FastSlide", other_number: int
) -> tuple[int, float]:
    rng = np.random.default_rng(0)
    width, height = slide.level_dimensions[number]
    downsample = slide.level_downsamples[number]
    side = min(SIDE_PX, width, height)
    corners = rng.integers(0, (width - side + 1, height - side + 1), (SQUARES, 2))
    if not downsample.is_integer():
        corners[:] = 0  # OpenSlide would interpolate elsewhere
    differences = []
    for x, y in corners.tolist():
        corner0 = int(x * downsample), int(y * downsample)
        first = np.asarray(slide.read_region(corner0, number, (side, side)).convert("RGB"))
        second = np.asarray(other.read_region((x, y), other_number, (side, side)).numpy())[..., :3]
        differences.append(np.abs(first.astype(int) - second))
    return int(np.max(differences)), float(np.mean(differences))


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        compare(Path(argument))
