"""How one piece of tissue might have looked in another laboratory: other stain, light, focus and compression.

Everything works on RGB uint8 and depends on nothing but the random generator given, so that a training
can be repeated.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from glomspike.findings import RGB

Rng = np.random.Generator
Float = NDArray[np.float32]

# Optical density of red, green and blue per unit of dye: the directions that stains' colours lie in.
_DYES: dict[str, tuple[float, float, float]] = {
    "haematoxylin": (0.65, 0.70, 0.29),
    "blue haematoxylin": (0.75, 0.60, 0.20),
    "eosin": (0.07, 0.99, 0.11),
    "pink eosin": (0.15, 0.85, 0.45),
    "schiff magenta": (0.25, 0.92, 0.30),
    "silver": (0.58, 0.58, 0.57),
    "brown silver": (0.45, 0.58, 0.68),
    "diaminobenzidine": (0.27, 0.57, 0.78),
    "aniline blue": (0.85, 0.50, 0.15),
    "light green": (0.80, 0.30, 0.52),
    "biebrich scarlet": (0.10, 0.80, 0.60),
    "orange": (0.02, 0.40, 0.92),
    "sirius red": (0.08, 0.80, 0.58),
    "purple": (0.45, 0.85, 0.25),
}
_DYE_VECTORS = np.array([np.array(v) / np.linalg.norm(v) for v in _DYES.values()], dtype=np.float32)
# What the tissue at hand was stained with; a wrong guess only makes another mixture.
_COUNTERSTAIN_AND_STAIN = (
    ("haematoxylin", "eosin"),
    ("haematoxylin", "schiff magenta"),
    ("haematoxylin", "diaminobenzidine"),
    ("purple", "silver"),
)
# What stains are made of: the dyes where haematoxylin was, where the other stain was, and elsewhere.
_STAINS = (
    ("haematoxylin", "silver", "pink eosin"),
    ("pink eosin", "silver", "haematoxylin"),
    ("blue haematoxylin", "silver", "eosin"),
    ("purple", "brown silver", "eosin"),
    ("light green", "silver", "light green"),
    ("haematoxylin", "aniline blue", "biebrich scarlet"),
    ("biebrich scarlet", "aniline blue", "haematoxylin"),
    ("biebrich scarlet", "light green", "orange"),
    ("haematoxylin", "diaminobenzidine", "diaminobenzidine"),
    ("haematoxylin", "schiff magenta", "pink eosin"),
    ("haematoxylin", "eosin", "pink eosin"),
    ("orange", "sirius red", "orange"),
)
# Silver blackens what it stains and leaves the rest: membranes stand out as in no other stain.
_SILVERS = frozenset({"silver", "brown silver"})
# How often tissue is shown as it is, and in another stain that is in use; else it gets any dyes.
AS_IT_IS, IN_USE = 0.3, 0.45
TISSUE_VARIANCE = 25.0
_LEAST_LIGHT = 1 / 255
_DENSITY = -np.log(np.maximum(np.arange(256, dtype=np.float32) / 255, _LEAST_LIGHT))


def appearance(pixels: RGB, rng: Rng) -> RGB:
    """The picture, in its shape, as of another laboratory: stain, light, focus, noise and compression."""
    draw = rng.random()
    if draw >= AS_IT_IS:
        pixels = stained_anew(pixels, rng) if draw < AS_IT_IS + IN_USE else restained(pixels, rng)
    return compressed(focused(lit(dirtied(pixels, rng), rng), rng), rng)


def stained_anew(pixels: RGB, rng: Rng) -> RGB:
    """The tissue, in the picture's shape, in one of the stains used for kidneys, as far as unmixing goes."""
    return stained_as(pixels, _STAINS[rng.integers(len(_STAINS))], rng)


