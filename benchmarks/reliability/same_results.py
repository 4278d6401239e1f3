"""Whether this checkout finds on slides what another commit found, value by value.

    python -m benchmarks.reliability.same_results WORK SLIDE... [--commit 8ee573f] [--after COMMIT]
        [--mpp UM] [--phantoms 10]

Each slide or picture, and so many phantom slides that the other commit paints, goes through the main job of
both; `--after` takes a second commit instead of this checkout, `--mpp` is for pictures without a scale. All
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
from contextlib import contextmanager, nullcontext
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


@contextmanager
def checkout_of(commit: str) -> Iterator[Path]:
    """A temporary checkout of a commit."""
    with TemporaryDirectory() as temporary:
        place = Path(temporary) / "checkout"
        tree = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*tree, "add", "--detach", "--quiet", str(place), commit], check=True)
        try:
            yield place
        finally:
            subprocess.run([*tree, "remove", "--force", str(place)], check=False)


def compare(before: Path, after: Path, work: Path, slides: list[Path], mpp: float | None) -> bool:
    """Runs both checkouts on slides and prints what differs; whether all is the same."""
    scale = ("--mpp", mpp) if mpp else ()
    same = True
    for slide in slides:
        folders = []
        for checkout, name in ((before, "before"), (after, "after")):
            run(checkout, slide, work / name, "--overwrite", "--device", "cpu", *scale)
            folders.append(work / name / slide.stem)
        found = list(differences(folders[0], folders[1], slide.stem))
        same &= not found
        print(f"{slide.name}: {'; '.join(found) or 'the same'}", flush=True)
    return same


@click.command(help=__doc__)
@click.argument("work", type=click.Path(path_type=Path))
@click.argument("slides", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--commit", default="8ee573f", show_default=True)
@click.option("--after", "second")
@click.option("--mpp", type=float)
@click.option("--phantoms", default=10, show_default=True)
def main(
    work: Path, slides: tuple[Path, ...], commit: str, second: str | None, mpp: float | None, phantoms: int
) -> None:
    work.mkdir(parents=True, exist_ok=True)
    with checkout_of(commit) as before, checkout_of(second) if second else nullcontext(ROOT) as after:
        chosen = [path.resolve() for path in slides]
        if phantoms:
            run(before, "phantom", "--out", work / "phantoms", "--slides", phantoms, "--seed", 1600)
            chosen += sorted((work / "phantoms").glob("*.svs"))
        same = compare(before, after, work, chosen, mpp)
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
