"""What a reader of a slide's results should be warned of: pure functions from findings to sentences.

They begin without a capital and end without a full stop, since most follow the name of a slide. What only one
model can know, such as a scan too coarse for spikes, its stage says (`networks/stage.py`).
"""

from collections.abc import Iterator, Sequence

from glomspike.findings import Glomerulus


def slide_warnings(
    notes: Sequence[str],
    any_tissue: bool,
    unreadable_windows: int,
    detected: Sequence[Glomerulus],
) -> list[str]:
    """The warnings of any slide: `notes` of its reader, then of the search, the outlines, and the lesions."""
    return [
        *notes,
        *search_warnings(any_tissue, bool(detected), unreadable_windows),
        *outline_warnings(detected),
        *lesion_warnings(detected),
    ]


def search_warnings(any_tissue: bool, any_detected: bool, unreadable_windows: int) -> Iterator[str]:
    """Nothing there, or not all of it seen."""
    if not any_tissue:
        yield "no tissue was found on the slide"
    elif not any_detected:
        yield "no glomerulus was found"
    if unreadable_windows:
        yield f"{unreadable_windows} detection windows could not be read in full: glomeruli may be missing"


def dropped_warnings(dropped: int) -> Iterator[str]:
    """Detections that were none after all."""
    if dropped:
        them = "1 detection was" if dropped == 1 else f"{dropped} detections were"
        yield f"{them} dropped: the outline does not fit a glomerulus, or there is none"


def outline_warnings(detected: Sequence[Glomerulus]) -> Iterator[str]:
    """Glomeruli that have no outline."""
    for glomerulus in detected:
        if glomerulus.outline.is_circle:
            yield f"glomerulus {glomerulus.id}: no outline was found; the detection circle is used instead"


def lesion_warnings(detected: Sequence[Glomerulus]) -> Iterator[str]:
    """Spike scores of scars, and detections that are no glomeruli."""
    if sclerosed := _numbers(g for g in detected if g.is_sclerosed and g.judgement is not None):
        yield f"classified as globally sclerosed: {sclerosed}; interpret the spike score with caution"
    if others := _numbers(g for g in detected if not g.is_glomerulus):
        yield f"classified as non-glomerular: {others}; listed in glomeruli.csv only"


def _numbers(glomeruli: Iterator[Glomerulus]) -> str:
    return ", ".join(str(glomerulus.id) for glomerulus in glomeruli)
