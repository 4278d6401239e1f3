"""The server of the review page: who may talk to it, what it answers, that it loses nothing when killed."""

import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import numpy as np
import pytest
from outside import outside
from PIL import Image
from pyramids import waves, write_aperio
from reviews import TOKEN, Client, RunFinding, change, new_id, reviewed, served, write_discs, write_results

from glomspike.findings import SlideFacts
from glomspike.results.findings import read_findings
from glomspike.review.journal import read_changes
from glomspike.review.tiles import TILE_PX, PictureCache, Pyramid, read_tile
from glomspike.slide.reader import open_slide

ROOT = Path(__file__).parents[1]
PLACES = ((300, 300), (800, 300), (1300, 300))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    place = tmp_path_factory.mktemp("served")
    slide = write_discs(place / "slide.svs", [(x, y, 60) for x, y in PLACES])
    return write_results(place / "out" / "slide", slide, [RunFinding(x, y) for x, y in PLACES])


@pytest.fixture(scope="module")
def changed(made):
    """The results that the server of most tests works on."""
    return shutil.copytree(made, made.parent / "changed")


@pytest.fixture(scope="module")
def client(changed):
    with served([reviewed(changed)]) as client:
        yield client


def status(client, method, path, body=None, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.request(method, path, body, named)[0]


def test_the_end_of_an_answer_does_not_wait_for_its_beginning_to_be_acknowledged(client):
    connection = HTTPConnection("127.0.0.1", client.port, timeout=20)
    took_s = []
    for _ in range(20):
        began = time.perf_counter()
        connection.request("GET", "/slides/0/tiles/0/0/0", headers={"X-Glomspike-Token": TOKEN})
        assert len(connection.getresponse().read()) > 1000
        took_s.append(time.perf_counter() - began)
    connection.close()
    assert min(took_s[5:]) < 0.03  # it would be 40 ms of each


# ---- who may talk to it

PATHS = ("/", "/slides", "/slides/0", "/static/review.js", "/static/ol.js", "/slides/0/tiles/0/0/0")


@pytest.mark.parametrize("path", [*PATHS, "/slides/0/pictures/images/1", "/slides/0/places/1"])
def test_every_address_needs_the_token(client, path):
    assert status(client, "GET", path) == 200
    assert status(client, "GET", path, X_Glomspike_Token=None) == 403
    assert status(client, "GET", path, X_Glomspike_Token=TOKEN[:-1] + "b") == 403
    assert status(client, "GET", path, X_Glomspike_Token="") == 403


def test_a_change_without_the_token_is_refused(client, changed):
    before = read_changes(changed)
    body = json.dumps(change({"kind": "undo"}))
    assert status(client, "POST", "/slides/0/changes", body, X_Glomspike_Token=None) == 403
    assert read_changes(changed) == before


def test_the_address_with_the_token_gives_a_cookie_that_other_pages_cannot_use(client):
    code, headers, _ = client.request("GET", f"/?token={TOKEN}", headers={"X-Glomspike-Token": None})
    assert (code, headers["location"]) == (303, "/")
    cookie = headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert status(client, "GET", "/", X_Glomspike_Token=None, Cookie=headers["set-cookie"]) == 200
    assert status(client, "GET", "/?token=wrong", X_Glomspike_Token=None) == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "evil.example:80", "192.168.0.7"]
)
def test_a_host_that_is_not_this_machine_is_refused_even_with_the_token(client, host):
    assert status(client, "GET", "/slides", Host=host) == 421


@pytest.mark.parametrize("host", ["localhost:1234", "127.0.0.1", "[::1]:8765"])
def test_this_machine_may_be_called_by_its_names_through_any_port(client, host):
    assert status(client, "GET", "/slides", Host=host) == 200


def test_other_machines_are_let_in_by_address_where_the_user_wants_it(made, tmp_path):
    folder = shutil.copytree(made, tmp_path / "slide")
    with served([reviewed(folder)], anywhere=True) as client:
        assert status(client, "GET", "/slides", Host="192.168.0.7:8765") == 200
        assert status(client, "GET", "/slides", Host="evil.example") == 421
        assert status(client, "GET", "/slides", Host="192.168.0.7:8765", X_Glomspike_Token=None) == 403


