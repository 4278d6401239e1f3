"""Sections of phantom blocks in silver and other stains, from which a detector learns grazed glomeruli.

    python -m datasets.case_tissue OUT [--cases 20] [--levels 3] [--glomeruli 12] [--seed 300]

A section passes through each glomerulus at any height, as in `glomspike phantom --cases`, so that there are
small profiles, which slides of single sections lack. A detector looks at 4 µm/px: 1 µm/px is fine enough.
The last fifth of the cases are `val`.
"""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from datasets.public_samples import Row, write_rows
from glomspike.annotate.layers import Region, RegionType
from glomspike.phantom.cases import CaseOrder, CaseSlide, Laying, PlannedCase, painter_of, plan_case
from glomspike.phantom.slides import LICENCE

MPP = 1.0
VALIDATION_SHARE = 0.2
LAYING = Laying(other_stains=0.6)


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--cases", default=20, show_default=True, help="How many blocks.")
@click.option("--levels", default=3, show_default=True, help="Sections of each.")
@click.option("--glomeruli", default=12, show_default=True, help="Glomeruli of each.")
@click.option("--seed", default=300, show_default=True, help="Another seed, other blocks.")
def main(out: Path, cases: int, levels: int, glomeruli: int, seed: int) -> None:
    """Paint sections."""
    orders = [CaseOrder(n, levels, glomeruli, seed, LAYING) for n in range(1, cases + 1)]
    training = round(cases * (1 - VALIDATION_SHARE))
    print(f"{write_rows(out, _rows(orders, training), LICENCE)} pictures")


def _rows(orders: list[CaseOrder], training: int) -> Iterator[Row]:
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        for number, rows in enumerate(pool.map(painted, orders)):
            yield from (replace(row, split="train" if number < training else "val") for row in rows)


def painted(order: CaseOrder) -> list[Row]:
    """The slides of a case at `MPP`, with the outlines of all profiles."""
    case = plan_case(order)
    case = replace(case, scanner=replace(case.scanner, mpp=MPP))
    return [_row(case, slide) for slide in case.slides]


def _row(case: PlannedCase, slide: CaseSlide) -> Row:
    width_px, height_px = np.ceil(slide.size_um / MPP).astype(int).tolist()
    plans = [case.block.cut(section.depth_um) for section in slide.sections]
    pixels = painter_of(case, slide, plans).block(0, 0, width_px, height_px)
    outlines = tuple(
        Region(RegionType.POLYGON, section.placement.to_slide(capsule) / MPP)
        for section in slide.sections
        for capsule in section.capsules_um
    )
    return Row(slide.name, pixels, None, MPP, f"block-{case.order.name}", "train", outlines)


if __name__ == "__main__":
    main()
