"""The 95 % interval of a share, from few cases as well (Wilson, 1927)."""

import math

Z = 1.959963985  # of 95 %


def wilson(count: int, of: int) -> tuple[float, float]:
    """Low and high end of the interval of `count` out of `of`, which is at least 1."""
    share, squared = count / of, Z * Z
    middle = (share + squared / (2 * of)) / (1 + squared / of)
    half = Z / (1 + squared / of) * math.sqrt(share * (1 - share) / of + squared / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)
