"""Real silver-stained glomeruli with spikes painted on, and their unpainted selves: a test without phantoms.

    python -m datasets.painted_silver DATA OUT [--seed 1]

DATA holds `silver-reference` and `pasm-fields`, which are there to look at and to measure on: OUT is for
testing only. OUT gets `samples.csv` (all rows of split "test"), masks, pictures, each with its truth beside
it as phantoms have it (`glomspike.phantom.truth.read_spikes`), and `sheets/` to look at: unpainted, thickened
and spiked.

Each glomerulus is in the table unpainted (normal); with spikes, sparse, half and all over (spiked); and
with as much ink spread evenly on the same stretches (normal: thickened, no spikes). Some cannot be painted
and stand there unpainted only. The pictures' diagnoses are not known: one with true spikes may be among them,
although none was seen at full zoom. `measure_painted.py` measures a classifier on the table.
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datasets.spike_painter import (
    RGB,
    Form,
    Lesion,
    Mask,
    Membrane,
    chosen_stretches,
    find_membranes,
    with_spikes,
    with_thickening,
)
from glomspike.errors import SlideError
from glomspike.slide.reader import read_picture

Points = NDArray[np.float64]

DIAMETER_UM = 200.0  # of a human glomerulus; no picture states its scale
MARGIN_UM = 15.0
QUALITY = 95  # of the JPEG that painted and unpainted are written as alike
EXTENTS = {"sparse": (0.08, 0.22), "half": (0.35, 0.65), "all": (0.8, 1.0)}
THICKENED = "half"  # whose stretches also carry the even band
WINDOW_UM, ZOOM = 55.0, 3  # of the sheets


@dataclass(frozen=True)
class Source:
    """A glomerulus to take: its picture, which outline of the LabelMe file (or a polygon), how it was taken.

    Pictures of one `optics` were taken at one scale: the median diameter among them makes 200 µm.
    """

    picture: str
    optics: str
    shape: int | tuple[tuple[int, int], ...] = 0
    paintable: bool = True

    @property
    def patient(self) -> str:
        """The case: the file's name up to the first dash; the reference pictures are each a case."""
        stem = Path(self.picture).stem
        return stem.split("-")[0] if self.picture.startswith("pasm-fields") else stem

    @property
    def name(self) -> str:
        """What its files begin with."""
        return Path(self.picture).stem + (f"-{self.shape}" if isinstance(self.shape, int) else "")


def _ellipse(x: int, y: int, half_width: int, half_height: int) -> tuple[tuple[int, int], ...]:
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    points = np.stack([x + half_width * np.cos(turn), y + half_height * np.sin(turn)], axis=1)
    return tuple((round(px), round(py)) for px, py in points.tolist())


# The fields were taken with one camera through two objectives; the size of nuclei shows which. That the two
# groups' median diameters are as 2 to 1 within a few per cent confirms it.
SOURCES = (
    Source("silver-reference/pam-glomerulus.jpg", "pam", _ellipse(548, 385, 278, 312)),
    Source("silver-reference/pasm-glomerulus-1.png", "scanner", _ellipse(386, 625, 298, 282)),
    Source(
        "silver-reference/pasm-glomerulus-2.png",
        "scanner",
        ((285, 60), (400, 15), (520, 25), (610, 100), (670, 200), (685, 300), (660, 400), (600, 510),
         (500, 620), (420, 710), (300, 715), (230, 630), (150, 510), (118, 380), (135, 260), (180, 180),
         (270, 165)),
    ),
    Source(
        "pasm-fields/20181293-PASM.jpg",
        "400x",
        ((461, 201), (571, 156), (711, 156), (811, 211), (971, 331), (1026, 451), (1031, 581), (1049, 721),
         (981, 821), (811, 891), (641, 936), (571, 911), (421, 861), (281, 811), (211, 741), (199, 641),
         (231, 561), (321, 451), (361, 371), (391, 321), (451, 291)),
    ),
    Source("pasm-fields/20181335-PASM.jpg", "400x"),
    Source("pasm-fields/20181337-PASM.jpg", "400x"),
    Source("pasm-fields/20181343-PASM.jpg", "400x"),
    Source("pasm-fields/20181349-PASM.jpg", "400x"),
    Source("pasm-fields/20181351-PASM.jpg", "400x"),
    Source("pasm-fields/20181353-PASM.jpg", "400x"),
    Source("pasm-fields/20181357-PASM.jpg", "400x"),
    Source("pasm-fields/20171220-PASM.jpg", "200x"),
    Source("pasm-fields/20171220-PASM-2.jpg", "200x"),
    Source("pasm-fields/20180004-PASM.jpg", "200x"),
    Source(
        "pasm-fields/20180180-PASM.jpg",
        "200x",
        ((332, 386), (427, 371), (522, 431), (612, 451), (692, 501), (704, 571), (662, 681), (592, 781),
         (512, 861), (412, 899), (302, 903), (232, 861), (200, 781), (207, 671), (252, 521)),
    ),
    Source("pasm-fields/20181339-PASM.jpg", "200x", 1),
    Source("pasm-fields/20181355-PASM.jpg", "200x", 0),
    Source("pasm-fields/20181355-PASM.jpg", "200x", 1),
    # Overstained, sclerosed or filled by a crescent: hardly a free membrane to paint, good near misses.
    Source("pasm-fields/20180019-PASM.jpg", "200x", 1, paintable=False),
    Source("pasm-fields/20180028-PASM.jpg", "200x", 0, paintable=False),
    Source("pasm-fields/20180030-PASM.jpg", "200x", 0, paintable=False),
    Source("pasm-fields/20181359-PASM.jpg", "200x", 0, paintable=False),
    Source("pasm-fields/2018116-PASM.jpg", "200x", 2, paintable=False),
)  # fmt: skip

