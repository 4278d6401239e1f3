"""Pretraining: what is looked at, what SimSiam measures, and that other trainings begin with its encoder."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from cards import DRAFT
from discs import disc_mask, disc_picture, write_disc_samples, write_samples

from glomspike import cli
from glomspike.detect.model import CircleNet
from glomspike.errors import SamplesError, WeightsError
from glomspike.learn.pretrain import train as pretrain_train
from glomspike.learn.pretrain.encoder import begin_with, load_encoder
from glomspike.learn.pretrain.simsiam import SimSiam, Views, retrieval, simsiam_loss, spread
from glomspike.learn.pretrain.tissue import cut_all, find_source
from glomspike.lesions.model import LesionNetwork
from glomspike.networks.weights import save_weights


def texture(side_px: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (side_px, side_px, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five unlabelled pictures, one of them in a folder below."""
    folder = tmp_path_factory.mktemp("tissue")
    (folder / "below").mkdir()
    for number in range(5):
        name = "below/4.jpg" if number == 4 else f"{number}.png"
        cv2.imwrite(str(folder / name), texture(160, number))
    (folder / "notes.txt").write_text("not a picture")
    (folder / "licence.txt").write_text("CC0\n")
    return folder


def test_a_folder_gives_all_its_pictures_and_a_table_only_those_of_training_patients(
    folder: Path, tmp_path: Path
) -> None:
    source = find_source(folder)
    assert [picture.image.name for picture in source.pictures] == [
        "0.png",
        "1.png",
        "2.png",
        "3.png",
        "4.jpg",
    ]
    assert (source.training_data.licence, source.training_data.images) == ("CC0", 5)
    table = write_disc_samples(tmp_path, splits=("train", "val", "test", "train"))
    assert [picture.image.name for picture in find_source(table.parent).pictures] == [
        "image-0.png",
        "image-3.png",
    ]


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SamplesError, match="holds no picture or slide to learn from"):
        find_source(tmp_path)


def test_patches_are_square_of_tissue_and_the_same_each_time(folder: Path) -> None:
    patches = cut_all([find_source(folder)], 12, 96)
    assert {patch.shape for patch in patches} == {(96, 96, 3)}
    assert len(patches) == 12
    again = cut_all([find_source(folder)], 12, 96)
    assert all(np.array_equal(one, other) for one, other in zip(patches, again, strict=True))


def test_every_source_gives_as_many_patches_however_many_pictures_it_has(
    folder: Path, tmp_path: Path
) -> None:
    cv2.imwrite(str(tmp_path / "dark.png"), texture(200, 9) // 2)
    both = cut_all([find_source(folder), find_source(tmp_path)], 20, 64)
    assert sum(patch.mean() < 90 for patch in both) == 10
    assert len(both) == 20


def test_blank_pictures_are_no_tissue(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "glass.png"), np.full((200, 200, 3), 240, np.uint8))
    with pytest.raises(SamplesError, match="no tissue found"):
        cut_all([find_source(tmp_path)], 4, 64)


def test_the_loss_is_least_where_predictions_point_the_way_of_projections() -> None:
    z = torch.nn.functional.normalize(torch.randn(8, 16, generator=torch.Generator().manual_seed(0)))
    assert float(simsiam_loss(Views(z, 3 * z), Views(z, 2 * z))) == pytest.approx(-1)
    assert float(simsiam_loss(Views(z, -z), Views(z, -z))) == pytest.approx(1)


def test_no_gradient_flows_through_projections() -> None:
    z, p = torch.randn(4, 8, requires_grad=True), torch.randn(4, 8, requires_grad=True)
    simsiam_loss(Views(z, p), Views(z, p)).backward()
    assert z.grad is None
    assert p.grad is not None


def test_spread_tells_a_collapsed_embedding_from_a_full_one() -> None:
    full = torch.randn(2000, 64, generator=torch.Generator().manual_seed(0))
    assert spread(full) == pytest.approx(1, abs=0.05)
    assert spread(full[:1].repeat(50, 1)) < 1e-3


def test_retrieval_counts_pictures_nearest_to_themselves() -> None:
    one = torch.eye(4)
    assert retrieval(one, one) == 1
    assert retrieval(one, one[[1, 0, 2, 3]]) == 0.5