def test_only_the_page_itself_can_change_something(client):
    body = json.dumps(change({"kind": "undo"}))
    ours = f"127.0.0.1:{client.port}"
    refused = [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Content-Type": "text/plain"}]
    for headers in refused:
        assert client.request("POST", "/slides/0/changes", body, headers)[0] == 403
    assert (
        client.request("POST", "/slides/0/changes", body, {"Origin": f"http://{ours}", "Host": ours})[0]
        == 200
    )
    assert status(client, "DELETE", "/slides/0") == 405
    assert status(client, "PUT", "/slides/0/changes", body) == 405


def test_every_answer_forbids_what_the_page_does_not_need(client):
    for path in (*PATHS, "/nothing"):
        _, headers, _ = client.request("GET", path)
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "server" not in headers


def test_a_body_that_is_too_large_is_refused(client):
    assert status(client, "POST", "/slides/0/changes", b" " * 600_000) == 413


TRAVERSALS = (
    "/static/../app.py",
    "/static/..%2fapp.py",
    "/static/%2e%2e/%2e%2e/errors.py",
    "/static/review.html.j2",
    "/static/%2fetc%2fpasswd",
    "/slides/0/pictures/../1",
    "/slides/0/pictures/..%2f..%2fimages/1",
    "/slides/0/pictures/masks/1",
    "/slides/0/pictures/images/..%2f1",
    "/slides/-1",
    "/slides/1",
    "/slides/0/pictures/images/99999999999999999999",
    "/slides/0/tiles/0/0/99999999999999999999",
    "/slides/0/tiles/99/0/0",
    "/slides/0/tiles/-1/0/0",
    "/../../etc/passwd",
)


@pytest.mark.parametrize("path", TRAVERSALS)
def test_nothing_outside_is_given_out(client, path):
    assert status(client, "GET", path) in {404, 405}


def test_a_link_out_of_the_results_is_not_followed(made, tmp_path):
    folder = shutil.copytree(made, tmp_path / "slide")
    Image.new("RGB", (40, 40), "red").save(tmp_path / "secret.png")
    (folder / "images" / "0001.png").unlink()
    (folder / "images" / "0001.png").symlink_to(tmp_path / "secret.png")
    (folder / "review.jsonl").symlink_to(tmp_path / "elsewhere")
    slide = reviewed(folder)
    assert "is a link" in str(slide.read_only)
    with served([slide]) as client:
        assert status(client, "GET", "/slides/0/pictures/images/1") == 404
        assert status(client, "GET", "/slides/0/pictures/images/2") == 200
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    "edit",
    [
        {"kind": "call", "glomerulus": "1", "call": "perhaps"},
        {"kind": "call", "glomerulus": "../1", "call": "spiked"},
        {"kind": "circle", "glomerulus": "1", "circle": {"x0": 1, "y0": 1, "radius_um": -1}},
        {"kind": "circle", "glomerulus": "1", "circle": {"x0": 1e99, "y0": 1, "radius_um": 1}},
        {"kind": "outline", "glomerulus": "1", "polygon0": [[0, 0], [1, 1]]},
        {"kind": "note", "glomerulus": "1", "note": "x" * 5000},
        {"kind": "drawn", "glomerulus": "7", "circle": {"x0": 1, "y0": 1, "radius_um": 1}},
        {"kind": "format disk"},
    ],
)
def test_a_change_that_makes_no_sense_is_refused_in_words(client, changed, edit):
    before = read_changes(changed)
    code, _, body = client.request("POST", "/slides/0/changes", json.dumps(change(edit)))
    assert code == 422
    assert "is not valid" in json.loads(body)["problem"]
    assert read_changes(changed) == before


@pytest.mark.parametrize("body", ["", "[]", "{", "\xff", '{"id": 1}', "nul", "NaN"])
def test_a_body_that_is_no_change_is_refused_in_words(client, body):
    assert client.request("POST", "/slides/0/changes", body.encode("latin-1"))[0] == 422


