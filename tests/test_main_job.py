"""The main job from the command line to the files, with the weights that ship."""

import csv
import hashlib
import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import shapely
from highdicom.ann import annread
from jsonschema import Draft202012Validator
from outside import outside
from PIL import Image
from pydicom import dcmread
from sklearn.metrics import roc_auc_score

from benchmarks.reliability.containers import new_series, shrunk, write_dicom, write_tiff
from glomspike.annotate.dicom import codes
from glomspike.phantom.slides import write_phantoms
from glomspike.results.schemas import schema_path
from glomspike.slide.reader import open_slide

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "phantom.svs"
TABLES = ("glomeruli.csv", "tiles.csv", "{}.xml", "{}.geojson")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "glomspike", "--device", "cpu", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=600, check=False)


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "glomeruli.csv").open() as file:
        return list(csv.DictReader(file))


def one_line_failure(done: subprocess.CompletedProcess[str], status: int) -> str:
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("glomspike: computing on")]
    return line


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("example")
    done = run(EXAMPLE, out)
    assert done.returncode == 0, done.stderr
    return out / "phantom"


@pytest.fixture(scope="session")
def small_slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phantom slide with one glomerulus, spiked."""
    folder = tmp_path_factory.mktemp("small slide ü")
    list(write_phantoms(folder, 1, 1, 3, 0.0, 1))
    return (folder / "phantom-0001.svs").rename(folder / "one ü.svs")


@pytest.fixture(scope="session")
def small(small_slide: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("small out")
    assert run(small_slide, out).returncode == 0
    return out / small_slide.stem


def test_the_example_gets_every_file_of_the_contract_and_its_record_lists_them(example: Path) -> None:
    count = len(rows_of(example))
    pictures = {
        f"{kind}/{number:04d}.png"
        for kind in ("patches", "images", "masks", "heatmaps")
        for number in range(1, count + 1)
    }
    written = {p.relative_to(example).as_posix() for p in example.rglob("*") if p.is_file()}
    tables = {"phantom.xml", "phantom.geojson", "glomeruli.csv", "tiles.csv", "overview.png", "report.html"}
    assert written == pictures | tables | {"run.json"}
    record = json.loads((example / "run.json").read_text())
    Draft202012Validator(json.loads(schema_path("run.json").read_text())).validate(record)
    hashes = {
        name: hashlib.sha256((example / name).read_bytes()).hexdigest() for name in written - {"run.json"}
    }
    assert record["files"] == hashes
    assert record["counts"]["glomeruli"] == count


def test_warnings_are_written_to_follow_the_name_of_a_slide(example: Path) -> None:
    warnings = json.loads((example / "run.json").read_text())["warnings"]
    assert any("only one public picture" in warning for warning in warnings)
    assert [one for one in warnings if one[0].isupper() or one.endswith(".")] == []


def true_circles() -> tuple[np.ndarray, np.ndarray]:
    """Circles (n, 3) in level-0 pixels and whether each is spiked, read without glomspike's own reader."""
    circles, spiked = [], []
    for layer in ET.parse(ROOT / "examples" / "truth.xml").iter("Annotation"):
        if layer.get("Name") in ("Spiked glomeruli", "Other glomeruli"):
            for region in layer.iter("Region"):
                points = np.array([[float(v.get("X")), float(v.get("Y"))] for v in region.iter("Vertex")])
                low, high = points.min(axis=0), points.max(axis=0)
                circles.append([*(low + high) / 2, (high - low).mean() / 2])
                spiked.append(layer.get("Name") == "Spiked glomeruli")
    return np.array(circles), np.array(spiked)


def test_the_examples_glomeruli_are_found_and_spiked_ones_score_higher(example: Path) -> None:
    circles, spiked = true_circles()
    rows = rows_of(example)
    found = np.array([[float(r["x"]), float(r["y"])] for r in rows])
    near = np.linalg.norm(circles[:, None, :2] - found[None], axis=2)
    hit = near.min(axis=1) < 0.5 * circles[:, 2]
    assert hit.mean() >= 0.8
    probability = np.array([float(rows[i]["spike_probability"]) for i in near.argmin(axis=1)])
    assert roc_auc_score(spiked[hit], probability[hit]) >= 0.9


def test_the_xml_shows_the_circles_of_the_table_within_a_pixel(example: Path) -> None:
    shown = {}
    for layer in ET.parse(example / "phantom.xml").iter("Annotation"):
        if layer.get("Name") in ("Spiked glomeruli", "Other glomeruli", "Uncertain glomeruli"):
            for region in layer.iter("Region"):
                points = np.array([[float(v.get("X")), float(v.get("Y"))] for v in region.iter("Vertex")])
                low, high = points.min(axis=0), points.max(axis=0)
                shown[region.get("Text").split(":")[0]] = (*(low + high) / 2, (high[0] - low[0]) / 2)
    for row in rows_of(example):
        expected = (float(row["x"]), float(row["y"]), float(row["radius_um"]) / 0.25)
        assert np.abs(np.array(shown[row["id"]]) - expected).max() < 1


