"""PNG files: what was written is read back by others, pixel by pixel."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from glomspike.results.png import write_grey, write_rgb

sides = st.integers(1, 70)


@given(height=sides, width=sides, seed=st.integers(0, 1000), flat=st.booleans())
def test_pictures_are_read_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, height: int, width: int, seed: int, flat: bool
) -> None:
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    if flat:
        picture[...] = picture[0, 0]
    folder = tmp_path_factory.getbasetemp()
    write_rgb(folder / "colour.png", picture)
    write_grey(folder / "grey.png", picture[..., 1])
    opened = Image.open(folder / "colour.png")
    assert opened.mode == "RGB"
    assert np.array_equal(np.asarray(opened), picture)
    assert np.array_equal(cv2.imread(str(folder / "colour.png"))[..., ::-1], picture)
    grey = Image.open(io.BytesIO((folder / "grey.png").read_bytes()))
    assert grey.mode == "L"
    assert np.array_equal(np.asarray(grey), picture[..., 1])


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        write_grey(tmp_path / "missing" / "mask.png", np.zeros((3, 4), np.uint8))