# ---- what it answers


def test_an_edit_is_answered_with_what_it_changed(client):
    said = client.post({"kind": "call", "glomerulus": "2", "call": "uncertain"}, reviewer="Eve")
    assert [one["key"] for one in said["glomeruli"]] == ["2"]
    assert said["counts"]["uncertain"] == 1
    drawn = {"kind": "drawn", "glomerulus": "drawn-0000000a", "polygon0": None}
    client.post(drawn | {"circle": {"x0": 900, "y0": 900, "radius_um": 40}}, reviewer="Eve")
    said = client.post({"kind": "undo"}, reviewer="Eve")
    assert said["gone"] == ["drawn-0000000a"]
    assert client.get("/slides/0?reviewer=Eve")["counts"]["uncertain"] == 1
    assert client.get("/slides/0?reviewer=Zoe")["counts"]["uncertain"] == 0


def test_a_drawing_that_makes_no_sense_is_refused_in_words(client, changed):
    before = read_changes(changed)
    circle = {"x0": PLACES[0][0], "y0": PLACES[0][1], "radius_um": 60}
    edit = {"kind": "drawn", "glomerulus": "drawn-0000000b", "polygon0": None, "circle": circle}
    code, _, body = client.request("POST", "/slides/0/changes", json.dumps(change(edit)))
    assert code == 422
    assert "this is glomerulus 1, which is in the list" in json.loads(body)["problem"]
    assert read_changes(changed) == before


def test_pictures_lie_where_the_place_says(client):
    left, top, right, _ = client.get("/slides/0/places/1")
    picture = Image.open(io.BytesIO(client.request("GET", "/slides/0/pictures/images/1")[2]))
    scale = picture.width / (right - left)
    assert scale == pytest.approx(1, abs=0.02)
    x, y = (300 - left) * scale, (300 - top) * scale
    dark = np.asarray(picture.convert("L")) < 128
    assert np.argwhere(dark).mean(axis=0) == pytest.approx([y, x], abs=1.5)
    heat = Image.open(io.BytesIO(client.request("GET", "/slides/0/pictures/heatmaps/1")[2]))
    assert heat.size == picture.size
    small = Image.open(io.BytesIO(client.request("GET", "/slides/0/pictures/images/1?small")[2]))
    assert max(small.size) == 112


def test_the_glomeruli_of_all_slides_come_by_what_they_teach_and_reviewed_ones_last(tmp_path):
    slides = []
    for name, probabilities in (("a", (0.02, 0.48, 0.97)), ("b", (0.5, 0.03, 0.98))):
        path = write_discs(tmp_path / f"{name}.svs", [(x, y, 60) for x, y in PLACES])
        found = [RunFinding(x, y, 60, p) for (x, y), p in zip(PLACES, probabilities, strict=True)]
        slides.append(reviewed(write_results(tmp_path / "out" / name, path, found), path))
    with served(slides) as client:
        rows = client.get("/informative?reviewer=Ada")
        assert sorted((row["slide"], row["key"]) for row in rows) == [(s, k) for s in (0, 1) for k in "123"]
        assert (rows[0]["slide"], rows[0]["key"]) == (1, "1")
        assert rows[0]["run"]["reason"] == "close to the cut-off"
        reasons = {(row["slide"], row["key"]): row["run"]["reason"] for row in rows}
        assert reasons[0, "1"] == "typical of many"
        client.post({"kind": "agree", "glomerulus": "1"}, slide=1)
        after = client.get("/informative?reviewer=Ada")
        assert (after[-1]["slide"], after[-1]["key"], after[-1]["reviewed"]) == (1, "1", True)


# ---- tiles


def tile(slide, pyramid, zoom, column, row):
    return read_tile(slide, pyramid, zoom, column, row).astype(int)