def test_outlines_and_geojson_agree_with_areas_and_are_valid(example: Path) -> None:
    features = json.loads((example / "phantom.geojson").read_text())["features"]
    outlines = [f for f in features if f["properties"]["classification"]["name"] == "Outlines"]
    areas = [shapely.geometry.shape(f["geometry"]).area * 0.25**2 for f in outlines]
    assert all(shapely.geometry.shape(f["geometry"]).is_valid for f in features)
    assert areas == pytest.approx([float(row["area_um2"]) for row in rows_of(example)], rel=0.01)


def test_what_the_classifier_is_known_to_do_wrong_is_said_in_the_record(example: Path) -> None:
    limits = json.loads((ROOT / "weights" / "classifier.json").read_text())["limits"]
    assert "never on biopsies" in limits
    assert limits in json.loads((example / "run.json").read_text())["warnings"]


def test_pictures_of_one_glomerulus_show_one_field(example: Path) -> None:
    for row in rows_of(example):
        name = f"{int(row['id']):04d}.png"
        patch, image, mask = (
            np.asarray(Image.open(example / k / name)) for k in ("patches", "images", "masks")
        )
        inside = mask > 0
        assert set(np.unique(mask)) == {0, 255}
        assert (patch[~inside] == 0).all()
        assert (patch[inside] == image[inside]).all()
        assert inside.sum() * 0.25**2 == pytest.approx(float(row["area_um2"]), rel=0.02)


def test_a_second_run_finds_it_done_and_touches_nothing(small_slide: Path, small: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in small.rglob("*")}
    again = run(small_slide, small.parent)
    assert again.returncode == 0
    assert "done before" in again.stdout
    assert {p: p.stat().st_mtime_ns for p in small.rglob("*")} == before


def test_two_runs_write_the_same_bytes(small_slide: Path, small: Path, tmp_path: Path) -> None:
    assert run(small_slide, tmp_path).returncode == 0
    for name in TABLES:
        own = name.format(small.name)
        assert (tmp_path / small.name / own).read_bytes() == (small / own).read_bytes()


def test_other_settings_are_refused_and_overwritten_when_asked(
    small_slide: Path, small: Path, tmp_path: Path
) -> None:
    place = tmp_path / small.name
    shutil.copytree(small, place)
    line = one_line_failure(run(small_slide, tmp_path, "--threshold", "0.25"), 1)
    assert "threshold" in line
    assert "--overwrite" in line
    assert run(small_slide, tmp_path, "--threshold", "0.25", "--overwrite").returncode == 0
    assert json.loads((place / "run.json").read_text())["options"]["threshold"] == 0.25
    assert [p.name for p in tmp_path.iterdir()] == [small.name]


def test_a_slide_without_tissue_is_a_success_with_empty_results(tmp_path: Path) -> None:
    Image.new("RGB", (1500, 1200), (238, 238, 240)).save(tmp_path / "glass.png")
    done = run(tmp_path / "glass.png", tmp_path / "out", "--mpp", "0.5")
    assert done.returncode == 0
    assert "no tissue" in done.stderr
    assert rows_of(tmp_path / "out" / "glass") == []
    layers = ET.parse(tmp_path / "out" / "glass" / "glass.xml").findall("Annotation")
    assert len(layers) == 5


def test_what_is_odd_about_a_file_is_in_its_record(small_slide: Path, tmp_path: Path) -> None:
    with open_slide(small_slide) as slide:
        inverted = 255 - slide.read(0, 0, slide.facts.width0, slide.facts.height0, slide.facts.mpp.x)
    label = np.full((200, 300, 3), 250, np.uint8)
    write_tiff(tmp_path / "odd.tif", [inverted, label])
    done = run(tmp_path / "odd.tif", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    warnings = json.loads((tmp_path / "out" / "odd" / "run.json").read_text())["warnings"]
    assert any("300 x 200 px" in warning and "is not used" in warning for warning in warnings)
    assert any("background of the slide is dark" in warning for warning in warnings)
    assert all(warning in done.stderr for warning in warnings)


@pytest.mark.parametrize(
    ("mpp", "scored", "said"), [(0.5, True, "unreliable"), (1.0, False, "nothing was scored")]
)
def test_a_coarse_slide_is_scored_with_a_warning_or_not_at_all(
    small_slide: Path, tmp_path: Path, mpp: float, scored: bool, said: str
) -> None:
    import openslide

    with openslide.OpenSlide(small_slide) as slide:
        picture = slide.read_region((0, 0), 0, slide.dimensions).convert("RGB").reduce(round(mpp / 0.25))
    picture.save(tmp_path / "coarse.png")
    done = run(tmp_path / "coarse.png", tmp_path / "out", "--mpp", mpp)
    assert done.returncode == 0
    assert said in done.stderr
    rows = rows_of(tmp_path / "out" / "coarse")
    assert len(rows) == 1
    assert bool(rows[0]["spike_probability"]) == scored
    assert (tmp_path / "out" / "coarse" / "heatmaps").exists() == scored
    assert any(
        said in warning for warning in json.loads((tmp_path / "out/coarse/run.json").read_text())["warnings"]
    )


def test_what_is_no_slide_is_said_in_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "notes.svs").write_text("not a slide")
    line = one_line_failure(run(tmp_path / "notes.svs", tmp_path / "out"), 1)
    assert "notes.svs" in line
    assert not (tmp_path / "out").exists()