# Outlined, but not taken.
LEFT_OUT = {
    "20171220-PASM-2 1, 20180022-PASM 2, 20181335-PASM 1, 2018116-PASM 0 and 1": "globally sclerosed",
    "20180019-PASM 0, 20181337-PASM 1, 20181341-PASM 1, 2018116-PASM 3": "cut by the picture's edge",
    "20180022-PASM 0 and 1, 20180028-PASM 1": "a tangential cap of few loops",
    "20181339-PASM 0, 20181341-PASM 0, 20181345-PASM, 20181347-PASM": "out of focus",
    "neptune-fields": "256 pixels across several hundred µm: too coarse for spikes",
}


@dataclass(frozen=True, eq=False)
class Glomerulus:
    """A photographed glomerulus with some margin around it, and the mask of its outline."""

    source: Source
    pixels: RGB
    inside: Mask
    mpp: float


@dataclass(frozen=True, eq=False)
class Variant:
    """One picture of the table: a glomerulus unpainted or painted, with what was painted in its pixels.

    `spikes_px` (n, 2) are the middles of the spikes, `share` that of the membranes' length that carries them.
    """

    name: str
    pixels: RGB
    label: str
    stretches: tuple[Membrane, ...] = ()
    spikes_px: Points = field(default_factory=lambda: np.zeros((0, 2)))
    share: float = 0.0
    per_100_um: float = 0.0


