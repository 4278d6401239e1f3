"""What a stranger types from docs/training.md works, in that order, from an empty directory."""

import csv
import io
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from discs import disc_mask, disc_picture

from glomspike import cli
from glomspike.annotate.imagescope import write_layers
from glomspike.annotate.layers import PIXELS, Layer, Region, RegionType
from glomspike.detect import train as detect_train
from glomspike.segment import train as segment_train

GUIDE = (Path(__file__).parents[1] / "docs" / "training.md").read_text()
SIDE_PX, RADIUS_PX = 480, 150


@dataclass(frozen=True)
class ShortDetector(detect_train.DetectorOptions):
    samples_per_epoch: int = 8


@dataclass(frozen=True)
class ShortSegmenter(segment_train.SegmenterOptions):
    samples_per_epoch: int = 8


def _section() -> str:
    """What the guide says of an empty directory."""
    return GUIDE.split("## From an empty directory")[1].split("\n## ")[0]


def write_what_the_guide_asks_for(folder: Path) -> None:
    """The table as it stands in the guide, and the files that it names: one dark disc on each picture."""
    folder.mkdir()
    table, *_others = re.findall(r"```csv\n(.*?)```", _section(), re.DOTALL)
    (folder / "samples.csv").write_text(table)
    disc = [(240.0, 230.0, float(RADIUS_PX))]
    for number, row in enumerate(csv.DictReader(io.StringIO(table))):
        cv2.imwrite(str(folder / row["image"]), disc_picture(SIDE_PX, SIDE_PX, disc, number))
        if row["mask"]:
            mask = disc_mask(SIDE_PX, SIDE_PX, disc)
            cv2.imwrite(str(folder / row["mask"]), mask.astype(np.uint8) * 255)
        if row["xml"]:
            box = np.array([[90.0, 80.0], [390.0, 380.0]])
            circle = Layer("Glomeruli", (0, 255, 0), (Region(RegionType.ELLIPSE, box),))
            write_layers(folder / row["xml"], [circle], PIXELS)


@pytest.mark.slow
def test_the_guide_leads_to_new_weights_used_by_the_main_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(detect_train, "DetectorOptions", ShortDetector)
    monkeypatch.setattr(segment_train, "SegmenterOptions", ShortSegmenter)
    write_what_the_guide_asks_for(tmp_path / "ours")
    commands = re.findall(r"^    glomspike (.*)$", _section(), re.MULTILINE)
    assert len(commands) == 7
    for typed in commands:
        words = shlex.split(typed)
        with pytest.raises(SystemExit) as end:
            cli.main([*words, "--epochs", "1"] if words[0] == "train" else words)
        assert end.value.code in {0, None}, typed
    for kind in ("detector", "segmenter", "classifier"):
        assert (tmp_path / kind / f"{kind}.safetensors").is_file()
        assert (tmp_path / f"{kind}.json").is_file()
    assert (tmp_path / "results" / "field-7" / "run.json").is_file()
