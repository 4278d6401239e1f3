"""Which stain a slide has, by the colours of its tissue: a small network whose numbers are in a JSON card."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from glomspike.errors import WeightsError, not_there
from glomspike.findings import RGB, STAINS, Scores, Stain, StainName
from glomspike.gates.colours import is_colourless, stain_colours
from glomspike.networks.weights import Metric, TrainingData, weights_folder

NAME = "stain.json"
SILVER: StainName = "silver"

Row = tuple[float, ...]


class StainGate(BaseModel):
    """The card of the stain gate, and the gate itself: one hidden layer over standardised colours.

    `hidden` and `out` are weights (inputs, outputs), `silver_from` the probability from which a stain is
    called silver.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str
    version: str
    mean: Row
    scale: Row
    hidden: tuple[Row, ...]
    hidden_offset: Row
    out: tuple[Row, ...]
    out_offset: Row
    silver_from: float = Field(gt=0, lt=1)
    training_data: tuple[TrainingData, ...] = Field(min_length=1)
    metrics: tuple[Metric, ...]
    intended_use: str
    limits: str
    licence: str

    def probabilities(self, colours: Scores) -> Scores:
        """The probability of each of `STAINS` (n, stains) for colours (n, colours) of slides."""
        inputs = (colours - np.array(self.mean)) / np.array(self.scale)
        hidden = np.maximum(inputs @ np.array(self.hidden) + np.array(self.hidden_offset), 0)
        scores = hidden @ np.array(self.out) + np.array(self.out_offset)
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=np.float64)

    def stain(self, pictures: Sequence[RGB]) -> Stain | None:
        """The stain of tissue in pictures (h, w, 3) of a slide; None with too little of it or of colour."""
        colours = stain_colours(pictures)
        return None if colours is None or is_colourless(colours) else self.called(colours)

    def called(self, colours: Scores) -> Stain:
        """The stain that colours (n,) are called, silver from `silver_from` on, else the likeliest other."""
        each = dict(zip(STAINS, self.probabilities(colours).tolist(), strict=True))
        others = {name: probability for name, probability in each.items() if name != SILVER}
        name = SILVER if each[SILVER] >= self.silver_from else max(others, key=others.__getitem__)
        return Stain(name, each[name])


def load_stain_gate(path: Path | None = None) -> StainGate:
    """The stain gate of a card, None being the one that came with glomspike. Raises WeightsError."""
    card = path or weights_folder() / NAME
    if not card.is_file():
        raise WeightsError(card, *not_there(card, "there is no such file"))
    try:
        return StainGate.model_validate_json(card.read_bytes())
    except (OSError, ValidationError) as error:
        raise WeightsError(
            card, "is not the card of a stain gate", "install glomspike again, or fit the gate"
        ) from error