@click.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--seed", default=1, show_default=True)
def main(data: Path, out: Path, seed: int) -> None:
    """Write painted and unpainted glomeruli with their samples table."""
    for folder in ("images", "masks", "sheets"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    rows = []
    for number, glomerulus in enumerate(load(data)):
        source, mask = glomerulus.source, f"masks/{glomerulus.source.name}.png"
        cv2.imwrite(str(out / mask), glomerulus.inside.astype(np.uint8) * 255)
        made = list(variants(glomerulus, np.random.default_rng([seed, number])))
        for variant in made:
            image = f"images/{source.name}-{variant.name}.jpg"
            _write(out / image, variant.pixels)
            rows.append([image, f"{glomerulus.mpp:.4f}", mask, variant.label, source.patient, "test"])
            truth = _truth(variant, glomerulus)
            (out / image).with_suffix(".json").write_text(json.dumps(truth) + "\n")
        _write(out / "sheets" / f"{source.name}.png", _sheet(made, glomerulus.mpp))
        print(f"{source.name}: {glomerulus.mpp:.3f} µm/px, {len(made)} pictures")
    with (out / "samples.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["image", "mpp", "mask", "label", "patient", "split"])
        table.writerows(rows)
    (out / "licence.txt").write_text(
        "none stated; to look at and to measure on, not to train on or pass on\n"
    )


def load(data: Path) -> Iterator[Glomerulus]:
    """The glomeruli of all sources, cut from their pictures at the pictures' scale."""
    outlines = {source: _outline(data, source) for source in SOURCES}
    for source, outline in outlines.items():
        alike = [_diameter(outlines[other]) for other in SOURCES if other.optics == source.optics]
        mpp = DIAMETER_UM / float(np.median(alike))
        try:
            pixels = read_picture(data / source.picture)
        except SlideError as error:
            raise click.ClickException(str(error)) from error
        margin = MARGIN_UM / mpp
        left, top = np.maximum(np.floor(outline.min(axis=0) - margin), 0).astype(int)
        right, bottom = np.ceil(outline.max(axis=0) + margin).astype(int)
        cut = np.ascontiguousarray(pixels[top:bottom, left:right])
        inside = np.zeros(cut.shape[:2], np.uint8)
        cv2.fillPoly(inside, [np.round(outline - [left, top]).astype(np.int32)], 1)
        yield Glomerulus(source, cut, inside > 0, mpp)


def _outline(data: Path, source: Source) -> Points:
    if not isinstance(source.shape, int):
        return np.array(source.shape, dtype=np.float64)
    shapes = json.loads((data / source.picture).with_suffix(".json").read_text())["shapes"]
    return np.array(shapes[source.shape]["points"], dtype=np.float64)


def _diameter(outline: Points) -> float:
    """Of the disc of the same area, in pixels."""
    return float(2 * np.sqrt(cv2.contourArea(outline.astype(np.float32)) / np.pi))


def variants(glomerulus: Glomerulus, rng: np.random.Generator) -> Iterator[Variant]:
    """The glomerulus unpainted, and where it can be painted thickened and with spikes of three extents."""
    pixels, mpp = glomerulus.pixels, glomerulus.mpp
    yield Variant("unpainted", pixels, "normal")
    if not glomerulus.source.paintable:
        return
    membranes = find_membranes(pixels, glomerulus.inside, mpp)
    length_um = sum(membrane.length_um for membrane in membranes)
    for name, (low, high) in EXTENTS.items():
        lesion = sampled_lesion(rng, rng.uniform(low, high), mpp)
        stretches = tuple(chosen_stretches(rng, membranes, lesion.extent))
        if name == THICKENED:
            yield Variant("thickened", with_thickening(pixels, stretches, lesion, mpp), "normal")
        painted, spikes_px = with_spikes(rng, pixels, stretches, lesion, mpp)
        share = sum(stretch.length_um for stretch in stretches) / length_um
        density = 100 * len(spikes_px) / length_um
        yield Variant(name, painted, "spiked", stretches, spikes_px, share, density)


def sampled_lesion(rng: np.random.Generator, extent: float, mpp: float) -> Lesion:
    """Spikes 0.6-1.9 µm long, 0.75-2 µm apart, 0.32-0.5 µm wide; none finer than the picture can show."""
    form: Form = rng.choice(["bristle", "club", "joined"], p=[0.5, 0.25, 0.25])
    longest_um = 1.3 if form == "joined" else 1.9  # bridges add to the height
    return Lesion(
        extent=extent,
        length_um=rng.uniform(max(0.6, 2.5 * mpp), longest_um),
        spacing_um=rng.uniform(max(0.75, 3 * mpp), 2.0),
        width_um=rng.uniform(0.32, 0.5),
        form=form,
    )


def _truth(variant: Variant, glomerulus: Glomerulus) -> dict[str, object]:
    """Where the spikes are, in the form that phantoms have it beside their slides."""
    y, x = np.nonzero(glomerulus.inside)
    entry = {
        "number": 1,
        "spiked": variant.label == "spiked",
        "centre0": [round(x.mean() + 0.5, 1), round(y.mean() + 0.5, 1)],
        "spiked_share": round(variant.share, 4),
        "spikes_per_100_um": round(variant.per_100_um, 3),
        "stretches0": [stretch.edge_px.round(1).tolist() for stretch in variant.stretches],
        "spikes0": variant.spikes_px.round(1).tolist(),
    }
    return {"mpp": glomerulus.mpp, "glomeruli": [entry]}


def _sheet(made: list[Variant], mpp: float) -> RGB:
    """Unpainted, thickened and spiked on the same stretches side by side, enlarged where most of them are."""
    shown = [variant for variant in made if variant.name in ("unpainted", "thickened", THICKENED)]
    height, width = made[0].pixels.shape[:2]
    side = min(round(WINDOW_UM / mpp), height, width)
    places = np.concatenate(
        [[[width / 2, height / 2]], *(stretch.edge_px for stretch in shown[-1].stretches)]
    )
    near = [(np.abs(places - place).max(axis=1) < side / 2).sum() for place in places[::10]]
    x, y = places[::10][int(np.argmax(near))]
    left, top = int(np.clip(x - side / 2, 0, width - side)), int(np.clip(y - side / 2, 0, height - side))
    windows = [variant.pixels[top : top + side, left : left + side] for variant in shown]
    size = (round(side * ZOOM * mpp / 0.25),) * 2
    return np.asarray(
        np.hstack([cv2.resize(w, size, interpolation=cv2.INTER_CUBIC) for w in windows]), np.uint8
    )


def _write(path: Path, pixels: RGB) -> None:
    Image.fromarray(pixels).save(path, quality=QUALITY)


if __name__ == "__main__":
    main()
