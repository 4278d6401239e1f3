"""The mean of two networks, one of which went on learning from the other.

    python -m datasets.averaged_weights KIND FIRST SECOND OUT

Between the two, a network keeps what the first knew of tissue that the second's training did not show
(Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022). KIND is `detector` or another kind
of model; FIRST, SECOND and OUT are folders of weights. The card is SECOND's, without its metrics, which
are to be measured anew; a classifier must be calibrated anew as well (`averaged_classifier`).
"""

from collections.abc import Mapping
from pathlib import Path

import click
from torch import Tensor

from glomspike.networks.kinds import KINDS
from glomspike.networks.weights import CardDraft, load_card, load_state, save_weights


def averaged(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The mean of each floating-point tensor of two networks of the same tensors; others are the second's."""
    return {
        name: (tensor.float() + first[name].float()) / 2 if tensor.is_floating_point() else tensor
        for name, tensor in second.items()
    }


def averaged_draft(kind: str, first: Path, second: Path) -> tuple[CardDraft, dict[str, Tensor]]:
    """The card of the second weights without metrics, and the mean of both by tensor name."""
    card, path = load_card(kind, second)
    state = averaged(load_state(*load_card(kind, first)), load_state(card, path))
    return CardDraft(**card.model_dump(exclude={"sha256"}) | {"metrics": ()}), state


@click.command()
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.argument("first", type=click.Path(path_type=Path, exists=True))
@click.argument("second", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=click.Path(path_type=Path))
def main(kind: str, first: Path, second: Path, out: Path) -> None:
    """Average two networks."""
    draft, state = averaged_draft(kind, first, second)
    click.echo(save_weights(state, draft, out, kind))


if __name__ == "__main__":
    main()