def stained_as(
    pixels: RGB, names: tuple[str, str, str], rng: Rng, dyes: tuple[str, str] | None = None
) -> RGB:
    """The tissue in dyes of these names: where haematoxylin was, where the other stain was, and elsewhere.

    The picture keeps its shape.     `dyes` are the two that it was stained with, where that is known.
    """
    amounts = _amounts(pixels, rng, dyes)
    strength = np.exp(rng.normal(0, 0.3, (3, 1))).astype(np.float32)
    if names[1] in _SILVERS:
        strong = np.float32(max(float(np.quantile(amounts[1, ::7], 0.85)), _LEAST_LIGHT))
        amounts[1] = strong * (amounts[1] / strong) ** np.float32(rng.uniform(1.2, 2.4))
        strength *= np.array([[0.6], [rng.uniform(1.2, 3.0)], [0.6]], dtype=np.float32)
    vectors = _varied(np.stack([_DYE_VECTORS[list(_DYES).index(name)] for name in names]), rng)
    density = np.asarray(vectors.T @ (amounts * strength), dtype=np.float32)
    return _shown(density, pixels.shape)


def restained(pixels: RGB, rng: Rng) -> RGB:
    """The picture, in its shape, in other dyes: densities are unmixed, colours and strengths change."""
    density = _density(pixels)
    amounts = _amounts(pixels, rng)
    strength = np.exp(rng.normal(0, 0.35, (3, 1))).astype(np.float32)
    for dye, bend in enumerate(np.exp(rng.normal(0, 0.2, 3)).astype(np.float32)):
        np.power(amounts[dye], bend, out=amounts[dye])
    chosen = _varied(_DYE_VECTORS[rng.choice(len(_DYE_VECTORS), 3, replace=False)], rng)
    dyed = chosen.T @ (amounts * strength)
    # Other dyes, but neither a black nor an empty picture.
    dyed *= density.mean() / max(dyed.mean(), _LEAST_LIGHT) * np.float32(np.exp(rng.normal(0, 0.3)))
    share = np.float32(rng.uniform(0.3, 1.0))
    mixed = np.asarray(density * (1 - share) + dyed * share, dtype=np.float32)
    return _shown(mixed, pixels.shape)


def _density(pixels: RGB) -> Float:
    """Optical density (3, n), one row per channel, so that every step runs along memory."""
    return np.asarray(_DENSITY[np.ascontiguousarray(pixels.reshape(-1, 3).T)])


def _amounts(pixels: RGB, rng: Rng, dyes: tuple[str, str] | None = None) -> Float:
    """How much of each of three dyes (3, n) is where, after a guess at what the tissue was stained with."""
    return np.maximum(np.linalg.inv(_unmixing(rng, dyes)).T @ _density(pixels), 0)


def _shown(density: Float, shape: tuple[int, ...]) -> RGB:
    shown = np.exp(-density) * np.float32(255)
    return np.ascontiguousarray(np.clip(shown + 0.5, 0, 255).astype(np.uint8).T).reshape(shape)


def _unmixing(rng: Rng, dyes: tuple[str, str] | None) -> Float:
    names = list(_DYES)
    pair = dyes or _COUNTERSTAIN_AND_STAIN[rng.integers(len(_COUNTERSTAIN_AND_STAIN))]
    first, second = (_DYE_VECTORS[names.index(name)] for name in pair)
    rest = np.cross(first, second)
    return np.stack([first, second, np.abs(rest) / np.linalg.norm(rest)]).astype(np.float32)


def _varied(dyes: Float, rng: Rng) -> Float:
    """Three dyes (3, 3) of slightly other colours."""
    varied = np.maximum(dyes + rng.normal(0, 0.08, (3, 3)), 0.01)
    return np.asarray(varied / np.linalg.norm(varied, axis=1, keepdims=True), dtype=np.float32)


