"""What a phantom patient has, and what each modality finds of it: drawn before any picture is.

Findings of different modalities are independent of each other given the variety of the disease, so what could
be known by who reads every picture without error is computed from them (`oracle.py`). Shares are those of
the literature where it gives any, and else assumptions (docs/phantom-patients.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from glomspike.modalities import DepositPlace, Modality
from glomspike.phantom.fluorescence import Site

Disease = Literal["IgAN", "LN", "MN", "normal"]
DISEASES: tuple[Disease, ...] = ("IgAN", "LN", "MN", "normal")
Spiking = Literal["none", "free", "joined"]
WallLook = Literal["thin", "thick", "wire"]
ANTIBODIES = ("IgG", "IgA", "C3", "IgM", "C1q")
MOST_TEM, LEAST_TEM = 10, 4
FAILED = 0.04  # share of stains that show nothing whatever there is


@dataclass(frozen=True)
class Variety:
    """A kind of a disease: its share of it, and what it shows.

    `antibodies` gives for each the chances of grades 0 to 3; `places` where deposits lie on micrographs, each
    with the share of patients that have them.
    """

    disease: Disease
    name: str
    share: float
    stage: int | None
    site: Site
    coarse: float
    antibodies: Mapping[str, tuple[float, float, float, float]]
    places: Mapping[DepositPlace, float]
    spiking: Mapping[Spiking, float]
    wide_mesangium: float
    cellular: float
    wall: Mapping[WallLook, float]


_FREE: Mapping[Spiking, float] = {"none": 1.0}
_THIN: Mapping[WallLook, float] = {"thin": 0.95, "thick": 0.05}
_NORMAL = {
    "IgG": (0.95, 0.05, 0.0, 0.0),
    "IgA": (0.95, 0.05, 0.0, 0.0),
    "C3": (0.9, 0.1, 0.0, 0.0),
    "IgM": (0.7, 0.27, 0.03, 0.0),
    "C1q": (1.0, 0.0, 0.0, 0.0),
}
_IGA = {
    "IgG": (0.6, 0.3, 0.1, 0.0),
    "IgA": (0.0, 0.08, 0.37, 0.55),
    "C3": (0.33, 0.27, 0.28, 0.12),
    "IgM": (0.42, 0.38, 0.17, 0.03),
    "C1q": (0.93, 0.06, 0.01, 0.0),
}
_MN = {
    "IgG": (0.0, 0.08, 0.37, 0.55),
    "IgA": (0.9, 0.09, 0.01, 0.0),
    "C3": (0.3, 0.35, 0.25, 0.1),
    "IgM": (0.75, 0.2, 0.05, 0.0),
    "C1q": (0.85, 0.12, 0.03, 0.0),
}
_MN_LATE = {**_MN, "IgG": (0.12, 0.45, 0.33, 0.1), "C3": (0.5, 0.35, 0.13, 0.02)}
_LUPUS = {
    "IgG": (0.02, 0.1, 0.33, 0.55),
    "IgA": (0.2, 0.35, 0.3, 0.15),
    "C3": (0.05, 0.15, 0.35, 0.45),
    "IgM": (0.2, 0.35, 0.3, 0.15),
    "C1q": (0.12, 0.2, 0.33, 0.35),
}


def _membranous(
    stage: int, share: float, spiking: Mapping[Spiking, float], wall: Mapping[WallLook, float]
) -> Variety:
    antibodies = _MN_LATE if stage == 4 else _MN
    places: Mapping[DepositPlace, float] = {"subepithelial": 1.0}
    coarse = (0.1, 0.2, 0.5, 0.5)[stage - 1]
    return Variety(
        "MN", f"MN {stage}", share, stage, "loops", coarse, antibodies, places, spiking, 0.1, 0.1, wall
    )


VARIETIES: tuple[Variety, ...] = (
    Variety(
        "normal", "normal", 1.0, None, "mesangium", 0.3,
        _NORMAL, {}, _FREE, 0.1, 0.1, _THIN,
    ),
    Variety("IgAN", "IgAN", 0.84, None, "mesangium", 0.6, _IGA, {"mesangial": 1.0}, _FREE, 0.75, 0.45, _THIN),
    Variety(
        "IgAN", "IgAN, loops", 0.16, None, "mesangium and loops", 0.6, _IGA,
        {"mesangial": 1.0, "subendothelial": 0.8}, _FREE, 0.8, 0.6, {"thin": 0.8, "thick": 0.2},
    ),
    _membranous(1, 0.3, {"none": 1.0}, {"thin": 0.85, "thick": 0.15}),
    _membranous(2, 0.3, {"none": 0.1, "free": 0.8, "joined": 0.1}, {"thin": 0.45, "thick": 0.55}),
    _membranous(3, 0.25, {"none": 0.15, "free": 0.15, "joined": 0.7}, {"thin": 0.1, "thick": 0.9}),
    _membranous(4, 0.15, {"none": 0.9, "joined": 0.1}, {"thick": 1.0}),
    Variety(
        "LN", "LN II", 0.22, None, "mesangium", 0.8, _LUPUS,
        {"mesangial": 1.0, "subendothelial": 0.1}, _FREE, 0.75, 0.45, _THIN,
    ),
    Variety(
        "LN", "LN III/IV", 0.48, None, "mesangium and loops", 0.9, _LUPUS,
        {"mesangial": 0.95, "subendothelial": 1.0, "subepithelial": 0.35}, _FREE, 0.85, 0.85,
        {"thin": 0.25, "thick": 0.25, "wire": 0.5},
    ),
    Variety(
        "LN", "LN V", 0.3, None, "loops", 0.3, _LUPUS,
        {"subepithelial": 1.0, "mesangial": 0.7, "subendothelial": 0.15},
        {"none": 0.4, "free": 0.45, "joined": 0.15}, 0.35, 0.3, {"thin": 0.45, "thick": 0.55},
    ),
)  # fmt: skip


@dataclass(frozen=True)
class OmFinding:
    """What light microscopy shows."""

    spiking: Spiking
    wide_mesangium: bool
    cellular: bool
    wall: WallLook


@dataclass(frozen=True)
class StainFinding:
    """What one antibody shows."""

    marker: str
    grade: int
    site: Site


@dataclass(frozen=True)
class TemFinding:
    """What one micrograph shows: no places where it has no deposits."""

    places: tuple[DepositPlace, ...]
    stage: int | None


@dataclass(frozen=True)
class Latent:
    """A phantom patient: the disease, and what each picture is to show.

    `evidence` is the share of micrographs that show deposits, as drawn.
    """

    variety: Variety
    om: OmFinding
    stains: tuple[StainFinding, ...]
    micrographs: tuple[TemFinding, ...]
    evidence: float

    @property
    def disease(self) -> Disease:
        """One of DISEASES."""
        return self.variety.disease

    @property
    def stage(self) -> int | None:
        """1 to 4 of membranous nephropathy, None of others."""
        return self.variety.stage

    def finding(self, modality: Modality) -> tuple[object, ...]:
        """All that an observer of one modality can know."""
        if modality == "om":
            return (self.om,)
        if modality == "if":
            return tuple(sorted((one.marker, one.grade, one.site) for one in self.stains))
        seen = {place for one in self.micrographs for place in one.places}
        stages = {one.stage for one in self.micrographs if one.stage is not None}
        return (tuple(sorted(seen)), tuple(sorted(stages)))


def draw_latent(rng: np.random.Generator, variety: Variety | None = None) -> Latent:
    """A patient of a variety, or of any disease with equal chances."""
    chosen = variety or _variety(rng)
    evidence = float(rng.uniform(0.1, 1.0))
    return Latent(
        chosen,
        OmFinding(
            _one_of(rng, chosen.spiking),
            bool(rng.random() < chosen.wide_mesangium),
            bool(rng.random() < chosen.cellular),
            _one_of(rng, chosen.wall),
        ),
        tuple(_stain(rng, chosen, marker) for marker in _panel(rng)),
        _micrographs(rng, chosen, evidence),
        evidence,
    )


def _variety(rng: np.random.Generator) -> Variety:
    disease = DISEASES[int(rng.integers(len(DISEASES)))]
    choices = [one for one in VARIETIES if one.disease == disease]
    return choices[int(rng.choice(len(choices), p=[one.share for one in choices]))]


_Word = TypeVar("_Word", bound=str)


def _one_of(rng: np.random.Generator, shares: Mapping[_Word, float]) -> _Word:
    words = list(shares)
    return words[int(rng.choice(len(words), p=list(shares.values())))]


def _panel(rng: np.random.Generator) -> tuple[str, ...]:
    """Which antibodies a laboratory sends: one to three, IgG for the most part among them."""
    count = int(rng.choice([1, 2, 3], p=[0.2, 0.3, 0.5]))
    chances = np.array([0.4, 0.2, 0.2, 0.08, 0.12])
    picked = rng.choice(len(ANTIBODIES), size=count, replace=False, p=chances)
    return tuple(ANTIBODIES[index] for index in sorted(picked.tolist()))


def _stain(rng: np.random.Generator, variety: Variety, marker: str) -> StainFinding:
    grade = int(rng.choice(4, p=variety.antibodies[marker]))
    if rng.random() < FAILED:
        grade = 0
    return StainFinding(marker, grade, variety.site if grade else "none")


def _micrographs(rng: np.random.Generator, variety: Variety, evidence: float) -> tuple[TemFinding, ...]:
    """What each of 4 to 10 micrographs shows; of a patient with deposits one at least shows them."""
    count = LEAST_TEM + int(rng.binomial(MOST_TEM - LEAST_TEM, 0.35))
    places = [place for place, share in variety.places.items() if rng.random() < share]
    stage = variety.stage or int(rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15]))
    showing = rng.random(count) < evidence
    showing[int(rng.integers(count))] = True
    return tuple(_micrograph(rng, places, stage) if shows else TemFinding((), None) for shows in showing)


def _micrograph(rng: np.random.Generator, places: list[DepositPlace], stage: int) -> TemFinding:
    shown = [place for place in places if rng.random() < 0.65]
    if places and not shown:
        shown = [places[int(rng.integers(len(places)))]]
    return TemFinding(tuple(shown), stage if "subepithelial" in shown else None)
