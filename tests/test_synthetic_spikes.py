"""The tables of what synthetic tiles are worth, without any training."""

import json
from pathlib import Path

import pytest

from benchmarks.quality.measured_page import write_measured
from benchmarks.quality.synthetic_spikes import BOXED, SHOWN, WEAK, classifiers, tiles
from glomspike.classify.synthesis.folder import Manifest, write_manifest
from glomspike.metrics.likeness import Likeness
from glomspike.networks.weights import TrainingData


@pytest.fixture
def work(tmp_path):
    """What the trainings leave: the four classifiers' numbers, and what became of the tiles."""
    for number, variant in enumerate((WEAK, BOXED)):
        for suffix, more in (("", 0.0), ("-with-synthetic-tiles", 0.05)):
            folder = tmp_path / f"{variant.folder}{suffix}"
            folder.mkdir()
            value = 0.8 + number / 10 + more
            result = dict.fromkeys(SHOWN, value) | {f"{name}_ci95": [0.5, 0.99] for name in SHOWN}
            (folder / "result.json").write_text(json.dumps(result))
    (tmp_path / "synthetic").mkdir()
    manifest = Manifest(
        pictures=("1.png", "2.png"), tile_px=50, mpp=0.25, patients=("p0", "p1"), tiles=129, glomeruli=21,
        classifier="ab" * 32, derived_from=(TrainingData(name="ours", licence="CC0", images=4),),
        generator={}, features="encoder of tests",
        likeness={"synthetic": Likeness(80.25, 0.5, 0.25, 0.125, 128)},
        called_spiked={"real": 0.75, "synthetic": 0.5},
    )  # fmt: skip
    write_manifest(tmp_path / "synthetic", manifest)
    return tmp_path


def test_each_classifier_stands_above_the_same_with_synthetic_tiles(work):
    heading, _, *rows = classifiers(work)
    assert [cell.strip() for cell in heading.split("|")[2:-1]] == list(SHOWN)
    assert [row.split("|")[1].strip() for row in rows] == [
        "labels alone (MIL)",
        "labels alone, and synthetic tiles",
        "labels and boxes (MSA-MIL)",
        "labels and boxes, and synthetic tiles",
    ]
    assert [row.split("|")[2].strip() for row in rows] == [
        f"{value:.3f} (0.50–0.99)" for value in (0.8, 0.85, 0.9, 0.95)
    ]


def test_every_figure_of_likeness_names_its_network_and_its_number_of_pictures(work):
    lines = list(tiles(work))
    assert lines[2] == "| synthetic | 128 | 80.250 | 0.5000 | 0.25 | 0.12 |"
    assert "encoder of tests" in lines[-1]
    assert "129 real tiles of 21 glomeruli of 2 patients; 2 synthetic ones" in lines[-1]
    assert "75% of the real and 50% of the synthetic ones" in lines[-1]


def test_the_page_has_a_place_for_both(work, tmp_path):
    page = tmp_path / "page.md"
    page.write_text((Path(__file__).parents[1] / "docs" / "synthetic-spikes.md").read_text())
    for what in ("synthetic classifiers", "synthetic tiles"):
        write_measured(page, what, "MEASURED")
    assert page.read_text().count("MEASURED") == 2
