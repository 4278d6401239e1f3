"""Places of micrographs: masks of deposits, what cells of a map are known to show, what is learnt of it."""

import csv
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from patients import SMALL, write_patients
from PIL import Image

from glomspike.disease.augment import varied
from glomspike.disease.bags import Patient, load_patients
from glomspike.disease.patients import Patients
from glomspike.disease.places import (
    KINDS,
    SOMEWHERE,
    UNKNOWN,
    SeenPlaces,
    any_deposit,
    cells_of,
    evidence_of_places,
    known_cells,
    lateness_of,
    place_chances,
    place_loss,
    read_places,
)
from glomspike.disease.prepare import Instance, micrograph_square
from glomspike.disease.train import DiseaseOptions, DiseaseTask
from glomspike.errors import GlomspikeError, SamplesError
from glomspike.learn.samples import read_samples
from glomspike.modalities import DEPOSIT_PLACES, MODALITIES


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_patients(tmp_path / "patients")


def loaded(table: Path) -> list[Patient]:
    return load_patients(read_samples([table], MODALITIES), SMALL)


def with_cells(table: Path, name: str, **cells: str) -> Path:
    """The table with other cells in the row of an image."""
    with table.open() as file:
        head, *rows = list(csv.reader(file))
    for row in rows:
        if row[0] == name:
            for column, value in cells.items():
                row[head.index(column)] = value
    changed = table.with_name("changed.csv")
    with changed.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return changed


def test_a_mask_goes_with_its_micrograph_and_lies_on_the_deposits(table: Path) -> None:
    for patient in loaded(table):
        first, second, _ = patient.images["tem"]
        number = {"MN": 1, "LN": 3, "IgAN": 4}[patient.disease or ""]
        assert first.places is not None
        assert set(np.unique(first.places)) == {0, number}
        assert first.pixels[first.places > 0].mean() < first.pixels[first.places == 0].mean() - 60
        assert second.places is None


@given(seed=st.integers(0, 1000))
@settings(max_examples=12, deadline=None)
def test_a_mask_is_turned_and_stretched_with_its_micrograph(seed: int) -> None:
    pixels, places = np.full((96, 96), 200, np.uint8), np.zeros((96, 96), np.uint8)
    for image, grey in ((pixels, 20), (places, 2)):
        cv2.circle(image, (30, 52), 14, grey, -1)
    seen = varied(Instance("a", "tem", None, pixels, places=places), np.random.default_rng(seed))
    assert seen.places is not None
    dark = cv2.GaussianBlur(seen.rgb[..., 0], (0, 0), 2) < 110
    assert (dark & (seen.places == 2)).sum() > 0.8 * (dark | (seen.places == 2)).sum()


def test_a_mask_loses_the_bar_of_information_and_is_scaled_as_the_micrograph_is() -> None:
    pixels = np.random.default_rng(0).integers(90, 200, (120, 100, 3)).astype(np.uint8)
    pixels[100:] = 0
    places = np.zeros((120, 100), np.uint8)
    places[80:100, 40:60] = 3
    shown = micrograph_square("a", pixels, 0.5, 96, places=places)
    assert shown.places is not None
    assert shown.places.shape == shown.pixels.shape == (96, 96)
    assert (shown.places == 3).sum() == 100
    rows, columns = np.nonzero(shown.places)
    assert (rows.min(), rows.max()) == (63, 72)  # from row 40 of 50, which begin at row 23
    assert (columns.min(), columns.max()) == (43, 52)


def test_a_cell_shows_the_place_of_most_of_its_deposits_and_nobody_knows_of_a_touched_one() -> None:
    places = np.zeros((96, 96), np.uint8)
    places[2:12, 2:12] = 1
    places[14:18, 2:12] = 4  # fewer, in the same cell
    places[40, 40:43] = 2  # hardly any
    places[70:90, 70:90] = SOMEWHERE
    assert cells_of(places, 3).tolist() == [[1, 0, 0], [0, UNKNOWN, 0], [0, 0, SOMEWHERE]]