def test_tiles_of_every_zoom_show_the_slide_in_its_place(tmp_path):
    picture = waves(900, 700)
    write_aperio(tmp_path / "waves.svs", picture, factors=(4,), mpp=0.25)
    with open_slide(tmp_path / "waves.svs") as slide:
        pyramid = Pyramid.of(slide.facts)
        assert pyramid.mpps == (1.0, 0.5, 0.25)
        finest = tile(slide, pyramid, 2, 1, 1)
        inside = picture[256:512, 256:512]
        assert abs(finest - inside).mean() < 3
        assert tile(slide, pyramid, 2, 3, 2)[:, 900 - 768 + 16 :].min() >= 250
        whole = tile(slide, pyramid, 0, 0, 0)[:175, :225]
        blocks = picture.reshape(175, 4, 225, 4, 3).mean(axis=(1, 3))
        assert abs(whole - blocks)[4:-4, 4:-4].mean() < 4
        assert not pyramid.holds(2, 4, 0)
        assert not pyramid.holds(3, 0, 0)


def test_coarse_tiles_are_made_of_small_reads_and_show_the_same(tmp_path, monkeypatch):
    picture = waves(1500, 1100)
    with open_slide(write_aperio(tmp_path / "waves.svs", picture, factors=(), mpp=0.25)) as slide:
        sizes = crops_of(slide, monkeypatch)
        pyramid = Pyramid.of(slide.facts)
        assert pyramid.mpps == (2.0, 1.0, 0.5, 0.25)
        whole = tile(slide, pyramid, 0, 0, 0)
        assert set(sizes) == {(0, 512, 512)}
        blocks = picture[:1096, :1496].reshape(137, 8, 187, 8, 3).mean(axis=(1, 3))
        assert abs(whole[:137, :187] - blocks)[2:-2, 2:-2].mean() < 4
        assert whole[140:].min() >= 250


def crops_of(slide, monkeypatch):
    """The level, width and height of what is decoded of a slide from now on."""
    sizes, crop = [], slide._source.crop

    def counted(level, x0, y0, width_px, height_px):
        sizes.append((level, width_px, height_px))
        return crop(level, x0, y0, width_px, height_px)

    monkeypatch.setattr(slide._source, "crop", counted)
    return sizes


def test_pixels_that_are_copied_are_read_without_any_around_them(tmp_path, monkeypatch):
    path = write_aperio(tmp_path / "waves.svs", waves(900, 700), factors=(4,), mpp=0.25)
    with open_slide(path) as slide:
        sizes = crops_of(slide, monkeypatch)
        pyramid = Pyramid.of(slide.facts)
        for zoom in (2, 1, 0):
            read_tile(slide, pyramid, zoom, 0, 0)
        assert sizes == [(0, 256, 256), (0, 512, 512), (1, 256, 256)]


def test_a_pyramid_starts_at_the_bounds_and_is_square_whatever_the_pixels_are():
    from glomspike.findings import Mpp

    slide = SlideFacts("a.mrxs", "mirax", 90_000, 80_000, Mpp(0.25, 0.5), 1000, 2000, 40_000, 30_000)
    pyramid = Pyramid.of(slide)
    assert (pyramid.width_um, pyramid.height_um) == (10_000, 15_000)
    assert pyramid.mpps[-1] == 0.25
    assert pyramid.mpps[0] * TILE_PX >= 15_000 > pyramid.mpps[1] * TILE_PX


@pytest.mark.parametrize("name", ["cmu-1-small-region.svs", "hamamatsu-fluorescence.ndpi"])
def test_tiles_of_real_slides_are_what_the_reader_reads(name):
    with open_slide(outside(f"slides/{name}"), 0.5) as slide:
        pyramid, facts = Pyramid.of(slide.facts), slide.facts
        for zoom in (0, len(pyramid.mpps) - 1):
            side0 = TILE_PX * pyramid.mpps[zoom] / facts.mpp.x
            wanted = slide.read(facts.bounds_x0, facts.bounds_y0, side0, side0, pyramid.mpps[zoom])
            assert abs(tile(slide, pyramid, zoom, 0, 0) - wanted.astype(int)).mean() < 4


