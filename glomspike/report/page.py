"""`report.html`: what was found on a slide, where, and how far to trust it, in a file that needs no other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from glomspike import __version__
from glomspike.annotate.layers import RegionType
from glomspike.annotate.marks import slide_marks
from glomspike.classify.scores import POSITIVE
from glomspike.findings import RGB, CallRule, SlideFacts, SlideResult
from glomspike.geometry.frames import FieldFrame
from glomspike.networks.weights import Card
from glomspike.report.card_view import CardView, TileView, card_view, tile_view
from glomspike.report.evidence import (
    Measurement,
    Reliability,
    calibration_note,
    calibration_sentence,
    calls_sentence,
    measurements,
    reliability,
    rule_phrase,
    training_sentence,
)
from glomspike.report.html import write_page
from glomspike.report.overview_view import OverviewView, overview_view
from glomspike.report.plots import Bar, ColourTable, colour_table, histogram
from glomspike.report.portrait import Portrait
from glomspike.report.summary_rows import Fact, summary_rows
from glomspike.results.best_tiles import best_of_slide
from glomspike.results.counting import Summary
from glomspike.results.record import Counts

REPORT_NAME = "report.html"
# Of OpenSlide's vendors those that name a maker; the others are formats of any maker.
SCANNERS = frozenset(
    {"aperio", "hamamatsu", "leica", "mirax", "philips", "sakura", "trestle", "ventana", "zeiss"}
)
MANY = 40  # glomeruli, from which a browser should not draw all at once


@dataclass(frozen=True)
class Criteria:
    """How a slide was judged: the cards of all models, and the rule by which glomeruli were called."""

    cards: Mapping[str, Card]
    rule: CallRule

    @property
    def card(self) -> Card:
        """The spike classifier's."""
        return self.cards["classifier"]


@dataclass(frozen=True)
class ReportView:
    """Everything that the template of a report fills in."""

    slide: str
    counts: Counts
    summary: tuple[Fact, ...]
    facts: tuple[Fact, ...]
    best: tuple[tuple[int, TileView], ...]  # of the case, each with its glomerulus's id
    warnings: tuple[str, ...]
    meaning: tuple[Fact, ...]
    rule: CallRule
    thresholds: tuple[tuple[str, float], ...]
    shown: tuple[Fact, ...]
    overview: OverviewView
    cards: tuple[CardView, ...]
    many: bool
    bars: tuple[Bar, ...]
    colour_maps: tuple[ColourTable, ...]
    reliability: Reliability
    metrics: tuple[Measurement, ...]
    making: tuple[Fact, ...]


def write_report(
    folder: Path,
    result: SlideResult,
    counts: Counts,
    summary: Summary,
    portraits: Sequence[Portrait],
    thumbnail: tuple[RGB, FieldFrame],
    criteria: Criteria,
    started: datetime,
) -> None:
    """`report.html` in a folder: a slide's glomeruli, of which `portraits` are the pictures, on one page.

    `thumbnail` is the slide small, and where it lies. OSError where the file cannot be written.
    """
    cards = _cards(result, portraits, criteria)
    probabilities = [card.probability for card in cards if card.probability is not None]
    view = ReportView(
        slide=result.slide.name,
        counts=counts,
        summary=tuple(summary_rows(summary)),
        facts=tuple(_facts(result)),
        best=tuple(_best(result, portraits)),
        warnings=result.warnings,
        meaning=tuple(_meaning(result, criteria)),
        rule=criteria.rule,
        thresholds=tuple(_thresholds(criteria)),
        shown=tuple(_shown(counts)),
        overview=overview_view(*thumbnail, result),
        cards=tuple(sorted(cards, key=_most_probable_first)),
        many=len(cards) > MANY,
        bars=histogram(probabilities),
        colour_maps=(colour_table("viridis"), colour_table("jet")),
        reliability=reliability(criteria.card),
        metrics=measurements(criteria.card),
        making=tuple(_making(result.slide, criteria, started)),
    )
    write_page(folder / REPORT_NAME, "report.html.j2", "report.js", view)


