"""The detector's training tissue of phantom blocks."""

from pathlib import Path

import numpy as np
import pytest

from datasets.case_tissue import LAYING, MPP, painted
from datasets.public_samples import write_rows
from glomspike.learn.samples import read_samples
from glomspike.learn.truth import load_pictures
from glomspike.phantom.cases import CaseOrder, plan_case


@pytest.mark.slow
def test_sections_are_painted_with_the_outlines_of_all_their_profiles(tmp_path: Path) -> None:
    order = CaseOrder(1, levels=2, glomeruli=4, seed=5, laying=LAYING)
    rows = painted(order)
    assert write_rows(tmp_path, rows, "none") == len(rows)
    pictures = load_pictures(read_samples([tmp_path / "samples.csv"]), MPP)
    sections = [section for slide in plan_case(order).slides for section in slide.sections]
    glomeruli = [one for picture in pictures for one in picture.truth.glomeruli]
    assert len(glomeruli) == sum(len(section.capsules_um) for section in sections)
    for picture in pictures:
        glass = np.percentile(picture.pixels, 95)
        for circle_px in picture.circles_px:
            x_px, y_px = np.round(circle_px[:2]).astype(int)
            assert picture.pixels[y_px - 5 : y_px + 5, x_px - 5 : x_px + 5].mean() < glass