def test_pictures_used_last_are_kept_and_no_more_than_fit():
    cache = PictureCache(capacity_bytes=250)
    for name in "ab":
        cache.put((name,), bytes(100))
    assert cache.get(("a",)) == bytes(100)
    cache.put(("c",), bytes(100))
    assert cache.get(("b",)) is None
    assert cache.get(("a",)) is not None
    cache.put(("a",), bytes(10))
    cache.put(("d",), bytes(100))
    assert cache.get(("c",)) is not None
    cache.put(("huge",), bytes(1000))
    assert cache.get(("huge",)) is None


# ---- nothing is lost, nothing counts twice


class Server:
    """`glomspike review` in a process of its own, which can be killed and started again."""

    def __init__(self, out):
        self.out = out
        self.start()

    def start(self):
        command = [sys.executable, "-m", "glomspike", "review", str(self.out), "--no-browser"]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | {"PYTHONUNBUFFERED": "1"}
        )
        port, token = re.search(r":(\d+)/\?token=(\S+)", self.process.stdout.readline()).groups()
        self.client = Client(int(port), token)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(20)
        self.process.stdout.close()
        return status


def make_changes(server, total, kills, seed):
    """Sends changes as the page does, each until it is acknowledged; the server is killed meanwhile."""
    draw = random.Random(seed)
    doomed = set(draw.sample(range(total), kills))
    for number in range(total):
        edit = {"kind": "note", "glomerulus": "1", "note": f"{number}"}
        body = json.dumps(change(edit, change_id=new_id()))
        if number in doomed:
            # Killed while it works on this change, at some moment; the page hears nothing and sends it again.
            killer = subprocess.Popen(
                ["sh", "-c", f"sleep {draw.random() * 0.02:.4f}; kill -9 {server.process.pid}"]
            )
            with suppress(OSError, HTTPException):
                server.client.request("POST", "/slides/0/changes", body)
            killer.wait()
            server.kill()
            server.start()
        code, _, said = server.client.request("POST", "/slides/0/changes", body)
        assert code == 200, said


def killed_and_counted(folder, total, kills, seed):
    server = Server(folder)
    try:
        make_changes(server, total, kills, seed)
    finally:
        server.kill()
    notes = [one.edit.note for one in read_changes(folder)]
    assert notes == [f"{number}" for number in range(total)]
    assert set(Counter(notes).values()) == {1}
    said = json.loads((folder / "review.json").read_text())
    assert said["reviewers"]["Ada"]["glomeruli"][0]["note"] == f"{total - 1}"


def test_no_change_is_lost_or_doubled_when_the_server_is_killed(made, tmp_path):
    killed_and_counted(shutil.copytree(made, tmp_path / "slide"), total=60, kills=3, seed=1)


@pytest.mark.slow
def test_of_a_thousand_changes_none_is_lost_or_doubled_by_fifty_kills(made, tmp_path):
    killed_and_counted(shutil.copytree(made, tmp_path / "slide"), total=1000, kills=50, seed=2)


def test_the_command_ends_with_ctrl_c_and_says_what_it_lacks(made, tmp_path):
    folder = shutil.copytree(made, tmp_path / "results" / "slide")
    server = Server(folder.parent)
    assert server.client.get("/slides")[0]["name"] == "slide"
    assert server.client.get("/slides/0")["tiles"] is None
    assert server.stop() == 0
    command = [sys.executable, "-m", "glomspike", "review", str(tmp_path), "--port", "99999"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    (tmp_path / "empty").mkdir()
    command = [sys.executable, "-m", "glomspike", "review", str(tmp_path / "empty")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "holds no results of glomspike; run glomspike on your slides first" in done.stderr


def test_the_viewer_is_the_one_that_is_pinned(client):
    _, headers, content = client.request("GET", "/static/ol.js")
    assert headers["content-type"].startswith("text/javascript")
    assert b'VERSION="10.' in content


def test_starting_takes_no_networks(made):
    needed = "glomspike.cli.review, glomspike.review.app, glomspike.review.serve"
    code = f"import sys, {needed}; print('torch' in sys.modules)"
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "False"
    assert time.perf_counter() - begun < 30
    assert read_findings(made).findings
