"""`run.json`: what was run on which slide with which weights, what came out, and the hash of every file.

It is written last: a folder that holds one is complete. The next run reads it to see whether there is
anything left to do.
"""

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

import openslide
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from glomspike import __version__
from glomspike.errors import OutputError
from glomspike.findings import Glomerulus, SlideFacts, SlideResult, SlideTile, Stain, StainName, TopTile
from glomspike.results.best_tiles import best_of_slide
from glomspike.results.counting import Summary

RECORD_NAME = "run.json"

Tile = TypeVar("Tile", bound=TopTile)


class _Strict(BaseModel):
    # what has a default is written all the same, and the published schema says so
    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, json_schema_serialization_defaults_required=True
    )


class RunSettings(_Strict):
    """All that decides what a run writes: two runs of equal settings need not be done twice.

    `options` are those that change results, `weights` the SHA-256 of each model's weights.
    """

    version: str
    fingerprint: str
    options: dict[str, JsonValue]
    weights: dict[str, str]

    def differences(self, recorded: "RunSettings") -> list[str]:
        """What a recorded run did otherwise, each in a few words; empty where nothing differs."""
        found = []
        if self.version != recorded.version:
            found.append(f"glomspike {recorded.version}, not {self.version}")
        if self.fingerprint != recorded.fingerprint:
            found.append("another slide")
        for name in _differing(self.options, recorded.options):
            there, here = recorded.options.get(name), self.options.get(name)
            found.append(f"{name} {_quoted(there)}, not {_quoted(here)}")
        found += [f"other {model} weights" for model in _differing(self.weights, recorded.weights)]
        return found


def _differing(here: Mapping[str, object], there: Mapping[str, object]) -> list[str]:
    return [name for name in sorted(here.keys() | there.keys()) if here.get(name) != there.get(name)]


def _quoted(value: JsonValue) -> str:
    return "unset" if value is None else str(value)


class Versions(_Strict):
    """Versions of the program and of what its results depend on."""

    glomspike: str = __version__
    python: str = Field(default_factory=platform.python_version)
    torch: str = Field(default_factory=lambda: importlib.metadata.version("torch"))
    openslide: str = openslide.__library_version__


class SlideRecord(_Strict):
    """The slide as it was seen; sizes and bounds in level-0 pixels.

    `mpp_x`, `mpp_y` are the scale that was used, `file_mpp_x`, `file_mpp_y` what the file says, if anything.
    """

    name: str
    fingerprint: str
    vendor: str
    width: int
    height: int
    bounds_x: int
    bounds_y: int
    bounds_width: int
    bounds_height: int
    mpp_x: float
    mpp_y: float
    file_mpp_x: float | None = None
    file_mpp_y: float | None = None

    @classmethod
    def of(cls, slide: SlideFacts, fingerprint: str) -> "SlideRecord":
        """The record of a slide and its fingerprint."""
        return cls(
            name=slide.name,
            fingerprint=fingerprint,
            vendor=slide.vendor,
            width=slide.width0,
            height=slide.height0,
            bounds_x=slide.bounds_x0,
            bounds_y=slide.bounds_y0,
            bounds_width=slide.bounds_width0,
            bounds_height=slide.bounds_height0,
            mpp_x=slide.mpp.x,
            mpp_y=slide.mpp.y,
            file_mpp_x=slide.file_mpp.x if slide.file_mpp else None,
            file_mpp_y=slide.file_mpp.y if slide.file_mpp else None,
        )


class Counts(_Strict):
    """How much was found, and how much of the slide could not be seen.

    `spiked` and `uncertain` are calls; `spike_fraction` is positive tiles over tiles of all glomeruli, None
    without any; `classes` counts the detections of each class by subject ("lesion").
    """

    glomeruli: int
    scored: int
    spiked: int
    tiles: int
    positive_tiles: int
    spike_fraction: float | None
    unreadable_windows: int
    unreadable_tiles: int
    classes: dict[str, dict[str, int]] = {}
    uncertain: int = 0

    @classmethod
    def of(cls, result: SlideResult) -> "Counts":
        """The counts of a result."""
        scores = [glomerulus.spikes for glomerulus in result.glomeruli if glomerulus.spikes is not None]
        calls = [one.judgement.call for one in result.glomeruli if one.judgement is not None]
        tiles, positive = sum(score.tiles for score in scores), sum(score.positive_tiles for score in scores)
        return cls(
            glomeruli=len(result.glomeruli),
            scored=len(calls),
            spiked=calls.count("spiked"),
            tiles=tiles,
            positive_tiles=positive,
            spike_fraction=positive / tiles if tiles else None,
            unreadable_windows=result.unreadable_windows,
            unreadable_tiles=sum(score.unreadable_tiles for score in scores),
            classes=_classes(result.detected),
            uncertain=calls.count("uncertain"),
        )


