"""Asking for a device gives it, or says in one line why not."""

import pytest
import torch

from glomspike.errors import DeviceError, UsageError
from glomspike.networks.device import choose_device

NO_DRIVER = "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU"
OLD_DRIVER = "The NVIDIA driver on your system is too old (found version 11040)."


def failing_with(reason: str):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(reason)

    return fail


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine with one GPU that works, as far as PyTorch is asked."""
    monkeypatch.setattr(torch.version, "cuda", "13.2")
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Old Card")
    ones = torch.ones
    monkeypatch.setattr(torch, "ones", lambda n, device: ones(n))
    return monkeypatch


def test_the_cpu_is_given_without_a_word() -> None:
    assert choose_device("cpu") == (torch.device("cpu"), "")


@pytest.mark.parametrize(("name", "index"), [("auto", 0), ("cuda", 0), ("cuda:0", 0)])
def test_a_gpu_that_works_is_given(one_gpu: pytest.MonkeyPatch, name: str, index: int) -> None:
    assert choose_device(name) == (torch.device("cuda", index), "")


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (NO_DRIVER, "no NVIDIA driver is installed"),
        (OLD_DRIVER, "the NVIDIA driver is too old for this PyTorch, which is built for CUDA 13.2"),
        ("No CUDA GPUs are available", "the NVIDIA driver shows no GPU"),
        ("something else\nmore", "CUDA does not start: something else"),
    ],
)
def test_a_gpu_that_cannot_start_is_refused_with_the_reason_and_auto_falls_back(
    one_gpu: pytest.MonkeyPatch, reason: str, said: str
) -> None:
    one_gpu.setattr(torch.cuda, "init", failing_with(reason))
    with pytest.raises(DeviceError) as failure:
        choose_device("cuda")
    assert said in str(failure.value)
    assert "\n" not in str(failure.value)
    device, note = choose_device("auto")
    assert device == torch.device("cpu")
    assert said in note


def test_a_pytorch_without_cuda_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(DeviceError, match="PyTorch is built without CUDA"):
        choose_device("cuda")


def test_a_gpu_number_that_is_not_there_is_refused(one_gpu: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeviceError, match=r"there is no GPU number 3: .* there is 1"):
        choose_device("cuda:3")


def test_a_gpu_that_fails_at_its_first_sum_is_refused(one_gpu: pytest.MonkeyPatch) -> None:
    one_gpu.setattr(torch, "ones", failing_with("CUDA error: no kernel image is available\nCompile with"))
    with pytest.raises(
        DeviceError, match=r"GPU 0 \(Old Card\) fails: CUDA error: no kernel image is available;"
    ):
        choose_device("cuda")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cuda0", ""])
def test_a_device_that_does_not_exist_is_wrong_usage(name: str) -> None:
    with pytest.raises(UsageError, match="give auto, cuda, cuda:N"):
        choose_device(name)
