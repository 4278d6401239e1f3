"""A slide or a case in numbers: how many glomeruli, how many spiked or sclerosed, how large, how dense."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import pi, sqrt
from statistics import median
from typing import get_args

from pydantic import BaseModel, ConfigDict

from glomspike.findings import Call, Extent, Glomerulus
from glomspike.metrics.wilson import wilson
from glomspike.results.adequacy import BANFF, AdequacyRule, Verdict

FEWEST_MEASURED = 10  # glomeruli, of which a median is reliable


class _Strict(BaseModel):
    # what has a default is written all the same, and the published schema says so
    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, json_schema_serialization_defaults_required=True
    )


@dataclass(frozen=True)
class CountedGlomerulus:
    """What is counted of a glomerulus; `sclerosed` is None where no weights name lesions, `call` unscored.

    `extent` is None where it is unscored.
    """

    area_um2: float
    whole: bool
    sclerosed: bool | None
    call: Call | None
    extent: Extent | None = None

    @classmethod
    def of(cls, glomerulus: Glomerulus) -> "CountedGlomerulus":
        """A glomerulus of a slide."""
        score = glomerulus.judgement
        return cls(
            glomerulus.outline.area_um2,
            not glomerulus.outline.touches_edge,
            None if glomerulus.lesion is None else glomerulus.is_sclerosed,
            None if score is None else score.call,
            None if score is None else score.membrane.extent,
        )


class Share(_Strict):
    """`n` out of `of`, and the 95 % interval of the share (Wilson); None where there is nothing to share."""

    n: int
    of: int
    low: float | None
    high: float | None

    @classmethod
    def count(cls, n: int, of: int) -> "Share":
        """The share with its interval."""
        low, high = wilson(n, of) if of else (None, None)
        return cls(
            n=n,
            of=of,
            low=None if low is None else round(low, 4),
            high=None if high is None else round(high, 4),
        )


class Focus(_Strict):
    """How sharp the scored glomeruli are whose sharpness could be `measured`: the median, None without any.

    `out_of_focus` of them are too blurred for a call.
    """

    measured: int
    median_sharpness: float | None
    out_of_focus: int

    @classmethod
    def of(cls, sharpness: Sequence[float], out_of_focus: int) -> "Focus":
        """The focus of glomeruli of these sharpnesses, so many of which are out of focus."""
        middle = round(median(sharpness), 3) if sharpness else None
        return cls(measured=len(sharpness), median_sharpness=middle, out_of_focus=out_of_focus)

    @classmethod
    def of_slide(cls, glomeruli: Iterable[Glomerulus]) -> "Focus | None":
        """The focus of a slide's glomeruli, None where none was scored."""
        scored = [one for one in glomeruli if one.judgement is not None]
        if not scored:
            return None
        sharpness = [one.sharpness for one in scored if one.sharpness is not None]
        return cls.of(sharpness, sum(one.is_blurred for one in scored))


class Adequacy(_Strict):
    """The verdict on the number of glomeruli, and the rule that says so, in words."""

    verdict: Verdict
    rule: str


class Summary(_Strict):
    """The numbers of a slide or a case.

    `sclerosed` are globally sclerosed ones of those with a named lesion; `spiked`, `not_spiked` and
    `uncertain` are calls of those scored. Medians are of the `measured` glomeruli, whole and not sclerosed,
    and not reliable under 10 of them; the diameter is that of a circle of the same area. `tissue_mm2` is None
    where tissue was not searched for, `extents` and `focus` where nothing was scored. `focus` of a case is
    that of all profiles in silver.
    """

    glomeruli: int
    whole: int
    cut: int
    sclerosed: Share
    spiked: Share
    not_spiked: Share
    uncertain: Share
    measured: int
    median_area_um2: float | None
    median_diameter_um: float | None
    medians_reliable: bool
    tissue_mm2: float | None
    glomeruli_per_mm2: float | None
    adequacy: Adequacy
    extents: dict[Extent, int] | None = None
    focus: Focus | None = None


def summarise(
    glomeruli: Iterable[CountedGlomerulus],
    tissue_mm2: float | None,
    rule: AdequacyRule = BANFF,
    focus: Focus | None = None,
) -> Summary:
    """The numbers of glomeruli that lie in that much tissue."""
    counted = list(glomeruli)
    named = [one.sclerosed for one in counted if one.sclerosed is not None]
    calls = [one.call for one in counted if one.call is not None]
    extents = [one.extent for one in counted if one.extent is not None]
    areas = [one.area_um2 for one in counted if one.whole and not one.sclerosed]
    whole = sum(one.whole for one in counted)
    area = median(areas) if areas else None
    return Summary(
        glomeruli=len(counted),
        whole=whole,
        cut=len(counted) - whole,
        sclerosed=Share.count(sum(named), len(named)),
        spiked=Share.count(calls.count("spiked"), len(calls)),
        not_spiked=Share.count(calls.count("not spiked"), len(calls)),
        uncertain=Share.count(calls.count("uncertain"), len(calls)),
        measured=len(areas),
        median_area_um2=None if area is None else round(area, 1),
        median_diameter_um=None if area is None else round(2 * sqrt(area / pi), 2),
        medians_reliable=len(areas) >= FEWEST_MEASURED,
        tissue_mm2=None if tissue_mm2 is None else round(tissue_mm2, 4),
        glomeruli_per_mm2=round(len(counted) / tissue_mm2, 3) if tissue_mm2 else None,
        adequacy=Adequacy(verdict=rule.verdict(len(counted)), rule=rule.words),
        extents={extent: extents.count(extent) for extent in get_args(Extent)} if extents else None,
        focus=focus,
    )
