"""Whether it matters to bring slides to sRGB by their ICC profiles: phantoms as two scanners store them.

    python -m benchmarks.quality.icc_profiles WORK [--slides 10] [--seed 950]

Each phantom slide, whose colours are sRGB, is written as a scanner of other primaries and tone would store
it, and once more after its profile has been applied; a copy of the same colours shows what compressing again
does. The main job runs on all, and every glomerulus is compared with itself. WORK keeps slides and results.
"""

import io
import os
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
from PIL import Image, ImageCms

from benchmarks.quality.main_job import Case, SlideCount, auc, run_all, shipped_models
from glomspike.findings import RGB
from glomspike.learn.samples import Sample, read_samples
from glomspike.phantom.pyramid import File, write_pyramid
from glomspike.phantom.slides import write_phantoms
from glomspike.slide.reader import open_slide

WHITE = (0.9642, 1.0, 0.8249)  # D50, which profiles are connected through
QUALITY, FINE_QUALITY = 90, 98  # of JPEG; the second coding of applied profiles is to add nothing
GLOMERULI = 6  # on each slide
DRAWS = 2000


@dataclass(frozen=True)
class Scanner:
    """How a scanner stores colours: CIE xy of its red, green and blue, adapted to D50, and its gamma."""

    name: str
    primaries: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
    gamma: float


SCANNERS = (
    # Wide primaries, so that stored colours look pale: those of Adobe RGB (1998).
    Scanner("wide gamut", ((0.6485, 0.3309), (0.2302, 0.7016), (0.1559, 0.0660)), 2.2),
    # sRGB's primaries and a tone between linear and a display's, so that stored colours look dark and hard.
    Scanner("gamma 1.5", ((0.6484, 0.3309), (0.3212, 0.5978), (0.1559, 0.0660)), 1.5),
)


def profile(scanner: Scanner) -> bytes:
    """An ICC profile, version 2, of a scanner that is a matrix and a gamma."""
    xyz = np.array([(x / y, 1.0, (1 - x - y) / y) for x, y in scanner.primaries]).T
    colorants = xyz * np.linalg.solve(xyz, np.array(WHITE))
    curve = b"curv" + struct.pack(">4xIH2x", 1, round(scanner.gamma * 256))
    text = b"text" + bytes(4) + b"made up\0"
    name = scanner.name.encode() + b"\0"
    description = b"desc" + struct.pack(">4xI", len(name)) + name + bytes(78)
    tags = [(b"desc", description), (b"cprt", text), (b"wtpt", _xyz(WHITE))]
    tags += [(key, _xyz(colorants[:, n])) for n, key in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))]
    tags += [(key, curve) for key in (b"rTRC", b"gTRC", b"bTRC")]
    table, content, offset = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for key, value in tags:
        table += key + struct.pack(">II", offset + len(content), len(value))
        content += value + bytes(-len(value) % 4)
    header = struct.pack(
        ">I4xI4s4s4s12x4s28x3I48x", offset + len(content), 0x02400000, b"mntr", b"RGB ", b"XYZ ", b"acsp",
        *(round(value * 65536) for value in WHITE),
    )  # fmt: skip
    return header + table + content


def _xyz(values: Sequence[float] | np.ndarray) -> bytes:
    return b"XYZ " + struct.pack(">4x3i", *(round(float(value) * 65536) for value in values))


def colour_changes(scanner: Scanner) -> tuple[Callable[[RGB], RGB], Callable[[RGB], RGB]]:
    """From sRGB to what the scanner stores, and back by its profile, eight bits each."""
    stored = ImageCms.ImageCmsProfile(io.BytesIO(profile(scanner)))
    srgb = ImageCms.createProfile("sRGB")
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    to = ImageCms.buildTransform(srgb, stored, "RGB", "RGB", intent)
    back = ImageCms.buildTransform(stored, srgb, "RGB", "RGB", intent)

    def changed(transform: ImageCms.ImageCmsTransform) -> Callable[[RGB], RGB]:
        return lambda pixels: np.asarray(ImageCms.applyTransform(Image.fromarray(pixels), transform))

    return changed(to), changed(back)


