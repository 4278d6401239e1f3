"""What a disease network is made of, and what it is shown: the options that its card keeps."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self, cast

from pydantic import JsonValue

from glomspike.disease.cmsa import CrossModal
from glomspike.disease.smil import BY_PLACE, Aggregate
from glomspike.modalities import MODALITIES, Modality

Branches = tuple[float, float, float]  # a number for light, fluorescence and electron microscopy
# The smallest deposits have a width of 0.1 µm.
SIDES_PX: dict[Modality, int] = {"om": 224, "if": 224, "tem": 448}
MPPS: dict[Modality, float] = {"om": 1.0, "if": 1.0, "tem": 0.02}
BRANCHES: Branches = (0.3, 0.5, 0.2)


@dataclass(frozen=True)
class Form:
    """The network: encoder, how bags are pooled, how modalities ask each other.

    `keep` is how many times the mean distance an image may lie from the medoid, `branch_relu` cuts the
    branches' outputs at 0 as the public code does. `sides_px` and `mpps` are how an image of each modality is
    shown.
    """

    encoder: str = "resnet18-short"
    aggregate: Aggregate = "counts"
    cmsa: CrossModal = "repaired"
    keep: float = 1.5
    branch_relu: bool = False
    sides_px: dict[Modality, int] = field(default_factory=lambda: dict(SIDES_PX))
    mpps: dict[Modality, float] = field(default_factory=lambda: dict(MPPS))

    @property
    def counts(self) -> bool:
        """Whether the answer rests on what is counted in the images alone."""
        return self.aggregate == "counts"

    @property
    def by_place(self) -> bool:
        """Whether places of a micrograph are told apart."""
        return self.aggregate in BY_PLACE

    @property
    def looks_at(self) -> tuple[Modality, ...]:
        """The modalities of which the encoder sees the images; spikes in silver are counted beforehand."""
        return ("if", "tem") if self.counts else MODALITIES

    @classmethod
    def of(cls, arguments: Mapping[str, JsonValue]) -> Self:
        """The form that a card's arguments describe; TypeError or KeyError where it is of another model."""
        known: dict[str, Any] = {name: arguments[name] for name in cls.__dataclass_fields__}
        for name in ("sides_px", "mpps"):
            known[name] = {modality: known[name][modality] for modality in MODALITIES}
        return cls(**known)

    @property
    def arguments(self) -> dict[str, JsonValue]:
        """As a card keeps it."""
        return cast(dict[str, JsonValue], asdict(self))
