"""Whether this checkout finds on slides what another commit found, value by value.

    python -m benchmarks.reliability.same_results WORK SLIDE... [--commit 8ee573f] [--mpp UM] [--phantoms 10]

Each slide, and so many phantom slides that the other commit paints, goes through the main job of both. All
columns that both tables have, in the same order, shapes and labels of the ImageScope and GeoJSON files, the
pixels of all pictures, and the counts, options and tiles of the record are compared. Words of warnings and of
the report may differ, and columns may have come after the old ones. The exit status is 1 where anything else
does.
"""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
from lxml import etree

from glomspike.slide.reader import read_picture

ROOT = Path(__file__).parents[2]
RECORD = ("options", "weights", "counts", "spikes")
PICTURES = ("patches", "images", "masks", "heatmaps")


def run(checkout: Path, *arguments: object) -> None:
    """One command of a checkout's glomspike. Exits with what it said where it fails."""
    command = [sys.executable, "-m", "glomspike", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    done = subprocess.run(command, env=environment, cwd=checkout, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: status {done.returncode}\n{done.stderr}")


def differences(before: Path, after: Path, stem: str) -> Iterator[str]:
    """What differs between two result folders of a slide, a line each."""
    yield from _table(before / "glomeruli.csv", after / "glomeruli.csv")
    if _shapes(before / f"{stem}.xml") != _shapes(after / f"{stem}.xml"):
        yield "shapes of the ImageScope file"
    old, new = (json.loads((folder / f"{stem}.geojson").read_text()) for folder in (before, after))
    if old != new:
        yield "the GeoJSON file"
    old, new = (json.loads((folder / "run.json").read_text()) for folder in (before, after))
    for key in RECORD:
        for name in old[key] if isinstance(old[key], dict) else ():
            if old[key][name] != new[key].get(name):
                yield f"{key}.{name} of the record: {old[key][name]} and {new[key].get(name)}"
    for kind in PICTURES:
        names = [{path.name for path in (folder / kind).glob("*.png")} for folder in (before, after)]
        if names[0] != names[1]:
            yield f"names in {kind}"
        for name in sorted(names[0] & names[1]):
            if not np.array_equal(read_picture(before / kind / name), read_picture(after / kind / name)):
                yield f"{kind}/{name}"


def _table(before: Path, after: Path) -> Iterator[str]:
    (old_head, *old_rows), (new_head, *new_rows) = (
        list(csv.reader(path.read_text().splitlines())) for path in (before, after)
    )
    if [column for column in new_head if column in old_head] != old_head:
        yield f"columns of the table: {old_head} and {new_head}"
        return
    kept = [new_head.index(column) for column in old_head]
    if old_rows != [[row[place] for place in kept] for row in new_rows]:
        yield "rows of the table"


def _shapes(path: Path) -> list[tuple[str, ...]]:
    tree = etree.parse(path)
    return [
        (element.tag, *(f"{name}={value}" for name, value in sorted(element.attrib.items())))
        for element in tree.iter("Annotation", "Region", "Vertex")
    ]


@click.command(help=__doc__)
@click.argument("work", type=click.Path(path_type=Path))
@click.argument("slides", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--commit", default="8ee573f", show_default=True)
@click.option("--mpp", type=float)
@click.option("--phantoms", default=10, show_default=True)
def main(work: Path, slides: tuple[Path, ...], commit: str, mpp: float | None, phantoms: int) -> None:
    work.mkdir(parents=True, exist_ok=True)
    different = False
    with TemporaryDirectory() as temporary:
        old = Path(temporary) / "before"
        subprocess.run(
            ["git", "-C", str(ROOT), "worktree", "add", "--detach", "--quiet", str(old), commit], check=True
        )
        try:
            run(old, "phantom", "--out", work / "phantoms", "--slides", phantoms, "--seed", 1600)
            painted = sorted((work / "phantoms").glob("*.svs"))
            scale = ("--mpp", mpp) if mpp else ()
            for slide in [*(path.resolve() for path in slides), *painted]:
                folders = []
                for checkout, name in ((old, "before"), (ROOT, "after")):
                    run(checkout, slide, work / name, "--overwrite", "--device", "cpu", *scale)
                    folders.append(work / name / slide.stem)
                found = list(differences(folders[0], folders[1], slide.stem))
                different |= bool(found)
                print(f"{slide.name}: {'; '.join(found) or 'the same'}", flush=True)
        finally:
            subprocess.run(["git", "-C", str(ROOT), "worktree", "remove", "--force", str(old)], check=False)
    sys.exit(int(different))


if __name__ == "__main__":
    main()
