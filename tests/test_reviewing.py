"""The script that plays a pathologist at the review page: afterwards the slide's results are its truth."""

from pathlib import Path

import pytest
from reviews import RunFinding, reviewed, write_results

from benchmarks.quality.reviewing import REVIEWER, review
from glomspike.learn.samples import Sample
from glomspike.learn.truth import slide_truth
from glomspike.slide.reader import open_slide

EXAMPLES = Path(__file__).parents[1] / "examples"
SLIDE = EXAMPLES / "phantom.svs"


def test_wrong_results_of_the_example_are_corrected_to_its_truth(tmp_path):
    sample = Sample(EXAMPLES / "samples.csv", SLIDE, None, None, EXAMPLES / "truth.xml", None, "1", "test")
    with open_slide(SLIDE) as slide:
        truth = slide_truth(sample, slide.facts).glomeruli
        mpp = slide.facts.mpp.x
    first, second, *others = truth
    found = [
        RunFinding(first.x_px, first.y_px, first.radius_px * mpp, 0.9 if first.label != "spiked" else 0.1),
        RunFinding(second.x_px, second.y_px, second.radius_px * mpp, outline_radius_um=20),
        RunFinding(100, 2900, 20),
    ]
    folder = write_results(tmp_path / "phantom", SLIDE, found)
    review(sample, folder)
    slide = reviewed(folder, SLIDE)
    state = [one for one in slide.state(REVIEWER) if one.is_glomerulus]
    assert all(one.reviewed for one in slide.state(REVIEWER))
    slide.close()
    assert len(state) == len(truth) == len(others) + 2
    for true in truth:
        one = min(state, key=lambda one: abs(one.circle.x0 - true.x_px) + abs(one.circle.y0 - true.y_px))
        assert one.call == ("spiked" if true.label == "spiked" else "not spiked")
        assert one.circle.radius_um == pytest.approx(true.radius_px * mpp, rel=0.1)
        assert bool(one.boxes0) == (true.label == "spiked")