def _cards(result: SlideResult, portraits: Sequence[Portrait], criteria: Criteria) -> list[CardView]:
    """The cards of a slide's glomeruli in reading order."""
    calibration = calibration_note(criteria.card)
    portrait_of = {portrait.glomerulus_id: portrait for portrait in portraits}
    marks = slide_marks(result, "imagescope")
    circles = [mark for mark in marks if mark.region.type is RegionType.ELLIPSE]
    return [
        card_view(one, portrait_of[one.id], circle, result.slide, calibration, criteria.rule)
        for one, circle in zip(result.glomeruli, circles, strict=True)
    ]


def _best(result: SlideResult, portraits: Sequence[Portrait]) -> Iterator[tuple[int, TileView]]:
    """The most suspicious tiles of the case, as their glomeruli's cards show them."""
    pictures = {(p.glomerulus_id, t.tile.x0, t.tile.y0): t for p in portraits for t in p.tiles}
    for tile in best_of_slide(result.glomeruli):
        yield tile.glomerulus, tile_view(pictures[tile.glomerulus, tile.x0, tile.y0])


def _most_probable_first(card: CardView) -> tuple[float, int]:
    return (1.0 if card.probability is None else -card.probability), card.id


def _facts(result: SlideResult) -> Iterator[Fact]:
    slide = result.slide
    x, y = slide.mpp.x, slide.mpp.y
    if result.others:
        yield "Set aside", f"{len(result.others)} detected but non-glomerular (in glomeruli.csv)"
    yield "Scale", f"{x:.4g} µm/px" if x == y else f"{x:.4g} × {y:.4g} µm/px"
    yield "Size", f"{slide.width0:,} × {slide.height0:,} px"
    yield "Scanner", slide.vendor.title() if slide.vendor in SCANNERS else "not known"
    yield "Stain", "not measured" if result.stain is None else result.stain.words


def _meaning(result: SlideResult, criteria: Criteria) -> Iterator[Fact]:
    side_um = next((g.spikes.tile_side_um for g in result.glomeruli if g.spikes is not None), None)
    tiles = "small windows (tiles)" if side_um is None else f"windows of {side_um:g} µm (tiles)"
    probability = (
        f"Each glomerulus is divided into overlapping {tiles}, and a network scores each tile from 0 to 1 "
        "by how much it looks like spikes. The spike probability of a glomerulus "
        f"{rule_phrase(criteria.card)}. The spike fraction is the share of tiles that score at least "
        f"{POSITIVE:g}."
    )
    research = "glomspike is not a medical device and must not guide the care of a patient."
    yield "Probability.", probability
    yield "Call.", calls_sentence(criteria.card, criteria.rule)
    yield "Calibration.", calibration_sentence(criteria.card)
    yield "Research only.", f"{research} {training_sentence(criteria.card)}"


def _thresholds(criteria: Criteria) -> Iterator[tuple[str, float]]:
    """The single cuts that a reader may want to try, the run's first where it had one."""
    rule = criteria.rule
    if not rule.has_doubt:
        yield "used by the run", rule.threshold
    for name, value in criteria.card.thresholds.items():
        if rule.has_doubt or value != rule.threshold:
            yield ("the classifier's default" if name == "spiked" else name.replace("_", " ")), value


def _shown(counts: Counts) -> Iterator[Fact]:
    yield "all", "all"
    if counts.scored:
        yield "spiked", "spiked"
        yield "other", "not spiked"
        yield "uncertain", "uncertain"
    if counts.scored < counts.glomeruli:
        yield "unscored", "not scored"


def _making(slide: SlideFacts, criteria: Criteria, started: datetime) -> Iterator[Fact]:
    yield "Program", f"glomspike {__version__}, {started:%Y-%m-%d %H:%M} UTC"
    for kind, card in criteria.cards.items():
        yield f"Weights: {kind}", f"{card.name} {card.version}, SHA-256 {card.sha256[:12]}…"
    yield "Called spiked from", f"{criteria.rule.spiked_from:.4g}"
    if criteria.rule.has_doubt:
        yield "Called not spiked below", f"{criteria.rule.not_spiked_below:.4g}"
    stem = Path(slide.name).stem
    yield "Beside this file", f"{stem}.xml (ImageScope), {stem}.geojson (QuPath), glomeruli.csv, run.json"
