"""What is known of a slide before it is scored: stain, light, kidney, focus."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyramids import write_aperio
from results import MPP, glomerulus, round_outline, spike_score

from glomspike.errors import WeightsError
from glomspike.findings import STAINS, Circle, Stain
from glomspike.gates.admission import Admission, blurred_warning, stain_of
from glomspike.gates.colours import stain_colours
from glomspike.gates.kidney import perhaps_no_kidney
from glomspike.gates.sharpness import OUT_OF_FOCUS, sharpness
from glomspike.gates.stain import load_stain_gate
from glomspike.geometry.frames import FieldFrame
from glomspike.results.record import StainRecord
from glomspike.slide.field import Field
from glomspike.slide.reader import open_slide
from glomspike.slide.tissue import Tissue, find_tissue

EXAMPLE = Path(__file__).parents[1] / "examples" / "phantom.svs"


def stripes(light: tuple[int, int, int], dark: tuple[int, int, int], side_px: int = 200) -> np.ndarray:
    picture = np.full((side_px, side_px, 3), light, np.uint8)
    for start in range(0, side_px, 20):
        picture[start : start + 8] = dark
    noise = np.random.default_rng(0).integers(-6, 7, picture.shape)
    return np.clip(picture.astype(int) + noise, 0, 255).astype(np.uint8)


def test_the_example_is_silver() -> None:
    with open_slide(EXAMPLE) as slide:
        stain = stain_of(slide, find_tissue(slide), None)
    assert stain is not None
    assert stain.words == "silver (measured)"


def test_a_given_stain_counts_and_what_the_colours_say_is_kept(tmp_path: Path) -> None:
    write_aperio(tmp_path / "s.svs", stripes((240, 240, 240), (60, 60, 60)), mpp=1.0)
    with open_slide(tmp_path / "s.svs") as slide:
        measured, typed = stain_of(slide, None, None), stain_of(slide, None, "PAS")
    assert typed == Stain("PAS", measured=measured)
    record = StainRecord.of(typed)
    assert record is not None
    assert (record.name, record.basis) == ("PAS", "given")
    with open_slide(EXAMPLE) as slide:
        example = stain_of(slide, find_tissue(slide), "PAS")
    assert example is not None
    assert example.words == "PAS (given; silver by its colours)"
    kept = StainRecord.of(example)
    assert kept is not None
    assert kept.measured == "silver"
    assert kept.stain.words == example.words


def test_empty_glass_has_no_stain(tmp_path: Path) -> None:
    write_aperio(tmp_path / "s.svs", np.full((200, 200, 3), 240, np.uint8), mpp=1.0)
    with open_slide(tmp_path / "s.svs") as slide:
        nothing = Tissue(np.zeros((10, 10), bool), FieldFrame(0, 0, 20, 20), 20.0)
        assert stain_of(slide, nothing, None) is None
        assert stain_of(slide, None, None) is None


def test_shades_of_grey_are_no_stain(tmp_path: Path) -> None:
    grey = stripes((240, 240, 240), (60, 60, 60), 800)
    grey[:] = grey.mean(axis=2, keepdims=True).astype(np.uint8)
    write_aperio(tmp_path / "s.svs", grey, mpp=1.0)
    with open_slide(tmp_path / "s.svs") as slide:
        assert stain_of(slide, None, None) is None


@given(dim=st.floats(0.55, 1.0))
@settings(max_examples=10, deadline=None)
def test_a_dimmer_lamp_hardly_changes_colours(dim: float) -> None:
    picture = stripes((235, 225, 235), (90, 40, 120))
    dimmed = (picture * dim).astype(np.uint8)
    assert stain_colours([dimmed]) == pytest.approx(stain_colours([picture]), abs=0.12)


@given(st.lists(st.floats(-3, 3), min_size=49, max_size=49))
@settings(max_examples=20, deadline=None)
def test_probabilities_of_stains_add_up_to_one(colours: list[float]) -> None:
    gate = load_stain_gate()
    probabilities = gate.probabilities(np.array(gate.mean) + np.array(colours) * np.array(gate.scale))
    assert probabilities.shape == (len(STAINS),)
    assert probabilities.sum() == pytest.approx(1)


def test_a_damaged_card_is_refused(tmp_path: Path) -> None:
    (tmp_path / "stain.json").write_text("{}")
    with pytest.raises(WeightsError, match="not the card of a stain gate"):
        load_stain_gate(tmp_path / "stain.json")
    with pytest.raises(WeightsError):
        load_stain_gate(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("admitted", "scored", "doubtful", "said"),
    [
        (Admission(Stain("silver", 0.9)), True, False, ""),
        (Admission(None), True, True, "the stain could not be measured"),
        (Admission(Stain("PAS", 0.9)), False, False, "PAS (measured)"),
        (Admission(Stain("H&E")), False, False, "H&E (given)"),
        (Admission(Stain("silver", measured=Stain("silver", 0.99))), True, False, ""),
        (Admission(Stain("silver", measured=Stain("PAS", 0.6))), True, False, ""),
        (Admission(Stain("silver", measured=Stain("PAS", 0.99))), True, False, "colours are those of PAS"),
        (Admission(Stain("PAS", measured=Stain("silver", 0.99))), False, False, "those of silver"),
        (Admission(Stain("silver", 0.9), is_dark=True), True, True, "background of the slide is dark"),
        (Admission(Stain("silver", 0.9), perhaps_no_kidney=True), True, True, "may not be kidney cortex"),
    ],
)
def test_what_is_scored_and_what_is_doubted(
    admitted: Admission, scored: bool, doubtful: bool, said: str
) -> None:
    assert (admitted.is_scored, admitted.is_doubtful) == (scored, doubtful)
    assert said in " ".join(admitted.warnings())
    assert bool(said) == bool(list(admitted.warnings()))


def test_tissue_without_a_sure_glomerulus_may_not_be_kidney() -> None:
    unsure, sure = Circle(0, 0, 90, 0.22), Circle(0, 0, 90, 0.6)
    assert perhaps_no_kidney([unsure], 0.2, 5.0)
    assert not perhaps_no_kidney([unsure, sure], 0.2, 5.0)
    assert not perhaps_no_kidney([unsure], 0.2, 0.3)
    assert perhaps_no_kidney([], 0.2, 5.0)


def lines(blur_um: float) -> Field:
    """Dark membranes of a micrometre, 4 µm apart."""
    picture = np.full((480, 480, 3), 220, np.uint8)
    for start in range(0, 480, 16):
        cv2.line(picture, (start, 0), (479 - start, 479), (60, 50, 60), 4)
    if blur_um:
        picture = cv2.GaussianBlur(picture, (0, 0), blur_um / 0.25)
    return Field(picture, np.ones((480, 480), bool), FieldFrame(0, 0, 1, 1), 0.25)


def test_blur_lowers_sharpness_below_what_is_in_focus() -> None:
    outline = round_outline(240, 240, 50, MPP)
    found = [sharpness(lines(blur), outline) for blur in (0.0, 0.4, 0.8, 1.5)]
    assert all(value is not None for value in found)
    assert found == sorted(found, reverse=True)
    assert found[0] > OUT_OF_FOCUS > found[3]


def test_where_there_is_no_edge_sharpness_is_unknown() -> None:
    blank = replace(lines(0.0), pixels=np.full((480, 480, 3), 200, np.uint8))
    assert sharpness(blank, round_outline(240, 240, 50, MPP)) is None


def test_glomeruli_out_of_focus_are_named() -> None:
    blurred = replace(glomerulus(7, spikes=spike_score(0.4)), sharpness=0.1, is_blurred=True)
    (said,) = blurred_warning([glomerulus(3, spikes=spike_score(0.4)), blurred])
    assert said.endswith(": 7")
    assert list(blurred_warning([replace(blurred, spikes=None)])) == []
