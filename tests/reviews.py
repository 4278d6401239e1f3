"""Results to review, for the tests: discs on a plain slide, and what a run would have written of them."""

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from itertools import count
from uuid import UUID

import cv2
import numpy as np
from pyramids import write_aperio
from results import MEMBRANE, RULE, round_outline

from glomspike.annotate.geojson import write_geojson
from glomspike.annotate.imagescope import write_imagescope
from glomspike.findings import Circle, Classification, Glomerulus, SlideResult, SpikeScore, TopTile
from glomspike.report.pictures import write_glomerulus_pictures
from glomspike.results.record import Counts, RunRecord, SlideRecord, Spikes, write_record
from glomspike.results.table import write_table
from glomspike.review.app import make_app
from glomspike.review.guard import Guard
from glomspike.review.serve import listen, server_of
from glomspike.review.slides import ReviewedSlide
from glomspike.slide.field import read_field
from glomspike.slide.fingerprint import fingerprint
from glomspike.slide.reader import open_slide

TOKEN = "a" * 32
MPP = 0.5
TISSUE, DISC = (214, 190, 205), (90, 60, 110)
_numbers = count(1)


@dataclass(frozen=True)
class RunFinding:
    """What a run says of one glomerulus; middle in level-0 pixels, radius in µm."""

    x0: float
    y0: float
    radius_um: float = 60.0
    probability: float | None = 0.1
    score: float = 0.9
    outline_radius_um: float | None = None
    is_glomerulus: bool = True


def write_discs(path, discs, width=1600, height=1200):
    """A slide of 0.5 µm/px with dark discs (x0, y0, radius_um) on pale tissue."""
    picture = np.full((height, width, 3), TISSUE, np.uint8)
    for x0, y0, radius_um in discs:
        cv2.circle(picture, (round(x0), round(y0)), round(radius_um / MPP), DISC, -1, cv2.LINE_AA)
    write_aperio(path, picture, factors=(4,), mpp=MPP)
    return path


def write_results(folder, slide_path, found):
    """The results of a run that found these on a slide; without overview and report, which nobody reads."""
    folder.mkdir(parents=True)
    with open_slide(slide_path) as slide:
        glomeruli = [_glomerulus(number, one, slide.facts) for number, one in enumerate(found, start=1)]
        result = SlideResult(
            slide.facts,
            tuple(one for one in glomeruli if one.is_glomerulus),
            (),
            tuple(one for one in glomeruli if not one.is_glomerulus),
        )
        for one in result.glomeruli:
            _write_pictures(folder, slide, one)
    write_table(folder / "glomeruli.csv", result)
    write_geojson(folder / f"{slide_path.stem}.geojson", result)
    write_imagescope(folder / f"{slide_path.stem}.xml", result)
    now = datetime.now(UTC)
    record = RunRecord(
        slide=SlideRecord.of(slide.facts, fingerprint(slide_path)),
        options={"threshold": 0.5, "mpp": None, "crops": False, "mirrored": False},
        weights={},
        device="cpu",
        started=now,
        finished=now,
        seconds={},
        counts=Counts.of(result),
        spikes=Spikes.of(result),
        warnings=(),
    )
    write_record(folder, record)
    return folder


def _glomerulus(number, found, slide):
    circle = Circle(found.x0, found.y0, found.radius_um, found.score)
    outline = round_outline(found.x0, found.y0, found.outline_radius_um or 0.97 * found.radius_um, slide.mpp)
    spikes = None if found.probability is None else _spikes(found)
    named = {"glomerulus": 0.95, "non-glomerular": 0.05}
    if not found.is_glomerulus:
        named = {"glomerulus": 0.45, "non-glomerular": 0.55}
    return Glomerulus(number, circle, outline, spikes, (Classification.likeliest(named),))


def _spikes(found):
    p = found.probability
    tops = (TopTile(found.x0, found.y0, p),)
    return SpikeScore(p, p >= 0.5, p, 100, round(100 * p), 0, 12.5, tops, RULE.call(p), MEMBRANE)


def _write_pictures(folder, slide, glomerulus):
    reach0 = (glomerulus.circle.radius_um + 15) / MPP
    side_px = round(2 * reach0)
    corner = np.floor([glomerulus.circle.x0 - reach0, glomerulus.circle.y0 - reach0])
    field = read_field(slide, *corner, side_px, side_px, MPP)
    heat = None if glomerulus.spikes is None else np.full((side_px, side_px), 0.5, np.float32)
    write_glomerulus_pictures(folder, glomerulus, field, heat)


def new_id():
    return str(UUID(int=next(_numbers)))


def change(edit, reviewer="Ada", change_id=None):
    """A change as the page sends it."""
    return {"id": change_id or new_id(), "reviewer": reviewer, "edit": edit}


class Client:
    """Talks to a server as the page does, with the token in a header."""

    def __init__(self, port, token=TOKEN):
        self.port, self.token = port, token

    def request(self, method, path, body=None, headers=None):
        """Status, headers and body of an answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            sent = {"X-Glomspike-Token": self.token, "Content-Type": "application/json"} | (headers or {})
            sent = {name: value for name, value in sent.items() if value is not None}
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def get(self, path):
        status, _, body = self.request("GET", path)
        assert status == 200, (status, body)
        return json.loads(body)

    def post(self, edit, slide=0, **how):
        status, _, body = self.request("POST", f"/slides/{slide}/changes", json.dumps(change(edit, **how)))
        assert status == 200, (status, body)
        return json.loads(body)


@contextmanager
def served(slides, names=frozenset(), anywhere=False):
    """A server of reviewed slides in a thread of this process; gives a client."""
    bound = listen("127.0.0.1", 0)
    port = bound.getsockname()[1]
    guard = Guard(make_app(slides, "Ada"), TOKEN, port, anywhere, names)
    server = server_of(guard)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    try:
        yield Client(port)
    finally:
        server.should_exit = True
        thread.join(20)
        bound.close()
        for slide in slides:
            slide.close()


def reviewed(folder, *given):
    slide = ReviewedSlide(folder, folder.name, given)
    slide.begin()
    return slide
