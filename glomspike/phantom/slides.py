"""Folders of phantom slides: each slide a different patient, with its truth and a row in `samples.csv`."""

import csv
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glomspike.phantom.glomerulus import GlomerulusPlan
from glomspike.phantom.paint import Painter
from glomspike.phantom.pyramid import File, write_pyramid
from glomspike.phantom.scanner import Scanner
from glomspike.phantom.spikes import Lesion
from glomspike.phantom.stain import Stain
from glomspike.phantom.tissue import TissuePlan, plan_tissue
from glomspike.phantom.truth import write_spikes, write_truth
from glomspike.phantom.visibility import Visibility, visible_spikes

LICENCE = "CC0-1.0 (synthetic, made by glomspike phantom)"
ROOM_UM = 315.0  # side of the square of tissue that each glomerulus gets


@dataclass(frozen=True)
class Order:
    """A phantom slide to make: its number, how many glomeruli, and the seed that decides all else."""

    number: int
    glomeruli: int
    seed: int
    boxed_share: float

    @property
    def name(self) -> str:
        """The stem of the slide's files."""
        return f"phantom-{self.number:04d}"


def write_phantoms(
    folder: Path, slides: int, glomeruli: int, seed: int, boxed_share: float, workers: int
) -> Iterator[str]:
    """Makes slides in `folder` with truth, `samples.csv` and licence; yields each slide's stem when done.

    The same arguments give the same files, whatever the number of processes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    orders = [Order(n, glomeruli, seed, boxed_share) for n in range(1, slides + 1)]
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, slides), mp_context=fresh) as pool:
        for order, _ in zip(orders, pool.map(_write, orders, [folder] * slides), strict=True):
            yield order.name
    _write_table(folder, orders)


def plan_slide(order: Order) -> tuple[TissuePlan, Stain, Scanner, np.random.Generator]:
    """What stands on a slide, how it is stained and scanned, and the generator for what is drawn later."""
    rng = np.random.default_rng([order.seed, order.number])
    columns = max(1, int(np.ceil(np.sqrt(1.3 * order.glomeruli))))
    rows = max(1, int(np.ceil(order.glomeruli / columns)))
    width_um, height_um = columns * ROOM_UM + 60, rows * ROOM_UM + 60
    stain, scanner = Stain.sample(rng), Scanner.sample(rng)
    lesion = Lesion.sample(rng, scanner.blur_um)
    return plan_tissue(rng, width_um, height_um, order.glomeruli, lesion), stain, scanner, rng


def _write(order: Order, folder: Path) -> None:
    plan, stain, scanner, rng = plan_slide(order)
    painter = Painter(plan, stain, scanner, int(rng.integers(2**31)))
    visible = tuple(visible_on_slide(painter, glomerulus) for glomerulus in plan.glomeruli)
    xml = folder / f"{order.name}.xml"
    write_truth(xml, plan.glomeruli, visible, scanner.mpp, order.boxed_share, rng)
    write_spikes(folder / f"{order.name}.json", plan.glomeruli, visible, scanner.mpp)
    size = round(plan.width_um / scanner.mpp), round(plan.height_um / scanner.mpp)
    file = File(scanner.mpp, scanner.objective, scanner.quality, scanner.compression)
    write_pyramid(folder / f"{order.name}.svs", painter.block, *size, file)


def visible_on_slide(painter: Painter, glomerulus: GlomerulusPlan) -> Visibility:
    """Which stretches of spikes of a glomerulus can be seen on the slide."""
    if not glomerulus.spiked:
        return ()
    scanner = painter.scanner
    low_px = np.floor(glomerulus.capsule_um.min(axis=0) / scanner.mpp).astype(int)
    width_px, height_px = np.ceil(np.ptp(glomerulus.capsule_um, axis=0) / scanner.mpp).astype(int).tolist()
    picture = painter.block(int(low_px[0]), int(low_px[1]), width_px, height_px)
    return visible_spikes(glomerulus.growth, picture, low_px * scanner.mpp, scanner.mpp, scanner.noise)


def _write_table(folder: Path, orders: list[Order]) -> None:
    (folder / "licence.txt").write_text(LICENCE + "\n", encoding="utf-8")
    with (folder / "samples.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "xml", "patient"])
        writer.writerows([f"{o.name}.svs", f"{o.name}.xml", o.name] for o in orders)
