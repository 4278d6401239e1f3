"""How rightly whole cases are counted from pixels: phantoms through `glomspike cases`, beside their truth.

    glomspike phantom --out PHANTOMS --cases N --levels 3 --glomeruli 12 --seed 777
    glomspike cases PHANTOMS/cases.csv OUT
    python -m benchmarks.quality.case_pipeline PHANTOMS OUT

Prints one line a case. A found profile is the true one whose outline it overlaps most, by an intersection
over union of 0.3 at least; one that overlaps none is false.
"""

import json
from pathlib import Path
from typing import Any

import click
import shapely

from glomspike.metrics.identity import identity_counts
from glomspike.results.case_record import CASE_NAME, CaseRecord
from glomspike.results.findings import read_findings

LEAST_OVERLAP = 0.3

Key = tuple[str, int]


@click.command()
@click.argument("phantoms", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=click.Path(path_type=Path, exists=True))
def main(phantoms: Path, out: Path) -> None:
    """Compare the cases in OUT with the truth in PHANTOMS."""
    columns = ["case", "true profiles", "found", "false", "IDF1", "IDF1 of those found", "distinct true"]
    columns += ["counted", "levels apart"]
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for path in sorted((out / "cases").glob(f"*/{CASE_NAME}")):
        record = CaseRecord.model_validate_json(path.read_bytes())
        truth = json.loads((phantoms / f"{record.case}.json").read_text())
        print(_row(record, truth, out))


def _row(record: CaseRecord, truth: dict[str, Any], out: Path) -> str:
    matched: dict[Key, int] = {}
    missed: list[int] = []
    for image in record.images:
        if image.folder is not None:
            _match(image.image, out / image.folder, truth, matched, missed)
    groups = [[(profile.image, profile.id) for profile in one.profiles] for one in record.glomeruli]
    counts = identity_counts(groups, matched, missed)
    true_groups = [[key for key in group if key in matched] for group in groups]
    of_found = identity_counts([group for group in true_groups if group], matched)
    found = sum(map(len, groups))
    cells = (
        record.case, len(matched) + len(missed), found, found - len(matched), f"{counts.f1:.3f}",
        f"{of_found.f1:.3f}", counts.true_glomeruli, counts.found_glomeruli, len(record.apart) - 1,
    )  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def _match(
    image: str, folder: Path, truth: dict[str, Any], matched: dict[Key, int], missed: list[int]
) -> None:
    """Adds a slide's found profiles to `matched`, and the glomeruli of those not found to `missed`."""
    profiles = [p for section in truth["sections"] if section["image"] == image for p in section["profiles"]]
    true = [shapely.Polygon(profile["outline0"]).buffer(0) for profile in profiles]
    left = set(range(len(true)))
    for finding in read_findings(folder).findings:
        if finding.outline0 is None or not left:
            continue
        shape = shapely.Polygon(finding.outline0).buffer(0)
        overlaps = {n: shape.intersection(true[n]).area / shape.union(true[n]).area for n in left}
        best = max(overlaps, key=lambda n: overlaps[n])
        if overlaps[best] >= LEAST_OVERLAP:
            matched[image, finding.id] = profiles[best]["glomerulus"]
            left.remove(best)
    missed += [int(profiles[n]["glomerulus"]) for n in sorted(left)]


if __name__ == "__main__":
    main()
