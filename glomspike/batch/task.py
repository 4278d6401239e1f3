"""One slide of many: what a worker does with it, and the row that reports what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from glomspike.analysis import unobserved
from glomspike.batch.local_copy import LocalCopy
from glomspike.errors import GlomspikeError, NoScaleError
from glomspike.findings import Mpp, SlideRow
from glomspike.networks.models import Models, load_models
from glomspike.networks.weights import Card
from glomspike.pipeline import fill_folder, slide_settings
from glomspike.results.claim import BusyError
from glomspike.results.counting import Summary
from glomspike.results.options import Options
from glomspike.results.record import read_record
from glomspike.results.resume import is_finished
from glomspike.slide.find import FoundSlide


@dataclass(frozen=True, eq=False)
class Batch:
    """What all slides of a run have in common.

    `weights` are paths by kind of model, instead of those that came with glomspike; `stage` is the folder
    that slides are copied to first, if any.
    """

    out: Path
    weights: Mapping[str, Path]
    cards: Mapping[str, Card]
    options: Options
    stage: Path | None = None

    def options_of(self, slide: FoundSlide) -> Options:
        """The options of one slide, whose own µm/px and stain go before those of all."""
        mpp = self.options.mpp if slide.mpp is None else slide.mpp
        return replace(self.options, mpp=mpp, stain=slide.stain or self.options.stain)


def do_slide(slide: FoundSlide, near: LocalCopy, batch: Batch, device: str, wait: bool) -> SlideRow | None:
    """What became of a slide; None where another run is working on it and this one does not `wait`.

    Never raises: one slide's failure is reported in its row, and the rest continue.
    """
    place = batch.out / slide.folder
    try:
        models = _models(tuple(batch.weights.items()), device)
        options = batch.options_of(slide)
        done = fill_folder(near.path, place, models, options, unobserved, near.scratch, wait)
        return _row(slide, batch, skipped=done.result is None)
    except BusyError:
        return None
    except Exception as failure:  # noqa: BLE001  (whatever it is, it is this slide's)
        return failed_row(slide, failure)


def standing_row(slide: FoundSlide, batch: Batch) -> SlideRow | None:
    """The row of a slide whose results are there already, found without opening it; None where none do.

    Raises OutputError where results of other settings do, and may not be replaced.
    """
    place = batch.out / slide.folder
    if not place.exists():
        return None  # without a fingerprint, for which the slide must be read
    options = batch.options_of(slide)
    if not is_finished(place, slide_settings(slide.path, batch.cards, options), options):
        return None
    return _row(slide, batch, skipped=True)


def failed_row(slide: FoundSlide, failure: Exception) -> SlideRow:
    """The row of a slide that failed: the cause and what to do about it, in one line.

    A picture among slides that has no scale may be a label or a map: it is omitted.
    """
    is_gone = isinstance(failure, FileNotFoundError) and not slide.path.exists()
    cause = "does not exist; check the path" if is_gone else cause_of(failure)
    is_any_picture = slide.is_picture and isinstance(failure, NoScaleError)
    return SlideRow(slide.name, "omitted" if is_any_picture else "failed", cause)


def cause_of(failure: Exception) -> str:
    """What went wrong with a slide or a case and what to do about it, in one line."""
    match failure:
        case GlomspikeError():
            cause = f"{failure.cause}; {failure.cure}"
        case MemoryError() | torch.OutOfMemoryError():
            cause = "there is not enough memory for it; use fewer workers, or a machine with more"
        case OSError():
            cause = f"{failure.strerror or failure}; check the disk, its permissions and the free space"
        case _:
            cause = f"failed unexpectedly ({type(failure).__name__}: {failure}); please report this"
    return " ".join(cause.split())


def _row(slide: FoundSlide, batch: Batch, skipped: bool) -> SlideRow:
    record = read_record(batch.out / slide.folder)
    counts = record.counts
    return SlideRow(
        slide.name,
        "skipped" if skipped else "done",
        "",
        folder=slide.folder,
        mpp=Mpp(record.slide.mpp_x, record.slide.mpp_y).mean,
        glomeruli=counts.glomeruli,
        scored=counts.scored,
        spiked=counts.spiked,
        tiles=counts.tiles,
        positive_tiles=counts.positive_tiles,
        spike_fraction=counts.spike_fraction,
        top_tiles=record.spikes.top_tiles,
        unreadable_windows=counts.unreadable_windows,
        unreadable_tiles=counts.unreadable_tiles,
        warnings=len(record.warnings),
        seconds=(record.finished - record.started).total_seconds(),
        stain=None if record.stain is None else record.stain.stain.words,
        **_summary_cells(record.summary),
    )


def _summary_cells(summary: Summary | None) -> dict[str, Any]:
    """What a row says of the slide's summary."""
    if summary is None:
        return {}
    return {
        "whole": summary.whole,
        "sclerosed": summary.sclerosed.n if summary.sclerosed.of else None,
        "spiked_low": summary.spiked.low,
        "spiked_high": summary.spiked.high,
        "uncertain": summary.uncertain.n if summary.uncertain.of else None,
        "median_area_um2": summary.median_area_um2,
        "median_diameter_um": summary.median_diameter_um,
        "tissue_mm2": summary.tissue_mm2,
        "glomeruli_per_mm2": summary.glomeruli_per_mm2,
        "adequacy": summary.adequacy.verdict,
        **{f"extent_{extent}": count for extent, count in (summary.extents or {}).items()},
        "sharpness": None if summary.focus is None else summary.focus.median_sharpness,
        "out_of_focus": None if summary.focus is None else summary.focus.out_of_focus,
    }


@cache
def _models(weights: tuple[tuple[str, Path], ...], device: str) -> Models:
    """The models of this process, loaded with its first slide."""
    return load_models(dict(weights), torch.device(device))
