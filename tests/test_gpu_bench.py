"""The measurement on a GPU: what it compares, and what it says where there is none."""

from pathlib import Path

import pytest
import torch
from results import glomerulus, slide_result, spike_score

from benchmarks.speed.agreement import agreement, found_on, tile_difference
from benchmarks.speed.gpu import chosen, in_a_row, plain_models, waits
from glomspike.networks.models import load_models
from glomspike.slide.reader import open_slide

ROOT = Path(__file__).parents[1]
EXAMPLE, CPU = ROOT / "examples" / "phantom.svs", torch.device("cpu")


def test_the_same_glomeruli_agree_whatever_their_numbers() -> None:
    first = [glomerulus(1, 1000, spikes=spike_score(0.9)), glomerulus(2, 9000, spikes=spike_score(0.2))]
    second = [glomerulus(1, 9004, spikes=spike_score(0.21)), glomerulus(2, 1000, spikes=spike_score(0.9))]
    found = agreement(slide_result(*first), slide_result(*second))
    assert found.is_same
    assert found.counts == (2, 2)
    assert found.probability == pytest.approx(0.01)
    assert found.centre_um == pytest.approx(1)


def test_a_glomerulus_of_one_alone_or_another_call_is_no_agreement() -> None:
    both, far = glomerulus(1, 1000, spikes=spike_score(0.6)), glomerulus(2, 9000)
    one = slide_result(both, far)
    assert agreement(one, slide_result(both)).alone == 1
    assert agreement(one, slide_result()).counts == (2, 0)
    other = glomerulus(1, 1000, spikes=spike_score(0.6, call="uncertain"))
    assert agreement(one, slide_result(other, far)).other_calls == 1


@pytest.mark.parametrize("device", ["auto", "cuda", "cuda:1", "gpu"])
def test_without_a_gpu_there_is_one_line(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(SystemExit) as end:
        chosen(device)
    said = str(end.value.code)
    assert said.startswith(f"benchmarks.speed.gpu: --device {device}: ")
    assert said.endswith("; --device cpu tries the program itself")
    assert "\n" not in said
    assert chosen("cpu") == CPU


@pytest.mark.slow
def test_its_parts_work_on_the_cpu(tmp_path: Path) -> None:
    quick, plain = load_models(device=CPU), plain_models(CPU)
    found = agreement(found_on(EXAMPLE, quick), found_on(EXAMPLE, plain))
    assert found.is_same
    assert found.counts[0] == 6
    with open_slide(EXAMPLE) as slide:
        picture = slide.read(2000, 2000, 300, 300, 0.25)
    assert tile_difference(quick, quick, picture) == 0
    assert 0 < tile_difference(quick, plain, picture) < 0.01
    rows = in_a_row(EXAMPLE, tmp_path, CPU, 2)
    assert [row["held"] for row in rows] == [0, 0]
    assert rows[1]["host"] < 1.1 * rows[0]["host"]
    assert waits(EXAMPLE, CPU) == {
        "cudaStreamSynchronize": 0,
        "cudaDeviceSynchronize": 0,
        "cudaEventSynchronize": 0,
        "glomeruli": 6,
    }
