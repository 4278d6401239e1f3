"""A kind of model as a newcomer would add it: interstitial fibrosis from the mean darkness of a field."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from glomspike.findings import Circle, Classification, Glomerulus, SlideFacts
from glomspike.networks.kinds import Measuring, ModelKind, Training
from glomspike.networks.models import Model
from glomspike.networks.stage import Candidate
from glomspike.networks.weights import Card, CardDraft, Normalisation, TrainingData, save_weights
from glomspike.results.options import Options
from glomspike.slide.field import Field, RegionReader

GRADES = ("mild", "severe")


class Darkness(nn.Module):
    """Crops (n, 3, h, w) to scores (n, 2): the darker, the more severe."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, crops: Tensor) -> Tensor:
        bright = crops.mean(dim=(1, 2, 3)) * self.scale
        return torch.stack([bright, -bright], dim=1)


class FibrosisStage:
    """Grades each candidate from its field."""

    name = "fibrosis"

    def __init__(self, model: Model) -> None:
        self.model = model

    def region(self, _slide: RegionReader, _circle: Circle) -> None:
        """None: the candidate's field is enough."""

    def apply(
        self, candidates: Sequence[Candidate], _regions: Sequence[Field | None]
    ) -> list[Classification]:
        found = []
        for candidate in candidates:
            picture = torch.from_numpy(candidate.field.pixels[None])
            with torch.inference_mode():
                scores = self.model.network(self.model.card.normalisation.apply(picture))[0]
            shares = scores.softmax(dim=0).tolist()
            found.append(Classification.likeliest(dict(zip(GRADES, shares, strict=True)), "fibrosis"))
        return found

    def warnings(self, detected: Sequence[Glomerulus]) -> Iterator[str]:
        if detected:
            yield "fibrosis was graded by a toy"


def _stage(model: Model, _slide: SlideFacts, _options: Options) -> FibrosisStage:
    return FibrosisStage(model)


def _network(_card: Card) -> nn.Module:
    return Darkness()


KIND = ModelKind(
    name="fibrosis",
    title="fibrosis grader",
    network=_network,
    training=Training(task=lambda _beginning, _chosen: None),  # type: ignore[arg-type,return-value]
    measuring=Measuring(lambda *_: None),  # type: ignore[arg-type,return-value]
    stage=_stage,
)


def write_weights(folder: Path) -> Path:
    """Weights of the toy, with their card."""
    draft = CardDraft(
        kind="fibrosis",
        name="toy",
        version="1",
        architecture="darkness",
        arguments={},
        mpp=1,
        input_px=64,
        normalisation=Normalisation(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)),
        classes=GRADES,
        thresholds={},
        training_data=(TrainingData(name="none", licence="none", images=1),),
        metrics=(),
        intended_use="to show how a kind is added",
        licence="none",
    )
    return save_weights(Darkness().state_dict(), draft, folder, "fibrosis")
