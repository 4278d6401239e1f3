"""Pictures of single glomeruli: outlined, scored and written as the main job writes them."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from discs import DarkPixels, DarkTiles, disc_picture, model
from PIL import Image

from glomspike import cli
from glomspike.networks.models import Models
from glomspike.slide.reader import open_slide


def save(path: Path, centre: tuple[float, float] = (210, 190), dpi: float | None = None) -> Path:
    picture = Image.fromarray(disc_picture(400, 380, [(*centre, 120.0)]))
    picture.save(path, **({} if dpi is None else {"dpi": (dpi, dpi)}))
    return path


@pytest.fixture(autouse=True)
def loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The networks of these tests in the place of those that ship."""
    models = {
        "detector": model("detector", DarkPixels(), 4, 64, {"score": 0.5}),
        "segmenter": model("segmenter", DarkPixels(), 1, 128, {"probability": 0.5}),
        "classifier": model("classifier", DarkTiles(), 0.25, 50, {"spiked": 0.5}),
    }
    seen = Models(models, models["detector"].device)
    monkeypatch.setattr("glomspike.networks.models.load_models", lambda *_: seen)


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main(["crops", *map(str, arguments), "--device", "cpu"])
    return int(end.value.code or 0)


def test_a_picture_gets_the_files_of_a_slide_with_one_glomerulus(tmp_path: Path) -> None:
    assert run(save(tmp_path / "one.png"), tmp_path / "out", "--mpp", 0.25) == 0
    out = tmp_path / "out" / "one"
    with (out / "glomeruli.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (float(row["x"]), float(row["y"])) == pytest.approx((210, 190), abs=3)
    assert float(row["radius_um"]) == pytest.approx(120 * 0.25, abs=1.5)
    assert row["spiked"] == "1"
    record = json.loads((out / "run.json").read_text())
    assert record["options"]["crops"] is True
    written = {"one.xml", "one.geojson", "glomeruli.csv", "heatmaps/0001.png", "masks/0001.png"}
    assert written <= set(record["files"])
    (spikes,) = record["spikes"]["glomeruli"]
    tops = [f"{tile['x0']:.1f}:{tile['y0']:.1f}:{tile['probability']:.4f}" for tile in spikes["top_tiles"]]
    assert (f"{spikes['spike_fraction']:.4f}", ";".join(tops)) == (row["spike_fraction"], row["top_tiles"])
    assert len(tops) == 4
    assert record["spikes"]["top_tiles"] == [tile | {"glomerulus": 1} for tile in spikes["top_tiles"]]


def test_what_is_no_glomerulus_is_taken_whole_and_said_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (300, 200), "white").save(tmp_path / "blank.png")
    assert run(tmp_path / "blank.png", tmp_path / "out", "--mpp", 0.25) == 0
    assert "no outline was found" in capsys.readouterr().err


def test_a_scale_is_asked_for_where_the_picture_has_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(save(tmp_path / "one.png", dpi=300), tmp_path / "out") == 1
    err = capsys.readouterr().err
    assert "has no µm/px; give it with --mpp" in err
    assert not (tmp_path / "out" / "one").exists()


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_a_microscopes_resolution_is_the_scale_and_a_printers_is_not(tmp_path: Path, suffix: str) -> None:
    with open_slide(save(tmp_path / f"own.{suffix}", dpi=25_400 / 0.5)) as picture:
        assert picture.facts.mpp.mean == pytest.approx(0.5, rel=1e-3)
    with open_slide(save(tmp_path / f"print.{suffix}", dpi=1200), 0.25) as picture:
        assert picture.facts.mpp.mean == 0.25


def test_a_wrong_scale_in_the_file_is_replaced_and_the_record_has_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(save(tmp_path / "one.png", dpi=25_400 / 0.5), tmp_path / "out", "--mpp", 0.25) == 0
    said = "0.25 µm/px is used as given, although the slide records 0.5 µm/px"
    assert f"one.png: {said}" in capsys.readouterr().err
    record = json.loads((tmp_path / "out" / "one" / "run.json").read_text())
    assert said in record["warnings"]
    assert (record["slide"]["mpp_x"], record["slide"]["mpp_y"]) == (0.25, 0.25)
    assert record["slide"]["file_mpp_x"] == pytest.approx(0.5, rel=1e-3)
    assert record["options"]["mpp"] == 0.25


def test_other_files_than_pictures_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.png").write_text("no picture")
    assert run(tmp_path / "notes.png", tmp_path / "out", "--mpp", 0.25) == 1
    assert run(tmp_path / "missing.png", tmp_path / "out", "--mpp", 0.25) == 1
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / "empty", tmp_path / "out", "--mpp", 0.25) == 1
    err = capsys.readouterr().err
    assert "notes.png" in err
    assert "does not exist" in err
    assert "holds no PNG, JPEG or TIFF picture" in err
    assert "Traceback" not in err


def test_pictures_of_a_folder_are_found(tmp_path: Path) -> None:
    from glomspike.slide.find import find_pictures

    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name in ("b.png", "a.JPG", "deep/c.tiff", "notes.txt"):
        (tmp_path / "in" / name).touch()
    found = find_pictures(tmp_path / "in", tmp_path / "out")
    assert [one.name for one in found] == ["a.JPG", "b.png", "deep/c.tiff"]
    assert [one.folder for one in found] == ["a", "b", "deep/c"]


def test_results_in_the_pictures_own_folder_are_not_taken_for_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "one.png")
    for done in ("1 done, 0 skipped", "0 done, 1 skipped"):
        assert run(tmp_path, tmp_path, "--mpp", 0.25) == 0
        assert f"{done}, 0 failed" in capsys.readouterr().out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["index.html", "one", "one.png", "summary.csv"]


def test_the_pictures_of_a_mask_say_where_the_glomerulus_is(tmp_path: Path) -> None:
    assert run(save(tmp_path / "one.png"), tmp_path / "out", "--mpp", 0.25) == 0
    inside = np.asarray(Image.open(tmp_path / "out" / "one" / "masks" / "0001.png")) > 0
    assert (inside.sum() / np.pi) ** 0.5 == pytest.approx(120, abs=3)


def test_a_picture_without_colours_or_tissue_gets_no_sure_call(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (300, 200), "white").save(tmp_path / "blank.png")
    assert run(tmp_path / "blank.png", tmp_path / "out", "--mpp", 0.25) == 0
    assert "the stain could not be measured" in capsys.readouterr().err
    with (tmp_path / "out" / "blank" / "glomeruli.csv").open() as file:
        assert [row["call"] for row in csv.DictReader(file)] == ["uncertain"]


@pytest.mark.parametrize(("mpp", "is_odd"), [(0.25, False), (0.05, True)])
def test_a_glomerulus_larger_or_smaller_than_any_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mpp: float, is_odd: bool
) -> None:
    assert run(save(tmp_path / "one.png"), tmp_path / "out", "--mpp", mpp) == 0
    assert ("µm across: check the µm/px of the picture" in capsys.readouterr().err) == is_odd


def test_a_picture_too_large_to_be_of_one_glomerulus_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(save(tmp_path / "one.png"), tmp_path / "out", "--mpp", 5) == 0
    Image.new("L", (9000, 40), 200).save(tmp_path / "slide.png")
    assert run(tmp_path / "slide.png", tmp_path / "out", "--mpp", 0.25) == 1
    assert "is 2.2 mm long, and shows more than one glomerulus; give it without" in capsys.readouterr().err