def test_views_of_a_patch_differ_and_have_their_size() -> None:
    patch = texture(128, 0)
    first, second = (pretrain_train.view(patch, 64, np.random.default_rng(seed)) for seed in (0, 1))
    assert first.shape == second.shape == (64, 64, 3)
    assert not np.array_equal(first, second)


@pytest.fixture(scope="module")
def encoder(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder from the command line, of one epoch."""
    out = tmp_path_factory.mktemp("encoder") / "out"
    options = ["--epochs", "1", "--batch", "4", "--tile", "32", "--tiles", "15", "--device", "cpu"]
    with pytest.raises(SystemExit) as end:
        cli.main(["pretrain", str(folder), "--out", str(out), *options])
    assert not end.value.code
    return out


def test_the_command_writes_an_encoder_that_networks_begin_with(encoder: Path) -> None:
    assert (encoder / "examples" / "epoch-001.png").is_file()
    state = load_encoder(encoder)
    assert any(name.endswith("running_var") for name in state)
    for network in (CircleNet("resnet18", 32, 32), LesionNetwork("resnet18", 2)):
        before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        begin_with(network, state)
        after = network.state_dict()
        assert all(torch.equal(after[name], tensor) for name, tensor in state.items())
        rest = after.keys() - state.keys()
        assert rest
        assert all(torch.equal(after[name], before[name]) for name in rest)


def test_a_network_that_is_an_encoder_or_has_fewer_stages_begins_with_it_too(encoder: Path) -> None:
    from torchvision.models import resnet18

    state = load_encoder(encoder)
    whole, short = resnet18(num_classes=1), LesionNetwork("resnet18-short", 2)
    begin_with(whole, state)
    begin_with(short, state)
    for network, prefix in ((whole, ""), (short, "encoder.")):
        own = network.state_dict()[f"{prefix}layer3.0.conv1.weight"]
        assert torch.equal(own, state["encoder.layer3.0.conv1.weight"])


def test_an_encoder_of_another_architecture_is_refused(encoder: Path) -> None:
    with pytest.raises(WeightsError, match="another architecture than the network to train"):
        begin_with(LesionNetwork("resnet50", 2), load_encoder(encoder))


def test_other_weights_serve_if_they_have_an_encoder(tmp_path: Path) -> None:
    networks = {"segmenter": SimSiam("resnet18"), "classifier": torch.nn.Linear(2, 2)}
    for kind, network in networks.items():
        save_weights(network.state_dict(), DRAFT.model_copy(update={"kind": kind}), tmp_path, kind)
    assert "encoder.conv1.weight" in load_encoder(tmp_path / "segmenter.safetensors")
    with pytest.raises(WeightsError, match="is a classifier without an encoder"):
        load_encoder(tmp_path / "classifier.safetensors")
    (tmp_path / "classifier.safetensors").unlink()
    assert "encoder.conv1.weight" in load_encoder(tmp_path)  # a folder, as of a training
    with pytest.raises(WeightsError, match="holds no encoder weights"):
        load_encoder(tmp_path / "..")


def test_a_training_begins_with_an_encoder_from_the_command_line(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from glomspike.lesions import train as lesions_train

    monkeypatch.setattr(lesions_train.LesionOptions, "__init__", _tiny(lesions_train.LesionOptions.__init__))
    table = lesion_table(tmp_path / "samples")
    options = ["--epochs", "1", "--batch", "2", "--device", "cpu", "--encoder", "resnet18", "--linear-probe"]
    with pytest.raises(SystemExit) as end:
        cli.main([
            "train", "lesions", str(table), "--out", str(tmp_path / "out"),
            "--encoder-weights", str(encoder), *options,
        ])  # fmt: skip
    assert not end.value.code
    learnt = load_encoder(tmp_path / "out" / "lesions.safetensors")
    assert all(torch.equal(learnt[name], tensor) for name, tensor in load_encoder(encoder).items())


def _tiny(whole):
    def init(self, encoder="resnet18", input_px=32, samples_per_epoch=4, linear_probe=False):
        whole(self, encoder, input_px, samples_per_epoch, linear_probe)

    return init


def lesion_table(folder: Path) -> Path:
    disc = [(30.0, 30.0, 22.0)]
    return write_samples(folder, [
        {
            "image": disc_picture(60, 60, disc, number), "mask": disc_mask(60, 60, disc),
            "lesion": ("sclerosed", "normal")[number % 2], "patient": f"p{number}",
            "split": "train" if number < 4 else "val",
        }
        for number in range(8)
    ])  # fmt: skip
