"""Masks: what is marked is what was drawn, whatever saved it; what may mean the contrary is refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from discs import disc_mask
from PIL import Image

from glomspike.errors import SlideError
from glomspike.slide.mask import read_mask

TRUE = disc_mask(400, 300, [(150, 150, 90), (320, 200, 60)])
WHITE = TRUE.astype(np.uint8) * 255


@pytest.mark.parametrize("quality", [30, 75, 95])
@pytest.mark.parametrize("colour", [(255, 255, 255), (255, 0, 0)])
@pytest.mark.parametrize("name", ["mask.jpg", "mask.tif"])
def test_what_a_jpegs_compression_leaves_beside_the_marks_is_none(
    tmp_path: Path, name: str, colour: tuple[int, int, int], quality: int
) -> None:
    drawn = np.zeros((300, 400, 3), np.uint8)
    drawn[TRUE] = colour
    options = {"compression": "jpeg"} if name.endswith("tif") else {}
    Image.fromarray(drawn).save(tmp_path / name, quality=quality, **options)
    marked = read_mask(tmp_path / name)
    assert cv2.connectedComponents(marked.astype(np.uint8))[0] == 3
    assert (marked != TRUE).mean() < 0.01


def test_a_jpeg_whose_marks_are_as_faint_as_its_noise_is_refused(tmp_path: Path) -> None:
    Image.fromarray(TRUE.astype(np.uint8) * 7).save(tmp_path / "faint.jpg", quality=95)
    with pytest.raises(SlideError, match="too faint to be seen; save the mask as PNG"):
        read_mask(tmp_path / "faint.jpg")
    Image.new("L", (40, 30)).save(tmp_path / "empty.jpg")
    assert not read_mask(tmp_path / "empty.jpg").any()


def test_a_mask_of_the_ground_is_refused_and_one_within_a_glomerulus_is_not(tmp_path: Path) -> None:
    Image.fromarray(255 - WHITE).save(tmp_path / "inverted.png")
    with pytest.raises(SlideError, match="seems to mark the ground"):
        read_mask(tmp_path / "inverted.png")
    Image.new("L", (40, 30), 255).save(tmp_path / "whole.png")
    assert read_mask(tmp_path / "whole.png").all()


@pytest.mark.parametrize("mode", ["RGB", "P"])
def test_a_mask_whose_ground_is_a_colour_too_is_refused(tmp_path: Path, mode: str) -> None:
    drawn = np.full((300, 400, 3), 255, np.uint8)
    drawn[TRUE] = (255, 0, 0)
    Image.fromarray(drawn).convert(mode, palette=Image.Palette.ADAPTIVE).save(tmp_path / "mask.png")
    with pytest.raises(SlideError, match="marks all of the picture, in several colours"):
        read_mask(tmp_path / "mask.png")
