"""Reports for the tests: glomeruli cut from the example slide, with judgements made up for them."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
from cards import DRAFT
from results import MEMBRANE, MPP, RULE, round_outline, slide_facts

from glomspike.findings import Circle, Glomerulus, SlideResult, SpikeScore, TopTile
from glomspike.networks.weights import Card
from glomspike.report.page import Criteria, write_report
from glomspike.report.portrait import portray
from glomspike.results.counting import CountedGlomerulus, summarise
from glomspike.results.record import Counts
from glomspike.slide.field import read_field
from glomspike.slide.reader import open_slide

EXAMPLE = Path(__file__).parents[1] / "examples" / "phantom.svs"
CENTRES0 = ((3678, 740), (1180, 884), (2515, 938), (2402, 1889), (3724, 1930), (713, 2089))
RADIUS_UM, SIDE_PX = 110.0, 1000

SAID = DRAFT.model_dump() | {
    "kind": "classifier",
    "architecture": "resnet18",
    "thresholds": {"spiked": 0.5, "best_f1_on_validation": 0.86},
    "limits": "it learnt from <b>phantoms</b>",
}


def card(**changes):
    return Card(**(SAID | changes), sha256="0" * 64)


def glomerulus(number, probability, radius_um=RADIUS_UM, touches_edge=False, rule=RULE):
    """A glomerulus of the example; without a score where the probability is None."""
    x0, y0 = CENTRES0[number % len(CENTRES0)]
    circle = Circle(x0, y0, radius_um, 0.9)
    outline = replace(round_outline(x0, y0, 0.9 * radius_um, MPP), touches_edge=touches_edge)
    score = None if probability is None else _score(x0, y0, probability, rule)
    return Glomerulus(number, circle, outline, score)


def _score(x0, y0, probability, rule):
    tops = tuple(TopTile(x0 + 100.0 * i, y0 - 60.0 * i, probability * (1 - 0.1 * i)) for i in range(4))
    positive = round(100 * probability)
    return SpikeScore(
        probability,
        probability >= 0.5,
        positive / 100,
        100,
        positive,
        0,
        12.5,
        tops,
        rule.call(probability),
        MEMBRANE,
    )


def slide_of(*glomeruli, name="slide.svs", warnings=(), **facts):
    slide = slide_facts(name=name, **({"bounds": (0, 0, 4440, 3040)} | facts))
    return SlideResult(slide, glomeruli, warnings)


@lru_cache
def _seen():
    """The example's fields, and one heat for all of them: blocks as wide as the tiles' stride."""
    with open_slide(EXAMPLE, None) as slide:
        fields = [read_field(slide, x - 500, y - 500, SIDE_PX, SIDE_PX, 0.25) for x, y in CENTRES0]
    cells = np.random.default_rng(0).random((SIDE_PX // 25, SIDE_PX // 25), dtype=np.float32)
    return fields, cells.repeat(25, axis=0).repeat(25, axis=1)


def portraits_of(result):
    """The portraits of a result's glomeruli; those that look and score alike are made once."""
    fields, heat = _seen()
    made = {}
    for one in result.glomeruli:
        like = (one.id % len(fields), one.judgement and one.judgement.probability)
        if like not in made:
            made[like] = portray(one, fields[like[0]], None if one.judgement is None else heat)
        yield replace(made[like], glomerulus_id=one.id)


def write_example_report(folder, result, classifier=None, rule=RULE):
    """`report.html` of a result in a folder; its path."""
    criteria = Criteria({"classifier": classifier or card()}, rule)
    made = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
    counts, summary = Counts.of(result), summarise(map(CountedGlomerulus.of, result.glomeruli), 2.5)
    write_report(folder, result, counts, summary, list(portraits_of(result)), _thumbnail(), criteria, made)
    return folder / "report.html"


@lru_cache
def _thumbnail():
    with open_slide(EXAMPLE, None) as slide:
        return slide.thumbnail(1600)
