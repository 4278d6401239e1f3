"""How fast the review page is on the slide of 80,000 × 60,000 px: tiles, memory, the first view, frames.

    python -m benchmarks.speed.review WORK [--tiles 10000] [--device auto]

Makes the slide of `benchmarks/speed/slide.py` and its results by the main job, where WORK does not hold them.
Starts `glomspike review`, requests different tiles, four requests at once, at zooms and places drawn evenly
among the tiles at a glomerulus or near one, and measures latency, the server's processor time, which other
work on the machine hardly changes, and its memory. With Chromium, opens the page and measures when the first
tile and the last one of its first view were there, then zooms, moves and turns the slide by keys and measures
how long the browser's frames took. A browser without a window draws by the processor and not by a graphics
card: its frames show what the page costs, not what a screen shows. Each row says what is to be reached, and
the command ends with 1 where something is not. Linux.
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
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from benchmarks.speed.slide import write_biopsies

if TYPE_CHECKING:
    from playwright.sync_api import Page

SLIDE = "large"
AT_ONCE = 4
SEED = 1
MEDIAN_MS, HIGH_MS, MEMORY_MB, FIRST_S = 30, 120, 600, 1.5
FRAME_MS = 17  # 60 frames a second
LATE_MS = 25  # of a frame, after which another is missing
MOTIONS = ("+", "Shift+ArrowRight", "+", "Shift+ArrowDown", "r", "-", "Shift+ArrowLeft", "-")
PATIENCE_MS = 180_000  # with a machine that others use as well
MOTION_MS = 300  # a little longer than the page's own motion
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


@dataclass(frozen=True)
class Measurement:
    """What was measured, and what is to be reached at most, None where nothing is asked for."""

    what: str
    value: float
    unit: str
    most: float | None

    @property
    def is_reached(self) -> bool:
        """Whether it is as good as it should be."""
        return self.most is None or self.value <= self.most

    def __str__(self) -> str:
        digits = 2 if self.unit in ("s", "") else 0 if self.value >= 100 else 1
        goal = "" if self.most is None else f"at most {self.most:g}: {'yes' if self.is_reached else 'NO'}"
        return f"| {self.what} | {self.value:.{digits}f} {self.unit} | {goal} |"


def measure_tiles(of: Server, count: int) -> list[Measurement]:
    """The latency of tiles, and the server's memory after them."""
    client = Client(of)
    slide = json.loads(client.get("/slides/0?reviewer=")[0])
    tiles = drawn(tissue_tiles(slide), count)
    before_mb, before_ms = of.memory_mb("VmRSS"), of.processor_ms()
    with ThreadPoolExecutor(AT_ONCE) as workers:
        paths = (f"/slides/0/tiles/{zoom}/{column}/{row}" for zoom, column, row in tiles)
        took_ms = np.array(list(workers.map(lambda path: client.get(path)[1], paths)))
    each_ms = (of.processor_ms() - before_ms) / count
    median, high = np.percentile(took_ms, [50, 95])
    print(f"{count} tiles ({len(set(tiles))} different), {AT_ONCE} requests at once: ", end="")
    print(f"{each_ms:.1f} ms of processor time each")
    after_mb, peak_mb = of.memory_mb("VmRSS"), of.memory_mb("VmHWM")
    return [
        Measurement("a tile, median", float(median), "ms", MEDIAN_MS),
        Measurement("a tile, 95th percentile", float(high), "ms", HIGH_MS),
        Measurement(f"server memory, {before_mb:.0f} MB before, after all tiles", after_mb, "MB", MEMORY_MB),
        Measurement("server memory at its peak", peak_mb, "MB", MEMORY_MB),
    ]


def measure_page(of: Server) -> list[Measurement]:
    """When the first tile was in the page, when the view was whole, in seconds from its start; and frames."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        print("no Chromium is installed: the page is not measured")
        return []
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program)
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"http://127.0.0.1:{of.port}/?token={of.token}")
        page.evaluate("localStorage.setItem('glomspike-reviewer', 'benchmark')")
        page.reload()
        page.locator("#queue button").first.wait_for()
        page.wait_for_timeout(5000)
        ends_ms = page.evaluate(
            "performance.getEntriesByType('resource').filter(one => one.name.includes('/tiles/'))"
            ".map(one => one.responseEnd)"
        )
        frames_ms = np.array(_frames(page))
        browser.close()
    median, high = np.percentile(frames_ms, [50, 95])
    return [
        Measurement("first tile after the page's start", min(ends_ms) / 1000, "s", FIRST_S),
        Measurement(f"all {len(ends_ms)} tiles of the first view", max(ends_ms) / 1000, "s", FIRST_S),
        Measurement(f"{len(frames_ms)} frames in motion, median", float(median), "ms", FRAME_MS),
        Measurement("frames in motion, 95th percentile", float(high), "ms", None),
        Measurement("share of frames that came late", float((frames_ms > LATE_MS).mean()), "", None),
    ]


def _frames(page: "Page") -> list[float]:
    """The milliseconds between frames while keys zoom, move and turn the slide."""
    page.locator("#viewer").focus()
    page.evaluate("""() => {
        window.frames_ms = [];
        let before = performance.now();
        const next = (now) => {
            window.frames_ms.push(now - before);
            before = now;
            requestAnimationFrame(next);
        };
        requestAnimationFrame(next);
    }""")
    for key in MOTIONS * 4:
        page.keyboard.press(key)
        page.wait_for_timeout(MOTION_MS)
    frames_ms: list[float] = page.evaluate("window.frames_ms.slice(1)")
    return frames_ms


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
        measured = [*measure_page(of), *measure_tiles(of, tiles)]
    print("| measured | | to reach |\n|---|---|---|")
    for one in measured:
        print(one)
    sys.exit(0 if all(one.is_reached for one in measured) else 1)


if __name__ == "__main__":
    main()
