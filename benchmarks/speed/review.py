"""How fast the review page is on the slide of 80,000 × 60,000 px: tiles, memory, the first view.

    python -m benchmarks.speed.review WORK [--tiles 10000] [--device auto]

Makes the slide of `benchmarks/speed/slide.py` and its results by the main job, where WORK does not hold them.
Starts `glomspike review`, requests different tiles, four requests at once, at zooms and places drawn evenly
among the tiles at a glomerulus or near one, and prints the latency, the server's processor time, which other
work on the machine hardly changes, and its memory. With Chromium, opens the page and prints when the first
tile and the last one of its first view were there. Linux.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import chain
from pathlib import Path
from random import Random
from threading import local
from typing import Any

import click
import numpy as np

from benchmarks.speed.slide import write_biopsies

SLIDE = "large"
AT_ONCE = 4
SEED = 1
AROUND_TILES = 4  # about a glomerulus that are tissue as well
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
Tile = tuple[int, int, int]  # zoom, column, row


@dataclass(frozen=True)
class Server:
    """A running `glomspike review`: its process, its address, its token."""

    process_id: int
    port: int
    token: str

    def memory_mb(self, kind: str) -> float:
        """The server's memory in MB: "VmRSS" as it is, "VmHWM" at its peak."""
        status = Path(f"/proc/{self.process_id}/status").read_text(encoding="ascii")
        found = re.search(rf"{kind}:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024

    def processor_ms(self) -> float:
        """The processor time that the server has used so far, in milliseconds."""
        numbers = Path(f"/proc/{self.process_id}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return 1000 * (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def server(results: Path, slides: Path) -> Iterator[Server]:
    """`glomspike review` in a separate process, until the context ends."""
    command: list[str | Path]
    command = [sys.executable, "-m", "glomspike", "review", results, "--slide", slides, "--no-browser"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        found = re.search(r":(\d+)/\?token=(\S+)", process.stdout.readline())
        assert found is not None, "the server did not start"
        yield Server(process.pid, int(found[1]), found[2])
    finally:
        process.terminate()
        process.wait()


class Client(local):
    """A connection of each thread."""

    def __init__(self, of: Server) -> None:
        self._connection = HTTPConnection("127.0.0.1", of.port)
        self._headers = {"X-Glomspike-Token": of.token}

    def get(self, path: str) -> tuple[bytes, float]:
        """The body of an answer, and the milliseconds until it was there."""
        began = time.perf_counter()
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        assert answer.status == 200, (path, answer.status)
        return body, 1000 * (time.perf_counter() - began)


def tissue_tiles(slide: dict[str, Any]) -> list[list[Tile]]:
    """The tiles at each zoom that show a glomerulus or lie next to one, from the coarsest zoom on."""
    (mpp_x, mpp_y), (x0, y0, *_) = slide["mpp"], slide["bounds"]
    by_zoom = []
    for zoom, mpp in enumerate(slide["tiles"]["mpps"]):
        side_um = slide["tiles"]["side"] * mpp
        columns, rows = (int(np.ceil(length / side_um)) for length in slide["size_um"])
        near: set[Tile] = set()
        for one in slide["glomeruli"]:
            reach = int(np.ceil(one["circle"]["radius_um"] / side_um)) + AROUND_TILES
            column = int((one["circle"]["x0"] - x0) * mpp_x // side_um)
            row = int((one["circle"]["y0"] - y0) * mpp_y // side_um)
            near |= {
                (zoom, c, r)
                for c in range(max(0, column - reach), min(columns, column + reach + 1))
                for r in range(max(0, row - reach), min(rows, row + reach + 1))
            }
        by_zoom.append(sorted(near))
    return by_zoom


def drawn(by_zoom: list[list[Tile]], count: int) -> list[Tile]:
    """So many different tiles, as many of each zoom as there are; again from the start where they run out."""
    draw = Random(SEED)  # noqa: S311 a sample, no secret
    shuffled = [draw.sample(tiles, len(tiles)) for tiles in by_zoom]
    turns = max(map(len, shuffled))
    order = list(
        chain.from_iterable([tiles[turn] for tiles in shuffled if turn < len(tiles)] for turn in range(turns))
    )
    return [order[number % len(order)] for number in range(count)]


def measure_tiles(of: Server, count: int) -> None:
    """Prints the latency of tiles, and the server's memory after them."""
    client = Client(of)
    slide = json.loads(client.get("/slides/0?reviewer=")[0])
    tiles = drawn(tissue_tiles(slide), count)
    before_mb, before_ms = of.memory_mb("VmRSS"), of.processor_ms()
    with ThreadPoolExecutor(AT_ONCE) as workers:
        paths = (f"/slides/0/tiles/{zoom}/{column}/{row}" for zoom, column, row in tiles)
        took_ms = np.array(list(workers.map(lambda path: client.get(path)[1], paths)))
    each_ms = (of.processor_ms() - before_ms) / count
    print(f"| tiles, {AT_ONCE} at once | different | median ms | 95th percentile ms | processor ms each |")
    print("|---|---|---|---|---|")
    median, high = np.percentile(took_ms, [50, 95])
    print(f"| {count} | {len(set(tiles))} | {median:.0f} | {high:.0f} | {each_ms:.1f} |\n")
    print(f"server memory: {before_mb:.0f} MB before, {of.memory_mb('VmRSS'):.0f} MB after, ", end="")
    print(f"{of.memory_mb('VmHWM'):.0f} MB at its peak\n")


def measure_first_view(of: Server) -> None:
    """Prints when the first tile was in the page, and when the view was whole, in seconds from its start."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        print("no Chromium is installed: the first view is not measured")
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program)
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        page.goto(f"http://127.0.0.1:{of.port}/?token={of.token}")
        page.evaluate("localStorage.setItem('glomspike-reviewer', 'benchmark')")
        page.reload()
        page.locator("#queue button").first.wait_for()
        page.wait_for_timeout(5000)
        ends_ms = page.evaluate(
            "performance.getEntriesByType('resource').filter(one => one.name.includes('/tiles/'))"
            ".map(one => one.responseEnd)"
        )
        browser.close()
    first, last = min(ends_ms) / 1000, max(ends_ms) / 1000
    print(f"first view, 1920 × 1080: first tile after {first:.2f} s, {len(ends_ms)} tiles after {last:.2f} s")


@click.command()
@click.argument("work", type=click.Path(path_type=Path))
@click.option("--tiles", default=10_000, show_default=True, help="How many tiles are requested.")
@click.option("--device", default="auto", show_default=True, help="For the main job.")
def main(work: Path, tiles: int, device: str) -> None:
    """Measure the review page."""
    write_biopsies(work / "slides", [SLIDE])
    results = work / "results"
    if not (results / SLIDE / "run.json").exists():
        slide = work / "slides" / f"{SLIDE}.svs"
        job: list[str | Path] = [sys.executable, "-m", "glomspike", slide, results, "--device", device]
        subprocess.run(job, check=True)
    with server(results, work / "slides") as of:
        measure_first_view(of)
        measure_tiles(of, tiles)


if __name__ == "__main__":
    main()
