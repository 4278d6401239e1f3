"""Folders of phantom cases: each a block cut at several depths, its sections on one slide or several.

Beside the slides lie `cases.csv`, which `glomspike cases` reads, and each case's truth: which profile is
which glomerulus.
"""

import csv
import json
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from glomspike.findings import Points
from glomspike.phantom.artefacts import Artefacts
from glomspike.phantom.other_stains import MARKERS, sample_stain
from glomspike.phantom.paint import Painter
from glomspike.phantom.placement import Placement, sample_tear
from glomspike.phantom.pyramid import File, write_pyramid
from glomspike.phantom.scanner import Scanner
from glomspike.phantom.sections import PlacedSection, SectionsPainter, box_um
from glomspike.phantom.slides import LICENCE
from glomspike.phantom.solid import Block, sample_block
from glomspike.phantom.spikes import Lesion
from glomspike.phantom.stain import Stain
from glomspike.phantom.tissue import TissuePlan

SILVER = "silver"
GAP_UM = (150.0, 500.0)  # of glass between neighbouring sections
BORDER_UM = 120.0


@dataclass(frozen=True)
class Laying:
    """How sections are laid on slides, as shares of sections but for `together`."""

    any_turn: float = 0.25  # turned by any angle; the others by about 12 degrees
    mirrored: float = 0.1
    torn: float = 0.2
    other_stains: float = 0.35  # of slides
    together: float = 0.4  # chance that a section shares the slide of the one before


@dataclass(frozen=True)
class CaseOrder:
    """A phantom case to make: its number, its levels and glomeruli, and the seed that decides all else."""

    number: int
    levels: int
    glomeruli: int
    seed: int
    laying: Laying = Laying()

    @property
    def name(self) -> str:
        """The case's name."""
        return f"case-{self.number:04d}"


@dataclass(frozen=True, eq=False)
class LaidSection:
    """A section on its slide: where it was cut, and its glomeruli by their numbers in the block."""

    depth_um: float
    placement: Placement
    mirrored: bool
    numbers: tuple[int, ...]
    capsules_um: list[Points]  # the profiles' outer edges, in the block's frame
    tissue_um: Points


@dataclass(frozen=True, eq=False)
class CaseSlide:
    """One slide of a case."""

    name: str  # of the file, without suffix
    marker: str
    stain: Stain
    sections: tuple[LaidSection, ...]
    size_um: Points  # (2,)

    @property
    def file(self) -> str:
        """The file's name."""
        return f"{self.name}.svs"


@dataclass(frozen=True, eq=False)
class PlannedCase:
    """Everything about a case before it is painted."""

    order: CaseOrder
    block: Block
    scanner: Scanner
    slides: tuple[CaseSlide, ...]
    bend_seed: int
    rng: np.random.Generator


def write_cases(
    folder: Path, cases: int, levels: int, glomeruli: int, seed: int, workers: int
) -> Iterator[str]:
    """Makes cases in `folder` with their truth, `cases.csv` and licence; yields each one's name when done.

    The same arguments give the same files, whatever the number of processes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    orders = [CaseOrder(n, levels, glomeruli, seed) for n in range(1, cases + 1)]
    fresh = multiprocessing.get_context("spawn")
    rows: list[list[str | int]] = []
    with ProcessPoolExecutor(min(workers, cases), mp_context=fresh) as pool:
        for order, made in zip(orders, pool.map(write_case, orders, [folder] * cases), strict=True):
            rows += made
            yield order.name
    (folder / "licence.txt").write_text(LICENCE + "\n", encoding="utf-8")
    with (folder / "cases.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["case", "image", "modality", "marker", "level", "block", "mpp"])
        writer.writerows(rows)


def write_case(order: CaseOrder, folder: Path) -> list[list[str | int]]:
    """Makes one case in `folder`; returns its rows of `cases.csv`."""
    case = plan_case(order)
    sections = []
    for level, slide in enumerate(case.slides, start=1):
        plans = [case.block.cut(section.depth_um) for section in slide.sections]
        _write_slide(case, slide, plans, folder / slide.file)
        for section, plan in zip(slide.sections, plans, strict=True):
            spiked = [glomerulus.spiked for glomerulus in plan.glomeruli]
            sections.append(_section_truth(slide, level, section, spiked, case.scanner.mpp))
    glomeruli = [
        {"number": number, "sclerosed": one.sclerosed, "radius_um": round(one.surface.radius_um, 1)}
        for number, one in enumerate(case.block.glomeruli, start=1)
    ]
    truth = {"case": order.name, "mpp": case.scanner.mpp, "glomeruli": glomeruli, "sections": sections}
    (folder / f"{order.name}.json").write_text(json.dumps(truth) + "\n", encoding="utf-8")
    return [
        [order.name, slide.file, "om", slide.marker, level, "A", ""]
        for level, slide in enumerate(case.slides, start=1)
    ]


def _write_slide(case: PlannedCase, slide: CaseSlide, plans: list[TissuePlan], path: Path) -> None:
    scanner = case.scanner
    width, height = np.round(slide.size_um / scanner.mpp).astype(int).tolist()
    file = File(scanner.mpp, scanner.objective, scanner.quality, scanner.compression)
    write_pyramid(path, painter_of(case, slide, plans).block, width, height, file)


def painter_of(case: PlannedCase, slide: CaseSlide, plans: list[TissuePlan]) -> SectionsPainter:
    """What paints a slide of a case, on which sections with these plans lie."""
    scanner, rng = case.scanner, case.rng
    placed = tuple(
        PlacedSection(
            Painter(plan, slide.stain, scanner, int(rng.integers(2**31)), case.bend_seed), section.placement
        )
        for plan, section in zip(plans, slide.sections, strict=True)
    )
    artefacts = Artefacts.sample(rng, *slide.size_um.tolist())
    return SectionsPainter(placed, artefacts, slide.stain, scanner, int(rng.integers(2**31)))


def plan_case(order: CaseOrder) -> PlannedCase:
    """What is in the block, where it is cut, and how its sections lie on which slides."""
    rng = np.random.default_rng([order.seed, order.number, 20])
    silver, scanner = Stain.sample(rng), Scanner.sample(rng)
    lesion = Lesion.sample(rng, scanner.blur_um)
    depths = tuple(np.concatenate([[0.0], np.cumsum(rng.uniform(3, 12, size=order.levels - 1))]).tolist())
    block = sample_block(rng, order.glomeruli, depths, lesion)
    groups = _grouped(rng, depths, order.laying.together)
    markers = _markers(rng, len(groups), order.laying.other_stains)
    slides = []
    for number, (group, marker) in enumerate(zip(groups, markers, strict=True), start=1):
        stain = silver if marker == SILVER else sample_stain(rng, marker)
        laid = [_laid(rng, block, depth, order.laying) for depth in group]
        sections, size_um = _side_by_side(rng, laid)
        name = f"{order.name}-{number}-{marker}"
        slides.append(CaseSlide(name, marker, stain, sections, size_um))
    return PlannedCase(order, block, scanner, tuple(slides), int(rng.integers(2**31)), rng)


def _grouped(rng: np.random.Generator, depths_um: tuple[float, ...], together: float) -> list[list[float]]:
    """The depths of each slide's sections: neighbours share a slide with that chance, up to three of them."""
    groups: list[list[float]] = []
    for depth in depths_um:
        if groups and len(groups[-1]) < 3 and rng.random() < together:
            groups[-1].append(depth)
        else:
            groups.append([depth])
    return groups


