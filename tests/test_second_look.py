"""A detector of two stages: what its second look is shown, what it changes, and how it learns."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from discs import BRIGHT, DARK, DarkDiscs, disc_picture, model, write_disc_samples
from hypothesis import given
from hypothesis import strategies as st
from pyramids import write_aperio
from test_training import TinyDetector, train_from_command_line, weights_of
from torch import nn

from glomspike.detect import second_train
from glomspike.detect.again import LEAST_SCORE, corrected, cut_out
from glomspike.detect.evaluate import evaluate_detector
from glomspike.detect.infer import detect
from glomspike.detect.second_look import CONTEXT, SIDE_PX
from glomspike.learn.samples import read_samples
from glomspike.networks.models import Model, load_model
from glomspike.slide.reader import open_slide
from glomspike.slide.tissue import find_tissue

CPU = torch.device("cpu")
SHOWN_RADIUS_PX = SIDE_PX / (2 * CONTEXT)
RADIUS_UM, MPP, WINDOW_PX = 80.0, 4.0, 256


class CentredDiscs(DarkDiscs):
    """Finds dark discs; its second look moves circles to where it sees a disc, if any."""

    def forward(self, images: torch.Tensor, diameters_um: torch.Tensor | None = None) -> object:
        if diameters_um is None:
            return super().forward(images)
        dark = (images.mean(dim=1) < 0.5).float()
        rows, columns = torch.meshgrid(*[torch.arange(SIDE_PX) + 0.5 - SIDE_PX / 2] * 2, indexing="ij")
        area = dark.sum(dim=(1, 2)).clamp(min=1)
        off_x, off_y = ((dark * along).sum(dim=(1, 2)) / area for along in (columns, rows))
        radius = (area / torch.pi).sqrt()
        is_one = torch.where(area > 200, 8.0, -8.0)
        offs = off_x / SHOWN_RADIUS_PX, off_y / SHOWN_RADIUS_PX, torch.log(radius / SHOWN_RADIUS_PX)
        return torch.stack([is_one, *offs], dim=1)


def two_stages(threshold: float = 0.5) -> Model:
    detector = model(
        "detector", CentredDiscs(RADIUS_UM / MPP, WINDOW_PX), MPP, WINDOW_PX, {"score": threshold}
    )
    card = detector.card.model_copy(update={"arguments": {"second_look": True}})
    return Model(detector.network, card, CPU)


@given(
    st.floats(8, 60), st.floats(0.3, 0.7), st.floats(0.3, 0.7)
)  # radius and centre of a disc on a picture of 200 px
def test_a_circle_is_shown_in_the_middle_and_as_large_as_any_other(radius: float, x: float, y: float) -> None:
    centre = (200 * x, 200 * y)
    shown = cut_out(disc_picture(200, 200, [(*centre, radius)]), *centre, radius)
    dark = shown.mean(axis=2) < (BRIGHT + DARK) / 2
    assert shown.shape == (SIDE_PX, SIDE_PX, 3)
    assert np.sqrt(dark.sum() / np.pi) == pytest.approx(SHOWN_RADIUS_PX, rel=0.06)
    assert [axis.mean() + 0.5 for axis in np.nonzero(dark)] == pytest.approx([SIDE_PX / 2] * 2, abs=1.5)


def test_beyond_a_picture_is_glass_or_its_mirror_image() -> None:
    dark = np.full((100, 100, 3), DARK, np.uint8)
    assert (cut_out(dark, 0, 50, 20)[:, : SIDE_PX // 3] == 255).all()
    assert (cut_out(dark, 0, 50, 20, cv2.BORDER_REFLECT_101) == DARK).all()


def test_circles_move_to_where_the_second_look_sees_them_and_keep_one_each() -> None:
    picture = disc_picture(300, 300, [(100, 100, 20), (220, 200, 30)])
    circles = np.array([[106.0, 97, 22, 0.6], [98, 104, 17, 0.5], [220, 200, 30, 0.9], [60, 240, 20, 0.9]])
    network = CentredDiscs(20, WINDOW_PX)
    shown = [cut_out(picture, *circle) for circle in circles[:, :3].tolist()]
    after = corrected(network, circles, shown, MPP, two_stages().card.normalisation)
    assert len(after) == 3
    assert after[:2, :3] == pytest.approx(np.array([[220, 200, 30], [100, 100, 20]]), abs=1.5)
    assert after[2, 3] < 0.5 < 0.8 < after[1, 3]
    nothing = corrected(network, circles[:0], [], MPP, two_stages().card.normalisation)
    assert len(nothing) == 0


def test_a_slide_and_a_picture_of_it_give_the_same_circles(tmp_path: Path) -> None:
    discs = [(300.0, 320.0, 42.0), (800.0, 500.0, 36.0), (520.0, 900.0, 40.0)]
    picture = disc_picture(1200, 1200, discs)
    write_aperio(tmp_path / "s.svs", picture, mpp=2.0)
    with open_slide(tmp_path / "s.svs") as slide:
        tissue = find_tissue(slide)
        found = detect(slide, tissue, two_stages(), lambda done, whole: None).circles
    on_slide = np.array([(c.x0, c.y0, c.radius_um / 2, c.score) for c in found])
    assert on_slide[np.argsort(on_slide[:, 1]), :3] == pytest.approx(np.array(discs), abs=2.5)
    assert (on_slide[:, 3] > 0.7).all()
    folder = write_disc_samples(tmp_path / "samples", splits=("train", "train", "val", "test"))
    numbers = evaluate_detector(read_samples([folder]), two_stages(), lambda *_: None).numbers
    one_look = model("detector", DarkDiscs(RADIUS_UM / MPP, WINDOW_PX), MPP, WINDOW_PX, {"score": 0.5})
    before = evaluate_detector(read_samples([folder]), one_look, lambda *_: None).numbers
    assert numbers["ap75"] > before["ap75"]  # type: ignore[operator]


def test_what_the_first_look_hardly_sees_is_not_seen_again(tmp_path: Path) -> None:
    class Faint(CentredDiscs):
        def forward(self, images: torch.Tensor, diameters_um: torch.Tensor | None = None) -> object:
            assert diameters_um is None
            maps = super().forward(images)
            return maps._replace(centre=maps.centre.clamp(max=float(np.log(0.9 * LEAST_SCORE))))

    detector = two_stages(0.01)
    faint = Model(Faint(RADIUS_UM / MPP, WINDOW_PX), detector.card, CPU)
    write_aperio(tmp_path / "s.svs", disc_picture(1200, 1200, [(600.0, 600.0, 40.0)]), mpp=2.0)
    with open_slide(tmp_path / "s.svs") as slide:
        assert detect(slide, find_tissue(slide), faint, lambda done, whole: None).circles == ()


def test_only_the_second_look_learns_and_further_training_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dataclass(frozen=True)
    class Tiny(TinyDetector):
        samples_per_epoch: int = 4

    monkeypatch.setattr(second_train, "DetectorOptions", Tiny)
    table = write_disc_samples(tmp_path / "samples")
    assert train_from_command_line("detector", table, tmp_path / "one", "--from-scratch") == 0
    begin = ("--weights", str(tmp_path / "one"))
    assert train_from_command_line("detector", table, tmp_path / "two", *begin, "--second-look") == 0
    first, both = (weights_of(tmp_path / name / "detector.safetensors") for name in ("one", "two"))
    assert all(torch.equal(both[name], tensor) for name, tensor in first.items())
    trained = load_model("detector", tmp_path / "two", CPU)
    assert trained.card.arguments["second_look"] is True
    assert isinstance(trained.network.second_look, nn.Module)
    begin = ("--weights", str(tmp_path / "two"))
    assert train_from_command_line("detector", table, tmp_path / "three", *begin) == 0
    later = weights_of(tmp_path / "three" / "detector.safetensors")
    assert later.keys() == both.keys()
    kept = [name for name in both if name.startswith("second_look.") and "running" not in name]
    assert all(torch.equal(later[name], both[name]) for name in kept)
    assert not all(torch.equal(later[name], tensor) for name, tensor in first.items())


def test_a_second_look_needs_a_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = write_disc_samples(tmp_path / "samples")
    wrong = train_from_command_line("detector", table, tmp_path / "out", "--from-scratch", "--second-look")
    assert wrong == 2
    assert "--second-look: is for a detector that is trained, not with" in capsys.readouterr().err