def dirtied(pixels: RGB, rng: Rng) -> RGB:
    """The picture, in its shape, at times with a fold, a smear of ink or precipitate, or an air bubble."""
    draw, (height_px, width_px) = rng.random(), pixels.shape[:2]
    if draw > 0.12:
        return pixels
    mark = np.zeros((height_px, width_px), np.float32)
    places = rng.uniform(-0.2, 1.2, (4, 2)) * (width_px, height_px)
    thick = int(rng.integers(2, 2 + max(1, width_px // 12)))
    if draw < 0.04:
        radius = int(rng.uniform(0.1, 0.4) * width_px)
        cv2.circle(mark, places[0].astype(int).tolist(), radius, 1.0, max(1, thick // 3), cv2.LINE_AA)
    else:
        cv2.polylines(mark, [places[: 2 if draw < 0.08 else 4].astype(np.int32)], False, 1.0, thick)
    soft = cv2.GaussianBlur(mark, (0, 0), rng.uniform(0.5, 3.0))[..., None]
    opacity = soft * np.float32(rng.uniform(0.4, 1))
    dark = pixels * rng.uniform(0.1, 0.7, 3).astype(np.float32)
    return np.asarray(pixels * (1 - opacity) + dark * opacity, dtype=np.uint8)


def lit(pixels: RGB, rng: Rng) -> RGB:
    """The picture, in its shape, in other light: brightness, contrast, tint of the glass, dark corners."""
    light = np.ones(3, dtype=np.float32)
    if rng.random() < 0.6:
        yellow = rng.uniform(0, 0.25)
        light *= rng.uniform(0.65, 1.05) * np.array([1, 1 - 0.35 * yellow, 1 - yellow], dtype=np.float32)
        light *= 1 + rng.normal(0, 0.03, 3).astype(np.float32)
    gamma = np.float32(np.exp(rng.normal(0, 0.15)))
    tone = (np.arange(256, dtype=np.float32) / 255) ** gamma * 255
    shown = tone[pixels] * light
    if rng.random() < 0.25:
        shown *= _vignette(pixels.shape[0], pixels.shape[1], rng)[..., None]
    if rng.random() < 0.1:
        grey = shown.mean(axis=2, keepdims=True)
        shown = grey + (shown - grey) * np.float32(rng.uniform(0, 0.5))
    return np.asarray(np.clip(shown, 0, 255), dtype=np.uint8)


def hard_to_see(pixels: RGB, rng: Rng) -> RGB:
    """The picture, in its shape, at times of poor quality: hardly stained, dark, or out of focus."""
    draw = rng.random()
    if draw < 0.09:
        pale = 255 * np.exp(-_DENSITY * np.float32(np.exp(rng.uniform(np.log(0.08), np.log(0.6)))))
        return np.asarray(pale.astype(np.uint8)[pixels])
    if draw < 0.15:
        light = rng.uniform(0.25, 0.7) * _vignette(pixels.shape[0], pixels.shape[1], rng)[..., None]
        return np.asarray(pixels * light, dtype=np.uint8)
    if draw < 0.19:
        return np.asarray(cv2.GaussianBlur(pixels, (0, 0), rng.uniform(1.5, 2.6)), dtype=np.uint8)
    return pixels


def _vignette(height_px: int, width_px: int, rng: Rng) -> Float:
    x = np.linspace(-1, 1, width_px, dtype=np.float32) - np.float32(rng.uniform(-0.6, 0.6))
    y = np.linspace(-1, 1, height_px, dtype=np.float32) - np.float32(rng.uniform(-0.6, 0.6))
    return np.asarray(1 - np.float32(rng.uniform(0.05, 0.35)) * np.minimum(x**2 + y[:, None] ** 2, 2) / 2)


def focused(pixels: RGB, rng: Rng) -> RGB:
    """The picture, in its shape, through another objective: blurred, sharpened or of coarser sampling."""
    draw = rng.random()
    if draw < 0.25:
        return np.asarray(cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.4, 1.8)), dtype=np.uint8)
    if draw < 0.35:
        soft = cv2.GaussianBlur(pixels, (0, 0), 1.2)
        gain = rng.uniform(0.3, 1.2)
        return np.asarray(cv2.addWeighted(pixels, 1 + gain, soft, -gain, 0), dtype=np.uint8)
    if draw < 0.45:
        height_px, width_px = pixels.shape[:2]
        factor = rng.uniform(0.35, 0.8)
        small = cv2.resize(
            pixels, (int(width_px * factor), int(height_px * factor)), interpolation=cv2.INTER_AREA
        )
        return np.asarray(cv2.resize(small, (width_px, height_px)), dtype=np.uint8)
    return pixels


def compressed(pixels: RGB, rng: Rng) -> RGB:
    """The picture, in its shape, from another camera and file: sensor noise, JPEG."""
    if rng.random() < 0.25:
        noise = rng.standard_normal(pixels.shape, dtype=np.float32) * np.float32(rng.uniform(1, 9))
        pixels = np.asarray(np.clip(pixels + noise, 0, 255), dtype=np.uint8)
    if rng.random() < 0.3:
        _, code = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 95))])
        pixels = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), dtype=np.uint8)
    return pixels


