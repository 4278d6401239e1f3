"""What is said of the classifier on real spikes comes from its card, on every page."""

import torch
from reports import card
from results import MPP, glomerulus
from torch import nn

from benchmarks.quality.readme_claims import MARK, README
from glomspike.classify.real_picture import REAL_PICTURE, real_picture_sentence, real_picture_warning
from glomspike.classify.stage import SpikeStage
from glomspike.findings import CallRule
from glomspike.networks.models import Model
from glomspike.networks.weights import Card, load_card
from glomspike.report.evidence import training_sentence

NUMBERS = {
    "probability_of_glomerulus": 0.912,
    "marked_places_found": 0.6,
    "spike_fraction_of_tiles_with_membrane": 0.31,
}


def measured(**numbers: float) -> Card:
    metrics = [
        {"name": name, "value": value, "data": f"{REAL_PICTURE}, at 0.17 µm/px", "n": 1}
        for name, value in numbers.items()
    ]
    return card(metrics=metrics)


def test_the_sentence_has_the_numbers_of_the_card() -> None:
    said = real_picture_sentence(measured(**NUMBERS))
    assert said is not None
    assert all(number in said for number in ("0.91", "60 %", "31 %"))


def test_without_all_numbers_nothing_is_claimed() -> None:
    assert real_picture_sentence(card()) is None
    assert real_picture_sentence(measured(probability_of_glomerulus=0.9)) is None


def test_report_and_warnings_say_it_beside_the_limits() -> None:
    with_numbers = measured(**NUMBERS)
    said, warning = real_picture_sentence(with_numbers), real_picture_warning(with_numbers)
    assert said is not None
    assert said in training_sentence(with_numbers)
    model = Model(nn.Identity(), with_numbers, torch.device("cpu"))
    stage = SpikeStage(model, MPP, CallRule.of_one_cut(0.5))
    assert list(stage.warnings([glomerulus()]))[:2] == [with_numbers.limits, warning]


def test_the_readme_has_the_installed_classifiers_sentence() -> None:
    installed, _ = load_card("classifier", None)
    block = README.read_text("utf-8").split(f"<!-- measured: {MARK} -->")[1].split("<!-- end -->")[0]
    assert block.strip() == real_picture_sentence(installed), "run python -m benchmarks.quality.readme_claims"
