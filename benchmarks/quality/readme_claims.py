"""The sentence of README.md about the one real picture of spikes, from the installed classifier's card.

    python -m benchmarks.quality.readme_claims

`real_spikes --card` puts the numbers on the card first. A test compares the sentence with the card.
"""

from pathlib import Path

import click

from benchmarks.quality.measured_page import write_measured
from glomspike.classify.real_picture import real_picture_sentence
from glomspike.networks.weights import load_card

README = Path(__file__).parents[2] / "README.md"
MARK = "real spikes"


@click.command()
def main() -> None:
    """Write the sentence into README.md."""
    card, _ = load_card("classifier", None)
    sentence = real_picture_sentence(card)
    if sentence is None:
        raise click.UsageError("the installed classifier's card has no such numbers: run real_spikes --card")
    write_measured(README, MARK, sentence)


if __name__ == "__main__":
    main()