def test_without_a_mask_only_micrographs_without_deposits_have_known_cells() -> None:
    assert (known_cells(None, False, 3) == 0).all()
    assert (known_cells(None, True, 3) == UNKNOWN).all()
    assert (known_cells(None, None, 3) == UNKNOWN).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "I;16"])
def test_masks_of_any_mode_are_read(mode: str, tmp_path: Path) -> None:
    drawn = np.zeros((20, 30), np.uint8)
    drawn[5:9, 3:6] = 255 if mode in ("1", "RGB", "P") else 3
    if mode == "I;16":
        Image.fromarray(drawn.astype(np.uint16)).save(tmp_path / "mask.png")
    else:
        Image.fromarray(drawn).convert(mode).save(tmp_path / "mask.png")
    places = read_places(tmp_path / "mask.png", 30, 20)
    assert set(np.unique(places)) == {0, 3 if mode in ("L", "I;16") else SOMEWHERE}
    assert np.array_equal(places > 0, drawn > 0)


def test_a_mask_that_cannot_be_one_is_refused_in_a_line(table: Path) -> None:
    name, folder = "00-3-tem.png", table.parent
    cv2.imwrite(str(folder / "small.png"), np.ones((60, 60), np.uint8))
    cv2.imwrite(str(folder / "lossy.jpg"), np.ones((120, 120), np.uint8))
    cv2.imwrite(str(folder / "empty.png"), np.zeros((120, 120), np.uint8))
    (folder / "broken.png").write_bytes(b"no picture")
    for mask, cause in (
        ("small.png", "mask is 60 x 60, its image is 120 x 120"),
        ("lossy.jpg", "JPEG"),
        ("empty.png", "marks none, the row says otherwise"),
        ("broken.png", "broken.png"),
    ):
        with pytest.raises(GlomspikeError, match=cause) as error:
            loaded(with_cells(table, name, mask=mask))
        assert "\n" not in str(error.value)
    with pytest.raises(SamplesError, match="marks deposits, the row says otherwise"):
        loaded(with_cells(table, name, deposits="no"))


def test_a_mask_says_by_itself_whether_there_are_deposits(table: Path) -> None:
    first = loaded(with_cells(table, "00-3-tem.png", deposits=""))[0].images["tem"][0]
    assert first.deposits is True


def test_the_loss_of_places_counts_what_is_known_alone() -> None:
    logits = torch.randn(2, 3, KINDS, 4, 4, generator=torch.Generator().manual_seed(0))
    cells = torch.full((2, 3, 4, 4), UNKNOWN)
    assert place_loss(logits, cells) == 0
    cells[0, 0, 1, 1] = 0
    assert place_loss(logits, cells) == 0  # no deposit is marked anywhere
    cells[0, 0, 2, 2] = 3
    chances = logits.softmax(dim=2)
    expected = -chances[0, 0, 0, 1, 1].log() - chances[0, 0, 3, 2, 2].log()
    assert torch.isclose(place_loss(logits, cells), expected)
    cells[0, 0, 2, 2] = SOMEWHERE
    expected = -chances[0, 0, 0, 1, 1].log() - chances[0, 0, 1:, 2, 2].sum().log()
    assert torch.isclose(place_loss(logits, cells), expected)


def test_a_kind_of_deposit_counts_as_the_root_of_the_cells_that_show_it() -> None:
    logits = torch.zeros(1, 1, KINDS, 4, 4, requires_grad=True)
    cells = torch.full((1, 1, 4, 4), UNKNOWN)
    cells[0, 0, :3, :3] = 4
    cells[0, 0, 3, 3] = 1
    place_loss(logits, cells).backward()
    assert logits.grad is not None
    rare = -float(logits.grad[0, 0, 1, 3, 3])
    common = -float(logits.grad[0, 0, 4, :3, :3].sum())
    assert common / rare == pytest.approx(9**0.5)