def turned(rng: Rng, side_px: float, centre_px: tuple[float, float], scale: float) -> Float:
    """An affine matrix (2, 3) that brings a point to the middle of a square, turned and mirrored at random.

    It maps picture pixels to pixels of a square of `side_px`, `scale` square pixels per picture pixel.
    """
    angle = rng.uniform(0, 2 * np.pi)
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    linear = np.array([[cos * mirror, -sin], [sin * mirror, cos]])
    shift = side_px / 2 - linear @ np.array(centre_px)
    return np.column_stack([linear, shift]).astype(np.float32)


def warped(
    pixels: NDArray[np.uint8],
    matrix: Float,
    side_px: int,
    background: tuple[float, float, float] | None,
    *,
    labels: bool = False,
) -> NDArray[np.uint8]:
    """The square (side_px, side_px, ...) that an affine matrix (2, 3), as from `turned`, cuts out.

    Where the picture ends there is background, or its mirror image where that is None. Nothing lies between
    two `labels`.
    """
    # The matrix counts pixel 0 as spanning 0 to 1, OpenCV takes pixel centres to be whole numbers.
    centred = matrix.astype(np.float64)
    centred[:, 2] += centred[:, :2] @ np.array([0.5, 0.5]) - 0.5
    return np.asarray(
        cv2.warpAffine(
            pixels,
            centred,
            (side_px, side_px),
            flags=cv2.INTER_NEAREST if labels else cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101 if background is None else cv2.BORDER_CONSTANT,
            borderValue=background or (0.0, 0.0, 0.0),
        ),
        dtype=np.uint8,
    )


def mapped(points_px: NDArray[np.float64], matrix: Float) -> NDArray[np.float64]:
    """Points (n, 2) through an affine matrix (2, 3)."""
    return np.asarray(points_px @ matrix[:, :2].T + matrix[:, 2], dtype=np.float64)


def glass(pixels: RGB, rng: Rng) -> tuple[float, float, float]:
    """A colour for what lies outside a picture: its brightest colour, white, or its mean."""
    draw = rng.random()
    if draw < 0.5:
        level = np.percentile(pixels[::16, ::16].reshape(-1, 3), 97, axis=0)
    elif draw < 0.8:
        level = np.full(3, rng.uniform(215, 255))
    else:
        level = pixels[::16, ::16].reshape(-1, 3).mean(axis=0)
    return float(level[0]), float(level[1]), float(level[2])


def tissue_share(pixels: RGB) -> float:
    """The share of a picture that has the texture of tissue: glass, filling and blank are smooth."""
    small = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), None, fx=0.5, fy=0.5).astype(np.float32)
    mean = cv2.blur(small, (15, 15))
    variance = cv2.blur(small * small, (15, 15)) - mean * mean
    return float((variance > TISSUE_VARIANCE).mean())
