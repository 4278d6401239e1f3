"""Networks in ONNX Runtime or OpenVINO, without PyTorch: ready to answer, and what it takes until they are.

    PYTHON -m benchmarks.speed.engine ENGINE ONNX...
    PYTHON -m benchmarks.speed.engine PyTorch

prints processor seconds from Python's start until the networks of these files are ready in an engine, one
thread, or the main job's models in PyTorch, and the peak memory in MB, then and after each has answered once.
See `benchmarks.speed.engines`.
"""

import json
import resource
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Engine = Literal["ONNX Runtime", "OpenVINO float32", "OpenVINO bfloat16"]
ENGINES: tuple[Engine, ...] = get_args(Engine)
PYTORCH = "PyTorch"
# What the network of each file is shown: a batch of windows in one of three sizes, of crops, a glomerulus.
SHOWN = {
    "detector-160": (16, 3, 160, 160),
    "detector-192": (16, 3, 192, 192),
    "detector-128": (16, 3, 128, 128),
    "segmenter": (8, 3, 192, 192),
    "classifier": (1, 3, 720, 760),
    "lesions": (8, 3, 96, 96),
}

Floats = NDArray[np.float32]
Answer = Callable[[Floats], list[Floats]]


def kind_of(name: str) -> str:
    """The kind of model that a file holds."""
    return name.partition("-")[0]


def ready(engine: Engine, path: Path) -> Answer:
    """The network of an ONNX file: pictures (n, 3, h, w) to all that it answers."""
    if engine == "ONNX Runtime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return lambda pictures: list(session.run(None, {"pictures": pictures}))
    import openvino

    settings = {
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32" if engine == "OpenVINO float32" else "bf16",
    }
    request = openvino.Core().compile_model(path, "CPU", settings).create_infer_request()
    # What a request gives is overwritten by the next.
    return lambda pictures: [np.array(found) for found in request.infer([pictures]).values()]


def used() -> tuple[float, float]:
    """Processor seconds of this process and its peak memory, MB."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def models_ready() -> dict[str, Answer]:
    """The main job's models by the names of files."""
    import torch

    from glomspike.networks.models import load_models

    models = load_models(device=torch.device("cpu"))
    box = torch.tensor([[0.0, 0, 0, 50, 50]])

    def answer(name: str, pictures: Floats) -> list[Floats]:
        kind = kind_of(name)
        with torch.inference_mode():
            models[kind].network(torch.from_numpy(pictures), *([box] if kind == "classifier" else []))
        return []

    return {name: partial(answer, name) for name in SHOWN}


def main(networks: dict[str, Answer]) -> None:
    """Prints both as JSON."""
    seconds, ready_mb = used()
    for name, answer in networks.items():
        answer(np.zeros(SHOWN[name], np.float32))
    print(json.dumps({"seconds": seconds, "ready_mb": ready_mb, "used_mb": used()[1]}))


if __name__ == "__main__":
    if sys.argv[1:] == [PYTORCH]:
        main(models_ready())
    elif len(sys.argv) > 2 and sys.argv[1] in ENGINES:
        chosen = ENGINES[ENGINES.index(sys.argv[1])]
        main({Path(name).stem: ready(chosen, Path(name)) for name in sys.argv[2:]})
    else:
        sys.exit(__doc__)
