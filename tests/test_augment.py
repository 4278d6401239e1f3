"""IDA-MIL: tiles that a classifier is sure of, a generator that learns them, a training with its tiles."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from discs import DarkTiles, model, write_samples
from rich.console import Console

from glomspike import cli
from glomspike.classify import synthetic as classify_synthetic
from glomspike.classify.model import NETWORKS, NORMALISATION
from glomspike.classify.synthesis import make as synthesis_make
from glomspike.classify.synthesis import train as synthesis_train
from glomspike.classify.synthesis.features import FeatureNetwork
from glomspike.classify.synthesis.folder import Manifest, read_manifest, write_manifest
from glomspike.classify.synthesis.harvest import Harvest, harvested
from glomspike.classify.synthesis.train import CHECKPOINT, GanRun, GanSettings, sampled
from glomspike.classify.synthetic import SyntheticSet, SyntheticTile, load_synthetic, picture_side_px
from glomspike.classify.tiles import PAPERS, Tiling
from glomspike.classify.train import MPP
from glomspike.classify.train_msa_mil import MilOptions, MilTask
from glomspike.classify.views import view_side_px
from glomspike.errors import OutputError, SamplesError
from glomspike.learn.samples import read_samples
from glomspike.learn.training import fabric_on, task_signature
from glomspike.metrics.likeness import Likeness
from glomspike.networks.weights import Calibration, CardDraft, TrainingData, read_card, save_weights

SIDE_PX = 300
DARK_PX = 225  # from the left, in pictures of spiked glomeruli


def picture(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 20, (SIDE_PX, SIDE_PX, 3))
    return (np.where(np.arange(SIDE_PX) < DARK_PX, 50, 200)[None, :, None] + noise).astype(np.uint8)


def write_table(folder: Path) -> Path:
    """Two spiked and two normal patients to learn from, one of each to validate on."""
    whole = np.ones((SIDE_PX, SIDE_PX), dtype=bool)
    return write_samples(folder, [
        {
            "image": picture(number), "mpp": 0.25, "mask": whole,
            "label": ("spiked", "normal")[number % 2], "patient": f"p{number}",
            "split": "train" if number < 4 else "val",
        }
        for number in range(6)
    ])  # fmt: skip


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("samples"))


def test_the_harvest_is_of_sure_tiles_apart_of_spiked_training_glomeruli(table: Path) -> None:
    harvest = harvested([table], model("classifier", DarkTiles(), 0.25, 50, {"spiked": 0.5}))
    assert harvest.patients == ("p0", "p2")
    assert harvest.glomeruli == 2
    assert harvest.side_px == 128
    middle, half = harvest.windows.shape[1] // 2, PAPERS.tile_px // 2
    tiles = harvest.windows[:, middle - half : middle + half, middle - half : middle + half]
    assert tiles.max() < 75  # nothing of the bright part
    # Of tiles side by side there are at most so many where all is dark or outside.
    assert 16 <= len(harvest.windows) <= 2 * 8 * 6


def test_where_the_classifier_is_never_sure_it_is_said_so(table: Path) -> None:
    never = DarkTiles()
    torch.nn.init.constant_(never.steepness, 0.1)
    with pytest.raises(SamplesError, match="sure of spikes in 0 tiles"):
        harvested([table], model("classifier", never, 0.25, 50, {"spiked": 0.5}))


def test_pictures_of_the_harvest_are_turned_windows_filled_to_their_corners() -> None:
    windows = np.full((3, 26, 26, 3), 90, np.uint8)
    windows[:, 12:14, 12:14] = 250
    harvest = Harvest(windows, 16, 1, ("a",))
    pictures = harvest.pictures(8, seed=0)
    assert pictures.shape == (8, 16, 16, 3)
    assert pictures.min() >= 89
    assert (pictures[:, 7:9, 7:9] > 120).all()
    np.testing.assert_array_equal(pictures, harvest.pictures(8, seed=0))


class Colours(FeatureNetwork):
    """In the place of the shipped encoder: the mean colour of each quarter."""

    def of(self, pictures: np.ndarray) -> np.ndarray:
        count, side = pictures.shape[:2]
        quarters = pictures.reshape(count, 2, side // 2, 2, side // 2, 3).mean(axis=(2, 4))
        return quarters.reshape(count, -1) / 255


COLOURS = Colours("mean colours", torch.nn.Identity(), NORMALISATION, torch.device("cpu"))
SMALL = GanSettings(epochs=2, batch=4, width=4, steps=16)


def small_harvest(count: int = 20) -> Harvest:
    pixels = np.random.default_rng(0).integers(0, 255, (count, 5, 5, 3)).astype(np.uint8)
    return Harvest(np.stack([cv2.resize(one, (26, 26)) for one in pixels]), 16, 2, ("a", "b"))


def gan(out: Path, settings: GanSettings = SMALL, harvest: Harvest | None = None) -> GanRun:
    fabric = fabric_on(torch.device("cpu"), 1)
    return GanRun(harvest or small_harvest(), COLOURS, settings, "samples", fabric, out, Console(quiet=True))


def test_a_training_that_was_interrupted_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole = gan(tmp_path / "whole")
    while not whole.is_done:
        whole.epoch()
    gan(tmp_path / "parts").epoch()
    torch.manual_seed(99)
    parts = gan(tmp_path / "parts")
    assert parts.progress.epochs == 1
    parts.epoch()
    assert parts.is_done
    for name in ("generator", "discriminator", "mean"):
        states = (getattr(run, name).state_dict() for run in (whole, parts))
        for one, other in zip(*(state.values() for state in states), strict=True):
            assert torch.equal(one, other)
    assert whole.progress.p == parts.progress.p
    assert [row["fid"] for row in whole.progress.rows] == [row["fid"] for row in parts.progress.rows]
    np.testing.assert_array_equal(sampled(whole.mean, 30, 7), sampled(parts.mean, 60, 7)[:30])


def test_a_folder_of_another_training_is_refused(tmp_path: Path) -> None:
    gan(tmp_path).epoch()
    with pytest.raises(OutputError, match="holds a training of other samples or settings"):
        gan(tmp_path, replace(SMALL, width=8))
    assert (tmp_path / CHECKPOINT).is_file()


def test_p_rises_when_the_discriminator_knows_the_real_pictures_better_than_the_generator_learns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    white = Harvest(np.full((20, 26, 26, 3), 250, np.uint8), 16, 2, ("a", "b"))
    run = gan(tmp_path, GanSettings(epochs=1, batch=8, width=8, steps=48), white)
    monkeypatch.setattr(run, "_generate", lambda: torch.zeros(()))  # it learns nothing
    run.epoch()
    assert run.progress.rows[-1]["r_t"] > 0.6
    assert run.progress.p > 0.1


def test_the_mean_of_the_generator_follows_it(tmp_path: Path) -> None:
    run = gan(tmp_path)
    before = run.mean.first.clone()
    run.epoch()
    now = run.generator.first.detach()
    assert 0 < float((run.mean.first - now).norm()) < float((before - now).norm())


def synthetic(count: int, share: float) -> SyntheticSet:
    tiles = tuple(SyntheticTile(np.full((128, 128, 3), i, np.uint8), 50) for i in range(count))
    manifest = Manifest(
        pictures=("1.png",), tile_px=50, mpp=MPP, patients=("p0",), tiles=20, glomeruli=1,
        classifier="ab" * 32,
        derived_from=(TrainingData(name="ours", licence="CC0", images=4),), generator={}, features="colours",
        likeness={"synthetic": Likeness(1, 0.1, 0.5, 0.5, 10)}, called_spiked={"real": 1, "synthetic": 0.5},
    )  # fmt: skip
    return SyntheticSet(Path("made"), manifest, tiles, share)


@pytest.mark.parametrize(("share", "spiked"), [(0.25, 9), (0.5, 10), (0.3, 1), (0.1, 0), (0.9, 8)])
def test_synthetic_tiles_are_at_most_their_share_of_a_rounds_spiked_tiles(share: float, spiked: int) -> None:
    many = synthetic(200, share)
    drawn = many.of_a_round(spiked, np.random.default_rng(0))
    assert len(drawn) <= share * (spiked + len(drawn)) + 1e-9
    assert len(drawn) + 1 > share * (spiked + len(drawn) + 1) - 1e-9  # one more would be too many
    assert len({id(tile) for tile in drawn}) == len(drawn)
    assert len(synthetic(3, share).of_a_round(1000, np.random.default_rng(0))) == 3


def test_a_round_learns_from_synthetic_tiles_as_from_certain_ones_and_else_from_the_same(table: Path) -> None:
    options = MilOptions(k_pos=3, k_neg=2)
    plain = MilTask([table], options, None, seed=0)
    task = MilTask([table], options, None, seed=0, synthetic=synthetic(50, 0.5))
    assert plain.begin_epoch(DarkTiles(), 1) == 2 * 3 + 2 * 2
    assert task.begin_epoch(DarkTiles(), 1) == 2 * 3 + 2 * 2 + 6
    made = [index for index, tile in enumerate(task.chosen) if isinstance(tile, SyntheticTile)]
    assert len(made) == 6
    example = task.sample(made[0], np.random.default_rng(0))
    assert example["spiked"] == 1
    assert example["image"].shape == (view_side_px(50), view_side_px(50), 3)
    places = [
        {(t.bag.source, *t.middle_px) for t in one.chosen if not isinstance(t, SyntheticTile)}
        for one in (plain, task)
    ]
    assert len(places[0]) == len(places[1]) == 10


def test_synthetic_tiles_change_what_a_training_depends_on_and_its_card(table: Path) -> None:
    tiles = synthetic(5, 0.25)
    plain = MilTask([table], MilOptions(), None, seed=0)
    task = MilTask([table], MilOptions(), None, seed=0, synthetic=tiles)
    assert plain.signature == task_signature([table], MilOptions(), None)
    others = [MilTask([table], MilOptions(), None, 0, synthetic(5, 0.3)).signature, plain.signature]
    assert task.signature not in others
    (ours, made) = task.card(task.validate(DarkTiles())).training_data
    assert ours == plain.card(plain.validate(DarkTiles())).training_data[0]
    assert (made.name, made.licence, made.images) == ("synthetic spikes (made)", "CC0", 5)
    assert made.source == "StyleGAN2-ADA, from tiles of ours in which classifier abababababab saw spikes"


@pytest.mark.parametrize("tile_px", [25, 50, 100])
def test_a_synthetic_tile_is_seen_in_its_box_and_its_view_is_filled(
    tile_px: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classify_synthetic, "varied", lambda pixels, rng: pixels)
    side_px, view_px = picture_side_px(tile_px), view_side_px(tile_px)
    y, x = np.mgrid[:side_px, :side_px] + 0.5
    spot = np.hypot(x - side_px / 2, y - side_px / 2) < tile_px / 4
    whole = np.where(spot, 250, 90).astype(np.uint8)[..., None].repeat(3, axis=2)
    for seed in range(30):
        pixels, box = SyntheticTile(whole, tile_px).random_view(np.random.default_rng(seed))
        assert pixels.shape == (view_px, view_px, 3)
        assert pixels.min() >= 89
        assert box.min() >= -1e-3
        assert box.max() <= view_px + 1e-3
        bright = np.argwhere(pixels[..., 0] > 170)[:, ::-1] + 0.5
        assert bright.mean(axis=0) == pytest.approx((box[:2] + box[2:]) / 2, abs=0.7)


def test_tiles_of_another_side_or_of_patients_to_be_tested_on_are_refused(
    table: Path, tmp_path: Path
) -> None:
    manifest = synthetic(1, 0.25).manifest
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((128, 128, 3), np.uint8))
    write_manifest(tmp_path, manifest)
    samples = read_samples([table])
    (tile,) = load_synthetic(tmp_path, 0.25, samples, MPP, PAPERS).tiles
    assert tile.picture.shape == (128, 128, 3)
    with pytest.raises(SamplesError, match=r"holds tiles of 50 px at 0\.25 µm/px"):
        load_synthetic(tmp_path, 0.25, samples, MPP, Tiling(25))
    write_manifest(tmp_path, manifest.model_copy(update={"patients": ("p0", "p4")}))
    with pytest.raises(SamplesError, match="derives from p4, who is in validation or test here"):
        load_synthetic(tmp_path, 0.25, samples, MPP, PAPERS)
    with pytest.raises(SamplesError, match="give the folder that `glomspike augment` wrote"):
        load_synthetic(tmp_path / "none", 0.25, samples, MPP, PAPERS)


def sure_classifier(folder: Path) -> Path:
    """Random weights whose calibration makes them sure of everything."""
    torch.manual_seed(0)
    draft = CardDraft(
        kind="classifier", name="sure", version="1", architecture="dense-resnet18",
        arguments={"tile_px": 50, "stride_px": 25, "coverage": 0.5}, mpp=0.25, input_px=50,
        normalisation=NORMALISATION, classes=("spiked",), thresholds={"spiked": 0.5},
        calibration=Calibration(method="platt", scale=0.01, offset=5, data="none"),
        training_data=(TrainingData(name="none", licence="CC0", images=1),), metrics=(),
        intended_use="tests", licence="CC0",
    )  # fmt: skip
    save_weights(NETWORKS["dense-resnet18"]().state_dict(), draft, folder, "classifier")
    return folder


def run(*words: object) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main([str(word) for word in words])
    assert not end.value.code


def test_from_a_classifier_to_synthetic_tiles_to_another_classifier(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthesis_train, "WATCHED", 24)
    monkeypatch.setattr(synthesis_train, "GanSettings", lambda *given: replace(GanSettings(*given), steps=16))
    monkeypatch.setattr(
        synthesis_make, "FeatureNetwork", type("_", (), {"shipped": staticmethod(lambda device: COLOURS)})
    )
    classifier, made, better = sure_classifier(tmp_path / "sure"), tmp_path / "made", tmp_path / "better"
    options = ["--device", "cpu", "--epochs", 1, "--batch", 2]
    run("augment", table, "--classifier", classifier, "--out", made, "--tiles", 26, "--width", 4, *options)
    manifest = read_manifest(made)
    assert manifest.patients == ("p0", "p2")
    assert manifest.features == "mean colours"
    assert manifest.likeness["synthetic, half as many"].n == manifest.likeness["synthetic"].n // 2 == 13
    assert manifest.called_spiked == {"real": 1, "synthetic": 1}
    pictures = [cv2.imread(str(made / name)) for name in manifest.pictures]
    assert [one.shape for one in pictures] == [(128, 128, 3)] * 26
    assert cv2.imread(str(made / "sheet.png")).shape[1] == 4 * 320
    assert (made / "examples" / "epoch-001.png").is_file()
    assert (made / "curves.png").is_file()

    run("augment", table, "--classifier", classifier, "--out", made, "--tiles", 30, "--width", 4, *options)
    more = read_manifest(made)
    assert len(more.pictures) == 30
    for name, before in zip(manifest.pictures, pictures, strict=True):
        np.testing.assert_array_equal(cv2.imread(str(made / name)), before)

    run("train", "classifier", table, "--out", better, "--from-scratch", "--synthetic", made, *options)
    (_, learnt) = read_card(better / "classifier.json").training_data
    assert (learnt.name, learnt.images) == ("synthetic spikes (made)", 30)
    assert json.loads((made / "synthetic.json").read_text())["classifier"][:12] in learnt.source


def test_a_share_of_nothing_and_another_method_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for options, cause in (
        (["--synthetic-share", "0.3"], "needs synthetic tiles; give --synthetic"),
        (["--synthetic", "made", "--method", "attention"], "--synthetic: is not for attention"),
    ):
        with pytest.raises(SystemExit) as end:
            cli.main(["train", "classifier", "samples.csv", "--out", str(tmp_path), *options])
        assert end.value.code == 2
        assert cause in capsys.readouterr().err
