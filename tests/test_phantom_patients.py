"""Phantom patients: each modality shows what the latent disease asks for, and nothing of it anywhere else."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from glomspike.cases.table import read_cases
from glomspike.cli.phantom import command
from glomspike.learn.samples import read_samples
from glomspike.learn.truth import load_picture
from glomspike.modalities import MODALITIES, Modality
from glomspike.phantom.curves import blob, resample
from glomspike.phantom.fluorescence import Binding, Camera, draw_fluorescence
from glomspike.phantom.glomerulus import tuft_outline
from glomspike.phantom.laboratories import OF_SPLIT, Laboratory
from glomspike.phantom.latents import VARIETIES, Latent, draw_latent
from glomspike.phantom.microscope import Microscope
from glomspike.phantom.oracle import Oracle
from glomspike.phantom.patients import PatientOrder, orders_of, write_patient, write_patients
from glomspike.phantom.tem import Micrograph, draw_micrograph
from glomspike.phantom.tem_cells import Greys
from glomspike.phantom.tem_deposits import DepositPattern
from glomspike.phantom.tem_scene import MARGIN_PX
from glomspike.phantom.tuft import Anatomy, cut_tuft
from glomspike.results.png import write_rgb
from glomspike.slide.reader import open_slide

SHOWN = {
    "nothing": DepositPattern(),
    "mesangial": DepositPattern(("mesangial",)),
    "subendothelial": DepositPattern(("subendothelial",)),
    "stage 1": DepositPattern(("subepithelial",), 1),
    "stage 2": DepositPattern(("subepithelial",), 2),
    "stage 3": DepositPattern(("subepithelial",), 3),
    "stage 4": DepositPattern(("subepithelial",), 4),
}


@cache
def micrograph(name: str, seed: int = 3) -> Micrograph:
    rng = np.random.default_rng(seed)
    microscope, greys = Microscope.sample(rng), Greys.sample(rng)
    return draw_micrograph(rng, microscope, greys, SHOWN[name], membrane_um=0.33, effaced_share=0.1)


@pytest.mark.parametrize("name", SHOWN)
def test_a_micrograph_shows_deposits_at_the_places_asked_for_and_no_others(name: str) -> None:
    made = micrograph(name)
    places = {one.place for one in made.deposits}
    allowed = {"stage 3": {"intramembranous"}, "stage 4": {"intramembranous"}}
    assert places <= allowed.get(name, set(SHOWN[name].places))
    assert places or name in ("nothing", "stage 4")
    height, width = made.picture.shape
    for one in made.truth()["deposits"]:
        x, y = np.array(one["polygon_px"]).T
        assert x.max() > 0
        assert y.max() > 0
        assert x.min() < width
        assert y.min() < height


@pytest.mark.parametrize("name", ["mesangial", "subendothelial", "stage 1", "stage 2", "stage 3"])
def test_deposits_lie_on_the_side_of_the_membrane_that_their_name_says(name: str) -> None:
    made = micrograph(name)
    for one in made.deposits:
        column, row = np.rint(one.polygon_px.mean(axis=0)).astype(int)
        if not (0 <= row < made.scene.shape[0] and 0 <= column < made.scene.shape[1]):
            continue
        outside_px = made.scene.wall.height[row, column]
        if one.place == "mesangial":
            assert outside_px < 0
            assert made.scene.mesangium[row, column]
        elif one.place == "subendothelial":
            assert outside_px < 1.5
        else:
            assert outside_px > 0


def test_deposits_are_darker_than_the_membrane_beside_them() -> None:
    made = micrograph("stage 2")
    membrane = [made.picture[_pixel(made, point)] for point in made.truth()["membrane_px"]]
    inside = [
        made.picture[_pixel(made, np.mean(one["polygon_px"], axis=0))] for one in made.truth()["deposits"]
    ]
    assert np.median(inside) < np.median(membrane) - 5


def _pixel(made: Micrograph, point: object) -> tuple[int, int]:
    x, y = np.clip(np.rint(np.asarray(point)).astype(int), 0, np.array(made.picture.shape[::-1]) - 1)
    return int(y), int(x)


def test_spikes_stand_between_deposits_at_the_second_stage_alone() -> None:
    spikes = {name: len(micrograph(name).truth()["spikes_px"]) for name in SHOWN}
    assert spikes["stage 2"] > 0
    assert all(count == 0 for name, count in spikes.items() if name != "stage 2")


def test_the_wall_thickens_with_the_stage() -> None:
    walls = [micrograph(name).truth()["wall_nm"] for name in ("nothing", "stage 3", "stage 4")]
    assert walls[0] < walls[1]
    assert walls[0] < walls[2]


def test_a_micrograph_is_the_same_for_the_same_seed() -> None:
    first, again = micrograph("stage 1"), micrograph.__wrapped__("stage 1")
    assert (first.picture == again.picture).all()
    assert json.dumps(first.truth()) == json.dumps(again.truth())


def test_masks_of_a_field_do_not_overlap_and_the_membrane_is_outside_both() -> None:
    scene = micrograph("nothing").scene
    assert not (scene.lumen & scene.mesangium).any()
    near = np.abs(scene.wall.height) < 30
    inside = scene.lumen | scene.mesangium
    assert np.quantile(scene.wall.height[near & inside], 0.99) < 1.5
    assert inside[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX].any()


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6))
def test_each_disease_has_its_own_places_of_deposits(seed: int) -> None:
    latent = draw_latent(np.random.default_rng(seed))
    places = {place for one in latent.micrographs for place in one.places}
    allowed = {
        "normal": set(),
        "IgAN": {"mesangial", "subendothelial"},
        "MN": {"subepithelial"},
        "LN": {"mesangial", "subendothelial", "subepithelial"},
    }
    assert places <= allowed[latent.disease]
    assert bool(places) == (latent.disease != "normal")
    assert (latent.stage is not None) == (latent.disease == "MN")
    assert latent.disease != "MN" or {one.stage for one in latent.micrographs} <= {None, latent.stage}
    assert 4 <= len(latent.micrographs) <= 10
    assert 1 <= len(latent.stains) <= 3
    assert latent.om.spiking == "none" or latent.disease in ("MN", "LN")


def test_evidence_is_a_minority_in_some_patients() -> None:
    rng = np.random.default_rng(1)
    shares = [
        np.mean([bool(one.places) for one in latent.micrographs])
        for latent in (draw_latent(rng) for _ in range(300))
        if latent.disease != "normal"
    ]
    assert min(shares) < 0.2
    assert max(shares) == 1.0


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200), st.integers(0, 10**6))
def test_splits_see_laboratories_of_their_own(patients: int, seed: int) -> None:
    orders = orders_of(patients, seed)
    assert len(orders) == patients
    for order in orders:
        assert order.laboratory in OF_SPLIT[order.split]
    assert not set(OF_SPLIT["train"]) & set(OF_SPLIT["test"])


def test_laboratories_do_not_depend_on_the_disease() -> None:
    orders = orders_of(600, 5)
    diseases = [order.latent().disease for order in orders]
    microscopes = [Laboratory.of(5, number).microscope for number in range(1, 27)]
    for disease in set(diseases):
        scales = [
            microscopes[o.laboratory - 1].nm_px for o, d in zip(orders, diseases, strict=True) if d == disease
        ]
        assert abs(np.mean(scales) - np.mean([one.nm_px for one in microscopes])) < 1.2


@cache
def oracle() -> Oracle:
    return Oracle(drawn=300)


def test_no_single_modality_suffices_and_all_three_are_best() -> None:
    rng = np.random.default_rng(2)
    quality = oracle().quality([draw_latent(rng) for _ in range(500)])
    balanced = {name: values["balanced_accuracy"] for name, values in quality.items()}
    singles = [balanced["om"], balanced["if"], balanced["tem"]]
    assert max(singles) < 0.93 < balanced["om+if+tem"]
    assert balanced["om+if+tem"] > max(singles) + 0.02
    assert balanced["om"] < min(balanced["if"], balanced["tem"])


@pytest.mark.parametrize(
    ("variety", "modalities", "unlike"),
    [("MN 1", ("om",), "normal"), ("LN II", ("tem",), "IgAN")],
)
def test_what_looks_alike_is_not_told_apart(
    variety: str, modalities: tuple[Modality, ...], unlike: str
) -> None:
    (kind,) = [one for one in VARIETIES if one.name == variety]
    latents = [draw_latent(np.random.default_rng(seed), kind) for seed in range(40)]
    chances = [oracle().chances(latent, modalities) for latent in latents]
    own = np.mean([one[kind.disease] for one in chances])
    other = np.mean([one[unlike] for one in chances])  # type: ignore[index]
    assert own < other


def test_a_stain_shines_where_it_binds_and_exposure_says_nothing_of_the_grade() -> None:
    rng = np.random.default_rng(4)
    capsule = resample(blob(rng, 70.0, 0.05), 1.0)
    tuft = tuft_outline(rng, capsule, np.zeros(2), 70.0)
    section = cut_tuft(rng, Anatomy.sample(rng), tuft, capsule, 0.0)
    camera = Camera.sample(rng)
    light = {}
    for grade in (0, 3):
        binding = Binding(grade, "loops" if grade else "none", 0.2)
        drawn = draw_fluorescence(np.random.default_rng(7), camera, section, capsule, binding)
        light[grade] = drawn
        assert drawn.picture.shape == (camera.size_px[1], camera.size_px[0], 3)
        assert drawn.truth()["grade"] == grade
    assert light[3].exposure < light[0].exposure  # a weak stain is exposed longer
    rows, columns = np.indices(light[3].picture.shape[:2])
    x, y = light[3].middle_px
    inside = np.hypot(columns - x, rows - y) < 0.8 * light[3].radius_px
    green = {grade: one.picture[..., 1].astype(float) for grade, one in light.items()}
    assert green[3][inside].mean() > 2 * green[3][~inside].mean()
    assert green[3][inside].mean() / light[3].exposure > 2 * green[0][inside].mean() / light[0].exposure


def test_a_png_says_its_scale(tmp_path: Path) -> None:
    write_rgb(tmp_path / "a.png", np.zeros((40, 30, 3), np.uint8), mpp=0.35)
    with open_slide(tmp_path / "a.png") as slide:
        assert slide.facts.mpp.mean == pytest.approx(0.35, rel=1e-3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--patients", "2", "--slides", "2"], "--slides and --patients: exclude each other"),
        (["--patients", "2", "--cases", "2"], "--cases and --patients: exclude each other"),
        (["--patients", "2", "--levels", "2"], "add --cases N"),
        (["--patients", "2", "--glomeruli", "9"], "--glomeruli: is not for patients"),
        (["--patients", "2", "--boxed", "0.1"], "--boxed: is not for patients"),
    ],
)
def test_options_of_slides_and_patients_exclude_each_other(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    result = CliRunner().invoke(command, ["--out", str(tmp_path / "out"), *arguments])
    assert said in str(result.exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_patient_is_the_same_to_the_byte_wherever_it_is_made(tmp_path: Path) -> None:
    order = PatientOrder(3, "test", 20, seed=9)
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        write_patient(order, tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "one" / order.name).iterdir())
    assert len(files) > 12
    for name in files:
        first, second = ((tmp_path / one / order.name / name).read_bytes() for one in ("one", "other"))
        assert first == second, name


@pytest.mark.slow
def test_the_tables_of_patients_are_read(tmp_path: Path) -> None:
    list(write_patients(tmp_path, 2, seed=4, workers=1))
    latents: dict[str, Latent] = {order.name: order.latent() for order in orders_of(2, 4)}
    samples = read_samples([tmp_path / "samples.csv"], MODALITIES)
    for name, latent in latents.items():
        own = [one for one in samples if one.patient == name]
        assert {(one.disease, one.stage) for one in own} == {(latent.disease, latent.stage)}
        assert sum(one.modality == "tem" for one in own) == len(latent.micrographs)
        assert sum(one.modality == "if" for one in own) == len(latent.stains)
        stains = [(one.marker, one.grade, one.site or "none") for one in own if one.modality == "if"]
        assert stains == [(found.marker, found.grade, found.site) for found in latent.stains]
        shown = [one.deposits for one in own if one.modality == "tem"]
        assert shown == [bool(finding.places) for finding in latent.micrographs]
        for one in own:
            assert (one.mask is not None) == (one.modality == "om" or bool(one.deposits))
            assert one.modality != "om" or len(load_picture(one).truth.glomeruli) == 1
    assert {case.name for case in read_cases(tmp_path / "cases.csv")} == set(latents)
    quality = json.loads((tmp_path / "oracle.json").read_text())["population"]
    assert quality["om+if+tem"]["auc"] > quality["om"]["auc"]