def _markers(rng: np.random.Generator, slides: int, others: float) -> list[Any]:
    """The stain of each slide; at least one is in silver."""
    pool = [*rng.permutation(MARKERS), *rng.choice(MARKERS, size=slides)]
    markers: list[Any] = [pool[n] if rng.random() < others else SILVER for n in range(slides)]
    if SILVER not in markers:
        markers[int(rng.integers(slides))] = SILVER
    return [str(marker) for marker in markers]


def _laid(rng: np.random.Generator, block: Block, depth_um: float, laying: Laying) -> LaidSection:
    capsules, tissue = block.capsules_at(depth_um), block.tissue_at(depth_um)
    any_turn = rng.random() < laying.any_turn
    turn = rng.uniform(-np.pi, np.pi) if any_turn else rng.normal(0, np.radians(12))
    mirrored, torn = bool(rng.random() < laying.mirrored), rng.random() < laying.torn
    tear = sample_tear(rng, tissue, capsules) if torn else None
    placement = Placement.sample(rng, tissue, float(turn), mirrored=mirrored, tear=tear)
    return LaidSection(depth_um, placement, mirrored, block.shown_at(depth_um), capsules, tissue)


def _side_by_side(
    rng: np.random.Generator, sections: list[LaidSection]
) -> tuple[tuple[LaidSection, ...], Points]:
    """The sections of a slide in a row, in the order they were cut, and the slide's size."""
    left, height = BORDER_UM, 0.0
    moved = []
    for section in sections:
        low, high = box_um(section.placement, section.tissue_um)
        there = section.placement.moved_to(np.array([left, BORDER_UM]) - low)
        moved.append(replace(section, placement=there))
        left += float(high[0] - low[0]) + float(rng.uniform(*GAP_UM))
        height = max(height, float(high[1] - low[1]))
    return tuple(moved), np.array([left, height + 2 * BORDER_UM])


def _section_truth(
    slide: CaseSlide, level: int, section: LaidSection, spiked: list[bool], mpp: float
) -> dict[str, Any]:
    """What is true of a section, as JSON: its profiles in level-0 pixels and which glomeruli they are."""
    place = section.placement
    profiles = [
        {"glomerulus": number, "spiked": is_spiked, "outline0": _rounded(place.to_slide(capsule) / mpp)}
        for number, is_spiked, capsule in zip(section.numbers, spiked, section.capsules_um, strict=True)
    ]
    return {
        "image": slide.file,
        "marker": slide.marker,
        "level": level,
        "depth_um": round(section.depth_um, 2),
        "mirrored": section.mirrored,
        "torn": place.tear is not None,
        "tissue0": _rounded(place.to_slide(section.tissue_um)[::4] / mpp),
        "profiles": profiles,
    }


def _rounded(points: Points) -> list[Any]:
    return list(np.round(points, 1).tolist())
