"""A small set of weights and what its card says, for tests."""

import torch

from glomspike.networks.weights import CardDraft, Metric, Normalisation, TrainingData

DRAFT = CardDraft(
    kind="segmenter",
    name="tuft outlines",
    version="1",
    architecture="unet",
    arguments={"encoder": "resnet18", "depth": 4},
    mpp=1.0,
    input_px=256,
    normalisation=Normalisation(mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2)),
    classes=("glomerulus",),
    thresholds={"mask": 0.5},
    training_data=(TrainingData(name="phantoms", licence="CC0-1.0", images=10),),
    metrics=(Metric(name="dice", value=0.9, ci95=(0.85, 0.95), data="other phantoms", n=30),),
    intended_use="tests",
    licence="CC0-1.0",
)
STATE = {"layer.weight": torch.tensor([[1.5, -0.25]]), "seen": torch.tensor(7)}