def recoloured(sample: Sample, change: Callable[[RGB], RGB], folder: Path, quality: int) -> Sample:
    """A sample whose slide has other colours."""
    path = folder / sample.image.name
    folder.mkdir(parents=True, exist_ok=True)
    with open_slide(sample.image) as slide:
        facts = slide.facts
        pixels = change(slide.read(0, 0, facts.width0, facts.height0, facts.mpp.x))

    def block(x: int, y: int, width: int, height: int) -> RGB:
        return np.ascontiguousarray(pixels[y : y + height, x : x + width])

    write_pyramid(path, block, facts.width0, facts.height0, File(facts.mpp.x, 10 / facts.mpp.x, quality))
    return replace(sample, image=path)


@click.command()
@click.argument("work", type=click.Path(path_type=Path))
@click.option("--slides", default=10, show_default=True, help="How many slides.")
@click.option("--seed", default=950, show_default=True, help="Which.")
def main(work: Path, slides: int, seed: int) -> None:
    """Print what scanners' colours change, and what applying their profiles corrects."""
    list(write_phantoms(work / "srgb", slides, GLOMERULI, seed, 0.0, os.cpu_count() or 1))
    samples = read_samples([work / "srgb" / "samples.csv"])
    again = [recoloured(one, lambda pixels: pixels, work / "again", QUALITY) for one in samples]
    sets = {"sRGB": samples, "sRGB, compressed again": again}
    for scanner in SCANNERS:
        to, back = colour_changes(scanner)
        as_stored = [recoloured(one, to, work / scanner.name, QUALITY) for one in samples]
        applied = f"{scanner.name}, profile applied"
        sets |= {
            scanner.name: as_stored,
            applied: [recoloured(one, back, work / applied, FINE_QUALITY) for one in as_stored],
        }
    models = shipped_models()
    threshold = models["classifier"].card.thresholds["spiked"]
    reference: list[Case] = []
    for name, these in sets.items():
        cases, counts, _ = run_all(work / f"out {name}", [(one.image, one) for one in these], models)
        reference = reference or cases
        _report(name, reference, cases, counts, threshold)


def _report(
    name: str, reference: list[Case], cases: list[Case], counts: list[SlideCount], threshold: float
) -> None:
    """A row of the table: of the whole, and of each glomerulus against itself in sRGB."""
    scored = [case for case in cases if case.probability is not None]
    pairs = [
        (case.slide, first.probability, case.probability)
        for first, case in zip(reference, cases, strict=True)
        if first.probability is not None and case.probability is not None
    ]
    moved = np.array([abs(p - q) for _, p, q in pairs])
    changed = sum((p >= threshold) != (q >= threshold) for _, p, q in pairs)
    wrong = sum(
        case.spiked != (case.probability >= threshold) for case in scored if case.probability is not None
    )
    false = sum(one.false for one in counts)
    low, high = _interval([slide for slide, _, _ in pairs], moved)
    print(
        f"{name}: {len(scored)} of {len(cases)} found, {false} false circles; AUC {auc(scored):.3f}, "
        f"{wrong} called wrongly; {changed} of {len(pairs)} calls differ from sRGB's, "
        f"probabilities by {moved.mean():.3f} [{low:.3f}, {high:.3f}]",
        flush=True,
    )


def _interval(slides: Sequence[str], values: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the mean when slides are drawn again."""
    rng = np.random.default_rng(0)
    by_slide = [values[np.array(slides) == slide] for slide in sorted(set(slides))]
    drawn = rng.integers(0, len(by_slide), (DRAWS, len(by_slide)))
    means = [np.concatenate([by_slide[n] for n in row]).mean() for row in drawn]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


if __name__ == "__main__":
    main()