def _classes(detected: Sequence[Glomerulus]) -> dict[str, dict[str, int]]:
    """How many glomeruli are of each class, for each subject that a model classified."""
    counted: dict[str, dict[str, int]] = {}
    for glomerulus in detected:
        for found in glomerulus.classifications:
            of_subject = counted.setdefault(found.subject, {})
            of_subject[found.name] = of_subject.get(found.name, 0) + 1
    return counted


class GlomerulusSpikes(_Strict):
    """The share of a glomerulus's tiles that are positive, and its most suspicious tiles.

    Without a score the share is None, and there are no tiles.
    """

    id: int
    spike_fraction: float | None
    top_tiles: tuple[TopTile, ...]

    @classmethod
    def of(cls, glomerulus: Glomerulus) -> "GlomerulusSpikes":
        """What a glomerulus's judgement says."""
        judgement = glomerulus.judgement
        if judgement is None:
            return cls(id=glomerulus.id, spike_fraction=None, top_tiles=())
        tops = tuple(_rounded(tile) for tile in judgement.top_tiles)
        return cls(id=glomerulus.id, spike_fraction=round(judgement.fraction, 4), top_tiles=tops)


class Spikes(_Strict):
    """Where spikes are most likely: on the whole slide, and in each glomerulus. Corners in level-0 pixels."""

    top_tiles: tuple[SlideTile, ...]
    glomeruli: tuple[GlomerulusSpikes, ...]

    @classmethod
    def of(cls, result: SlideResult) -> "Spikes":
        """What a result says of spikes."""
        return cls(
            top_tiles=tuple(_rounded(tile) for tile in best_of_slide(result.glomeruli)),
            glomeruli=tuple(GlomerulusSpikes.of(one) for one in result.glomeruli),
        )


def _rounded(tile: Tile) -> Tile:
    return replace(tile, x0=round(tile.x0, 1), y0=round(tile.y0, 1), probability=round(tile.probability, 4))


class StainRecord(_Strict):
    """The stain of a slide: the one given, or by the colours of its tissue.

    `measured` is the latter in either case and `probability` how probable it is; both are None where there
    is too little tissue.
    """

    name: StainName
    basis: Literal["measured", "given"]
    measured: StainName | None = None
    probability: float | None = None

    @classmethod
    def of(cls, stain: Stain | None) -> "StainRecord | None":
        """The record of a stain, None where it could not be measured."""
        if stain is None:
            return None
        measured = stain.measured if stain.probability is None else stain
        probability = None if measured is None else measured.probability
        return cls(
            name=stain.name,
            basis="given" if stain.probability is None else "measured",
            measured=None if measured is None else measured.name,
            probability=None if probability is None else round(probability, 4),
        )

    @property
    def stain(self) -> Stain:
        """The stain that this is the record of."""
        if self.basis == "measured":
            return Stain(self.name, self.probability)
        measured = None if self.measured is None else Stain(self.measured, self.probability)
        return Stain(self.name, measured=measured)


class RunRecord(_Strict):
    """The contents of `run.json`; `files` maps each other file's relative name to its SHA-256.

    `tissue` are the outer edges of the slide's pieces of tissue in level-0 pixels, simplified.
    """

    versions: Versions = Field(default_factory=Versions)
    slide: SlideRecord
    options: dict[str, JsonValue]
    weights: dict[str, str]
    device: str
    started: datetime
    finished: datetime
    seconds: dict[str, float]
    counts: Counts
    spikes: Spikes
    warnings: tuple[str, ...]
    stain: StainRecord | None = None
    summary: Summary | None = None
    tissue: tuple[tuple[tuple[float, float], ...], ...] = ()
    files: dict[str, str] = {}

    @property
    def settings(self) -> RunSettings:
        """What decided the results."""
        return RunSettings(
            version=self.versions.glomspike,
            fingerprint=self.slide.fingerprint,
            options=self.options,
            weights=self.weights,
        )


def write_record(folder: Path, record: RunRecord) -> None:
    """`run.json` in a folder."""
    (folder / RECORD_NAME).write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_record(folder: Path) -> RunRecord:
    """The record in a folder; OutputError where it is damaged or another version's."""
    path = folder / RECORD_NAME
    try:
        return RunRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise OutputError(
            path,
            "cannot be understood: it is damaged, or another version of glomspike wrote it",
            "choose another output folder, or give --overwrite, which moves the old results aside",
        ) from error
