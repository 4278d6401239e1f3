"""The summary of a slide or a case in words: the same rows in every report."""

from collections.abc import Iterator

from glomspike.results.counting import FEWEST_MEASURED, Focus, Share, Summary

Fact = tuple[str, str]  # a heading or term, and what is said of it


def summary_rows(summary: Summary) -> Iterator[Fact]:
    """Each number with what it means."""
    cut = f", {summary.cut} cut by an edge" if summary.cut else ""
    yield "Glomeruli", f"{summary.glomeruli} found: {summary.whole} whole{cut}"
    yield "Adequacy", f"{summary.adequacy.verdict} ({summary.adequacy.rule})"
    if summary.sclerosed.of:
        yield "Globally sclerosed", share_words(summary.sclerosed)
    else:
        yield "Globally sclerosed", "not assessed"
    if summary.spiked.of:
        yield "Spiked", share_words(summary.spiked)
        yield "Not spiked", share_words(summary.not_spiked)
        yield "Uncertain", share_words(summary.uncertain)
        if summary.extents is not None:
            extents = ", ".join(f"{n} {extent}" for extent, n in summary.extents.items())
            doubt = ", uncertain ones included" if summary.uncertain.n else ""
            yield "Extent of spikes", f"{extents}, of {sum(summary.extents.values())} scored{doubt}"
    else:
        yield "Spikes", "nothing was scored"
    if summary.focus is not None:
        yield "Focus", _focus(summary.focus)
    yield "Size", _size(summary)
    if summary.tissue_mm2 is not None:
        density = summary.glomeruli_per_mm2
        per_mm2 = "" if density is None else f", {density:.2f} glomeruli per mm²"
        yield "Tissue", f"{summary.tissue_mm2:.2f} mm²{per_mm2}"


def _focus(focus: Focus) -> str:
    if focus.median_sharpness is None:
        return "could not be measured"
    blurred = f"{focus.out_of_focus} out of focus, so that their call is uncertain"
    return (
        f"{blurred if focus.out_of_focus else 'none out of focus'}; median sharpness "
        f"{focus.median_sharpness:.2f} of {focus.measured} scored (in focus mostly 0.4 to 1.2)"
    )


def share_words(share: Share) -> str:
    """A share with its percentage and interval."""
    if share.low is None or share.high is None:
        return f"{share.n} of {share.of}"
    percent = 100 * share.n / share.of
    interval = f"95 % interval {100 * share.low:.0f} to {100 * share.high:.0f}"
    return f"{share.n} of {share.of}: {percent:.0f} % ({interval})"


def _size(summary: Summary) -> str:
    if summary.median_area_um2 is None or summary.median_diameter_um is None:
        return "no whole glomerulus without sclerosis to measure"
    medians = f"median area {summary.median_area_um2:,.0f} µm², diameter {summary.median_diameter_um:.0f} µm"
    doubt = "" if summary.medians_reliable else f", unreliable: fewer than {FEWEST_MEASURED}"
    return f"{medians} ({summary.measured} whole, not sclerosed{doubt})"
