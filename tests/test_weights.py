"""What is written as weights can be loaded again; what was tampered with is refused in one line."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from cards import DRAFT, STATE

from glomspike.errors import WeightsError
from glomspike.networks import weights
from glomspike.networks.kinds import kinds_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    weights.save_weights(STATE, DRAFT, tmp_path, "mine")
    return tmp_path


def edit_card(folder: Path, **changes: object) -> None:
    path = folder / "mine.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("name", ["mine.safetensors", "mine.json", "."])
def test_weights_come_back_whichever_path_names_them(folder: Path, name: str) -> None:
    card, path = weights.load_card("segmenter", folder / name)
    assert path == folder / "mine.safetensors"
    assert card.model_dump(exclude={"sha256"}) == DRAFT.model_dump()
    state = weights.load_state(card, path)
    assert state.keys() == STATE.keys()
    assert state["layer.weight"].dtype == torch.float32
    assert state["seen"].dtype == torch.int64
    assert all(torch.equal(state[name], STATE[name]) for name in STATE)


def test_numbers_beyond_float16_are_kept(tmp_path: Path) -> None:
    state = {"variance": torch.tensor([1e6, 2.0])}
    path = weights.save_weights(state, DRAFT, tmp_path, "wide")
    card, _ = weights.load_card("segmenter", path)
    assert torch.equal(weights.load_state(card, path)["variance"], state["variance"])


def test_the_same_weights_are_written_as_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    again = weights.save_weights(dict(reversed(STATE.items())), DRAFT, tmp_path / "again", "mine")
    assert again.read_bytes() == (folder / "mine.safetensors").read_bytes()


def test_nothing_but_the_two_files_is_left_behind(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["mine.json", "mine.safetensors"]


def test_a_changed_byte_is_refused(folder: Path) -> None:
    path = folder / "mine.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    card, _ = weights.load_card("segmenter", path)
    assert not weights.matches(card, path)
    with pytest.raises(
        WeightsError, match=r"mine\.safetensors: its SHA-256 is not the one on its card.*; copy"
    ):
        weights.load_state(card, path)


def test_a_file_that_is_no_safetensors_is_refused_even_with_its_hash(folder: Path) -> None:
    path = folder / "mine.safetensors"
    path.write_bytes(b"pickle")
    edit_card(folder, sha256=hashlib.sha256(b"pickle").hexdigest())
    card, _ = weights.load_card("segmenter", path)
    with pytest.raises(WeightsError, match="is not a safetensors file"):
        weights.load_state(card, path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mood": "good"}, "mood: Extra inputs are not permitted"),
        ({"mpp": -1}, "mpp: Input should be greater than 0"),
        (
            {"tile_calibration": {"method": "platt", "scale": 0, "offset": 1, "data": "none"}},
            "tile_calibration.scale: Input should be greater than 0",
        ),
        ({"mpp": None}, "mpp: Input should be a valid number"),
        ({"kind": "poet"}, "kind: Value error, 'poet' is none of detector, segmenter, classifier"),
        ({"sha256": "1234"}, "sha256: String should match"),
        ({"metrics": [{"name": "dice", "value": float("nan"), "data": "x", "n": 1}]}, "metrics.0.value"),
    ],
)
def test_a_card_that_says_something_else_is_refused(
    folder: Path, changes: dict[str, object], said: str
) -> None:
    edit_card(folder, **changes)
    with pytest.raises(WeightsError, match="is not a valid card") as failure:
        weights.load_card("segmenter", folder)
    assert said in str(failure.value)


def test_a_card_that_is_no_json_is_refused(folder: Path) -> None:
    (folder / "mine.json").write_text("{")
    with pytest.raises(WeightsError, match="is not a valid card: Invalid JSON"):
        weights.load_card("segmenter", folder)


def test_weights_of_another_kind_are_refused(folder: Path) -> None:
    with pytest.raises(WeightsError, match="is a segmenter, not a detector"):
        weights.load_card("detector", folder / "mine.safetensors")
    with pytest.raises(WeightsError, match="holds no detector weights"):
        weights.load_card("detector", folder)


def test_an_installation_without_weights_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "weights_folder", lambda: tmp_path / "share")
    with pytest.raises(WeightsError, match="share: holds no detector weights"):
        weights.load_card("detector", None)


def test_a_folder_with_two_of_a_kind_asks_which(folder: Path) -> None:
    weights.save_weights(STATE, DRAFT, folder, "second")
    with pytest.raises(WeightsError, match=r"holds several segmenters \(mine.json, second.json\)"):
        weights.load_card("segmenter", folder)


@pytest.mark.parametrize("missing", ["mine.json", "mine.safetensors"])
def test_weights_without_their_other_half_are_refused(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(WeightsError, match=missing):
        weights.load_card("segmenter", folder / "mine.safetensors")


@pytest.mark.parametrize("name", ["model.pth", "nowhere"])
def test_what_cannot_be_weights_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(WeightsError, match="there is no such file or folder"):
        weights.load_card("segmenter", tmp_path / name)


def test_the_shipped_weights_are_intact_and_there_is_one_of_each_kind_that_runs() -> None:
    found = weights.installed()
    assert sorted(card.kind for card, _ in found) == sorted(kinds_of("slides"))
    assert all(weights.matches(card, path) for card, path in found)
