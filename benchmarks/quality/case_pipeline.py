"""How rightly whole cases are counted from pixels: phantoms through `glomspike cases`, beside their truth.

    glomspike phantom --out PHANTOMS --cases N --levels 3 --glomeruli 12 --seed 778
    glomspike cases PHANTOMS/cases.csv OUT
    python -m benchmarks.quality.case_pipeline PHANTOMS OUT [--page docs/cases.md]

Prints one line a case, all together with 95 % intervals over cases, and which share of profiles is found by
their size and stain. A found profile is the true one whose outline it overlaps most, by an intersection over
union of 0.3 at least; one that overlaps none is false.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import numpy as np
import shapely

from benchmarks.quality.measured_page import write_measured
from glomspike.metrics.bootstrap import Rows, intervals
from glomspike.metrics.identity import IdentityCounts, identity_counts
from glomspike.results.case_record import CASE_NAME, CaseRecord
from glomspike.results.findings import read_findings

LEAST_OVERLAP = 0.3
RADII_UM = (0, 45, 60, 80, np.inf)
COLUMNS = (
    *("case", "true profiles", "found", "false", "IDF1", "IDF1 of those found", "distinct true"),
    *("counted", "levels apart"),
)

Key = tuple[str, int]


@dataclass(frozen=True)
class TrueProfile:
    """A profile that there is, and whether it was found."""

    radius_um: float
    marker: str
    is_found: bool


@dataclass
class CaseBesideTruth:
    """A case beside its truth: the glomerulus of each found and of each missed profile, all true profiles."""

    record: CaseRecord
    matched: dict[Key, int] = field(default_factory=dict)
    missed: list[int] = field(default_factory=list)
    profiles: list[TrueProfile] = field(default_factory=list)

    @property
    def groups(self) -> list[list[Key]]:
        """The found glomeruli."""
        return [[(profile.image, profile.id) for profile in one.profiles] for one in self.record.glomeruli]

    @property
    def counts(self) -> IdentityCounts:
        """What was found beside what there is."""
        return identity_counts(self.groups, self.matched, self.missed)

    @property
    def counts_of_found(self) -> IdentityCounts:
        """The same of the true profiles that were found."""
        true_groups = [[key for key in group if key in self.matched] for group in self.groups]
        return identity_counts([group for group in true_groups if group], self.matched)


@click.command()
@click.argument("phantoms", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=click.Path(path_type=Path, exists=True))
@click.option("--page", type=click.Path(path_type=Path, exists=True), help="Page to write the tables into.")
def main(phantoms: Path, out: Path, page: Path | None) -> None:
    """Compare the cases in OUT with the truth in PHANTOMS."""
    cases = [_compared(path, phantoms, out) for path in sorted((out / "cases").glob(f"*/{CASE_NAME}"))]
    text = "\n".join([*_rows(cases), "", *_together(cases), "", *_found_shares(cases)])
    print(text)
    if page is not None:
        write_measured(page, "case_pipeline", text)


def _compared(path: Path, phantoms: Path, out: Path) -> CaseBesideTruth:
    record = CaseRecord.model_validate_json(path.read_bytes())
    truth = json.loads((phantoms / f"{record.case}.json").read_text())
    compared = CaseBesideTruth(record)
    for image in record.images:
        if image.folder is not None:
            _match(image.image, out / image.folder, truth, compared)
    return compared


def _rows(cases: Sequence[CaseBesideTruth]) -> Iterator[str]:
    yield f"| {' | '.join(COLUMNS)} |"
    yield "|---" * len(COLUMNS) + "|"
    for case in cases:
        counts, of_found = case.counts, case.counts_of_found
        cells = (
            case.record.case, len(case.matched) + len(case.missed), counts.found_profiles,
            counts.found_profiles - len(case.matched), f"{counts.f1:.3f}", f"{of_found.f1:.3f}",
            counts.true_glomeruli, counts.found_glomeruli, max(len(case.record.apart) - 1, 0),
        )  # fmt: skip
        yield f"| {' | '.join(map(str, cells))} |"


def _together(cases: Sequence[CaseBesideTruth]) -> Iterator[str]:
    """All cases with intervals over them."""
    pairs = [(case.counts, case.counts_of_found) for case in cases]

    def statistics(rows: Rows) -> list[float]:
        drawn = [pairs[row] for row in rows]
        return [
            *(_f1([pair[which] for pair in drawn]) for which in (0, 1)),
            float(np.mean([abs(one.count_error) for one, _ in drawn])),
            float(np.mean([one.double_share for one, _ in drawn])),
        ]

    names = np.array([case.record.case for case in cases])
    values = statistics(np.arange(len(pairs)))
    spans = intervals(names, statistics, lambda _rows: True)
    yield "| of all cases | IDF1 | IDF1 of those found | distinct count error | counted twice |"
    yield "|---|---|---|---|---|"
    cells = [
        f"{value:.3f}" if span is None else f"{value:.3f} ({span[0]:.3f} to {span[1]:.3f})"
        for value, span in zip(values, spans, strict=True)
    ]
    yield f"| {len(cases)} cases | {' | '.join(cells)} |"


def _f1(counts: Sequence[IdentityCounts]) -> float:
    return 2 * sum(c.kept for c in counts) / sum(c.true_profiles + c.found_profiles for c in counts)


def _found_shares(cases: Sequence[CaseBesideTruth]) -> Iterator[str]:
    """Which share of profiles was found, by their size and stain."""
    profiles = [profile for case in cases for profile in case.profiles]
    markers = sorted({profile.marker for profile in profiles})
    yield f"| found of profiles with a radius of | {' | '.join(markers)} |"
    yield "|---" * (len(markers) + 1) + "|"
    for low, high in pairwise(RADII_UM):
        those = [profile for profile in profiles if low <= profile.radius_um < high]
        named = f"{low} µm or more" if np.isinf(high) else f"{low} to {high} µm"
        of_each = [[profile.is_found for profile in those if profile.marker == one] for one in markers]
        cells = [f"{sum(found)} of {len(found)}" for found in of_each]
        yield f"| {named} | {' | '.join(cells)} |"


def _match(image: str, folder: Path, truth: dict[str, Any], compared: CaseBesideTruth) -> None:
    """Adds what was found of a slide's profiles, and what was not."""
    sections = [section for section in truth["sections"] if section["image"] == image]
    profiles = [(p, section["marker"]) for section in sections for p in section["profiles"]]
    true = [shapely.Polygon(profile["outline0"]).buffer(0) for profile, _ in profiles]
    left = set(range(len(true)))
    found = read_findings(folder)
    for finding in found.findings:
        if finding.outline0 is None or not left:
            continue
        shape = shapely.Polygon(finding.outline0).buffer(0)
        overlaps = {n: shape.intersection(true[n]).area / shape.union(true[n]).area for n in left}
        best = max(overlaps, key=lambda n: overlaps[n])
        if overlaps[best] >= LEAST_OVERLAP:
            compared.matched[image, finding.id] = profiles[best][0]["glomerulus"]
            left.remove(best)
    compared.missed += [int(profiles[n][0]["glomerulus"]) for n in sorted(left)]
    radii_um = np.sqrt(shapely.area(true) / np.pi) * found.slide.mpp.mean
    compared.profiles += [
        TrueProfile(float(radii_um[n]), marker, n not in left) for n, (_, marker) in enumerate(profiles)
    ]


if __name__ == "__main__":
    main()