def test_a_picture_without_scale_asks_for_it(tmp_path: Path) -> None:
    Image.new("RGB", (300, 300), "white").save(tmp_path / "p.png")
    assert "--mpp" in one_line_failure(run(tmp_path / "p.png", tmp_path / "out"), 1)


def test_exchanged_weights_are_refused(small_slide: Path, tmp_path: Path) -> None:
    for name in ("classifier.json", "classifier.safetensors"):
        shutil.copy(ROOT / "weights" / name, tmp_path / name)
    with (tmp_path / "classifier.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x7f")
    done = run(small_slide, tmp_path / "out", "--classifier", tmp_path / "classifier.safetensors")
    assert "SHA-256" in one_line_failure(done, 1)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("name", ["cmu-1-small-region.svs", "hamamatsu-fluorescence.ndpi"])
def test_real_slides_that_are_no_kidney_run_through(name: str, tmp_path: Path) -> None:
    done = run(outside("slides") / name, tmp_path)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / Path(name).stem / "run.json").read_text())
    assert "this may not be kidney cortex" in " ".join(record["warnings"])


def test_a_real_slide_without_scale_is_refused_and_runs_with_one(tmp_path: Path) -> None:
    slide = outside("slides") / "tcga-cr-7395-01a-01-ts1.svs"
    assert "µm/px" in one_line_failure(run(slide, tmp_path), 1)
    assert run(slide, tmp_path, "--mpp", "0.5").returncode == 0


def test_a_broken_slide_is_told_in_one_line(tmp_path: Path) -> None:
    assert "broken.svs" in one_line_failure(run(outside("slides") / "broken.svs", tmp_path), 1)


def test_the_example_in_python_gives_the_numbers_of_the_command(example: Path) -> None:
    command = [sys.executable, "-W", "ignore", ROOT / "examples" / "analyse.py", EXAMPLE]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    printed, rows = done.stdout.splitlines(), rows_of(example)
    start = next(number for number, line in enumerate(printed) if line.startswith("id "))
    tolerances = {"x": 0.1, "y": 0.1, "radius_um": 0.01, "area_um2": 1.0, "spike_probability": 1e-4}
    for row, line in zip(rows, printed[start + 1 : start + 1 + len(rows)], strict=True):
        id_, *numbers, spiked = line.split()
        assert (id_, spiked) == (row["id"], "yes" if row["spiked"] == "1" else "no")
        for number, (column, tolerance) in zip(numbers, tolerances.items(), strict=True):
            assert float(number) == pytest.approx(float(row[column]), abs=tolerance)
    assert printed[-1] == "picture of the first: (512, 512, 3)"


def test_a_dicom_slide_gets_dicom_objects_that_refer_to_it_and_lie_where_the_table_says(
    small_slide: Path, tmp_path: Path
) -> None:
    with open_slide(small_slide) as slide:
        facts = slide.facts
        pixels = slide.read(0, 0, facts.width0, facts.height0, facts.mpp.x)
    series = new_series(mpp=facts.mpp.x, syntax="uncompressed")
    level0, _ = write_dicom(tmp_path / "in", "case", [pixels, shrunk(pixels, 4)], (1, 4), series)
    assert run(level0, tmp_path / "out", "--dicom").returncode == 0
    folder = tmp_path / "out" / "case-0"
    files = json.loads((folder / "run.json").read_text())["files"]
    assert {"case-0.ann.dcm", "case-0.sr.dcm"} <= files.keys()
    annotations = annread(folder / "case-0.ann.dcm")
    (image,) = annotations.ReferencedImageSequence
    assert image.ReferencedSOPInstanceUID == dcmread(level0, stop_before_pixels=True).SOPInstanceUID
    drawn = {}
    for group in annotations.get_annotation_groups(graphic_type="ELLIPSE"):
        _, numbers, _ = group.get_measurements(codes.NUMBER)
        middles = [points.mean(axis=0) for points in group.get_graphic_data("2D")]
        drawn |= dict(zip(numbers[:, 0].astype(int).tolist(), middles, strict=True))
    rows = rows_of(folder)
    assert rows
    assert drawn.keys() == {int(row["id"]) for row in rows}
    for row in rows:
        np.testing.assert_allclose(drawn[int(row["id"])], [float(row["x"]), float(row["y"])], atol=0.06)
    assert "nothing to do" in run(level0, tmp_path / "out", "--dicom").stdout
    assert "dicom True, not False" in one_line_failure(run(level0, tmp_path / "out"), 1)