def test_parts_are_cut_around_deposits_of_each_kind_alike() -> None:
    pixels, places = np.full((448, 448), 128, np.uint8), np.zeros((448, 448), np.uint8)
    cv2.circle(places, (110, 110), 60, 4, -1)
    cv2.circle(places, (390, 390), 4, 1, -1)
    instance = Instance("a", "tem", None, pixels, places=places)
    views = [varied(instance, np.random.default_rng(seed), 128) for seed in range(300)]
    few, many = (sum(bool((view.places == kind).any()) for view in views) for kind in (1, 4))
    assert few > 0.6 * many


def test_evidence_says_which_deposits_a_patient_has_whatever_the_number_of_images() -> None:
    def of(place: int | None, images: int) -> torch.Tensor:
        logits = torch.zeros(1, images, KINDS, 4, 4)
        logits[:, :, 0] = 8.0
        if place is not None:
            logits[0, 0, place, 1, 2] = 16.0
        return evidence_of_places(logits, torch.ones(1, images, dtype=torch.bool))[0]

    surest = len(DEPOSIT_PLACES)
    for place in range(1, KINDS):
        assert of(place, 3)[:surest].argmax() == place - 1
        assert torch.allclose(of(place, 3)[:surest], of(place, 9)[:surest])
        assert of(place, 3)[surest:].argmax() == place - 1
    assert (of(None, 5)[:surest] < 0).all()


def test_a_patients_deposits_are_as_late_as_the_places_that_show_any() -> None:
    kinds = torch.zeros(1, 2, KINDS, 4, 4)
    kinds[:, :, 0] = 20.0
    kinds[0, 0, 1, 1, 2], kinds[0, 0, 2, 3, 3] = 40.0, 40.0
    lateness = torch.full((1, 2, 4, 4), -9.0)
    lateness[0, 0, 1, 2], lateness[0, 0, 3, 3] = 1.0, 3.0
    present = torch.tensor([[True, True]])
    assert lateness_of(SeenPlaces(kinds, lateness), present) == pytest.approx(2.0, abs=1e-3)
    assert lateness_of(SeenPlaces(kinds, lateness), ~present) == 0
    elsewhere = kinds.clone()
    elsewhere[0, 1, 4, 2, 2] = 20.0  # in the mesangium
    assert lateness_of(SeenPlaces(elsewhere, lateness), present) == pytest.approx(2.0, abs=1e-3)


def test_images_that_are_not_there_give_no_evidence() -> None:
    logits = torch.randn(1, 4, KINDS, 3, 3, generator=torch.Generator().manual_seed(0))
    present = torch.tensor([[True, True, False, False]])
    alone = evidence_of_places(logits[:, :2], present[:, :2])
    assert torch.allclose(evidence_of_places(logits, present), alone)


def test_a_short_training_finds_the_marked_places(table: Path) -> None:
    torch.manual_seed(0)
    whole = Patients.of([table], SMALL)
    patients = Patients(
        [replace(p, images={"tem": p.images["tem"]}) for p in whole.training], whole.validation
    )
    task = DiseaseTask([table], DiseaseOptions(form=SMALL, modality_dropout=0.0), None, patients)
    network = task.network().train()
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    task.begin_epoch(network, 1)
    rng = np.random.default_rng(0)
    for _ in range(8):
        examples = [task.sample(n, rng) for n in range(len(task.order))]
        batch = {k: torch.from_numpy(np.stack([one[k] for one in examples])) for k in examples[0]}
        loss = task.loss(network, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        logits = network(batch).places
    cells = batch["tem_places"]
    odds = any_deposit(logits)
    assert odds[cells > 0].mean() > odds[cells == 0].mean() + 1
    assert task.card({}).arguments["places"] is True
    assert set(place_chances(logits[0, 0])) == set(DEPOSIT_PLACES)
