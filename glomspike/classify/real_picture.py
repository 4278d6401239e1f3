"""What is known of a classifier on the one public picture of real membranous spikes, from its card."""

from glomspike.networks.weights import Card

REAL_PICTURE = "the real picture of spikes, its left half"  # as the data of metrics name it


def real_picture_sentence(card: Card) -> str | None:
    """How the classifier did on the picture, in a sentence; None where the card has no such numbers."""
    said = real_picture_warning(card)
    return None if said is None else f"{said[0].upper()}{said[1:]}."


def real_picture_warning(card: Card) -> str | None:
    """The same as a warning, which follows the name of a slide."""
    found = {metric.name: metric.value for metric in card.metrics if REAL_PICTURE in metric.data}
    names = ("probability_of_glomerulus", "marked_places_found", "spike_fraction_of_tiles_with_membrane")
    if not all(name in found for name in names):
        return None
    probability, places, fraction = (found[name] for name in names)
    return (
        "of real membranous spikes, only one public picture was measured, which was not trained on: its "
        f"glomerulus, spiked on nearly all membranes, has a spike probability of {probability:.2f}, "
        f"{100 * places:.0f} % of the marked spiked places are found, and {100 * fraction:.0f} % of the "
        "tiles that cross membrane look like spikes"
    )
