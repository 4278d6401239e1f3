"""Small glomeruli: with the expected diameter the detector looks as much finer as they are smaller."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_cli import typed

from glomspike.detect.sizes import magnification, size_warnings
from glomspike.slide.reader import open_slide

EXAMPLE = Path(__file__).parents[1] / "examples" / "phantom.svs"


def test_a_detector_looks_finer_where_glomeruli_are_smaller() -> None:
    assert magnification(None) == 1.0
    assert magnification(90.0) == pytest.approx(2.0)


def test_a_warning_names_both_sizes_where_they_are_far_apart() -> None:
    assert not list(size_warnings([150.0, 180.0, 210.0], None))
    assert not list(size_warnings([60.0, 70.0], None))  # two are too few to judge by
    (warning,) = size_warnings([70.0, 80.0, 90.0], None)
    assert "80 µm across, and 180 µm were expected" in warning
    assert "--animal" in warning
    assert not list(size_warnings([70.0, 80.0, 90.0], 80.0))


def test_glomeruli_as_of_a_mouse_are_found_as_those_of_a_human(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The example's tissue with its lengths divided by 2.25: the same pictures reach the detector."""
    with open_slide(EXAMPLE) as slide:
        facts = slide.facts
        pixels = slide.read(0, 0, facts.width0, facts.height0, 0.9)
    Image.fromarray(np.ascontiguousarray(pixels)).save(tmp_path / "mouse.png")
    status, _, err = typed(
        str(tmp_path / "mouse.png"), str(tmp_path / "out"), "--mpp", "0.4", "--animal", "mouse", "--device",
        "cpu", capsys=capsys,
    )  # fmt: skip
    assert status == 0, err
    record = json.loads((tmp_path / "out" / "mouse" / "run.json").read_text())
    assert record["counts"]["glomeruli"] == 6
    assert record["options"]["glomerulus_um"] == 80.0
    assert not [warning for warning in record["warnings"] if "were expected" in warning]


def test_both_options_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = typed(
        str(EXAMPLE), str(tmp_path), "--animal", "rat", "--glomerulus-um", "90", capsys=capsys
    )
    assert status == 2
    assert "give one of them" in err
