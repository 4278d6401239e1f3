"""The main job for one slide: what the models find on it, then all that is written, and the record last."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from glomspike.analysis import Progress, run_analysis
from glomspike.classify.heatmap import spike_heat
from glomspike.classify.kind import call_rule
from glomspike.findings import Glomerulus, SlideResult, TileScores
from glomspike.names import as_text, folder_name
from glomspike.networks.models import Models
from glomspike.networks.stage import Candidate, SpikeFinding
from glomspike.networks.weights import Card
from glomspike.report.page import Criteria, write_report
from glomspike.report.pictures import write_glomerulus_pictures
from glomspike.report.portrait import Portrait, portray
from glomspike.report.run_files import (
    WrittenRun,
    check_name,
    dicom_origin,
    record_of,
    write_annotations,
    write_dicom_objects,
)
from glomspike.results.counting import CountedGlomerulus, Focus, summarise
from glomspike.results.folder import ResultFolder
from glomspike.results.options import Options
from glomspike.results.record import Counts, RunSettings
from glomspike.results.resume import is_finished, run_settings
from glomspike.results.stopwatch import Stopwatch
from glomspike.results.tiles import write_tiles
from glomspike.slide.fingerprint import check_unchanged, fingerprint, state
from glomspike.slide.reader import Slide, open_slide


@dataclass(frozen=True, eq=False)
class SlideRun:
    """A slide's result folder, and what was found; None where the folder was complete already."""

    folder: Path
    result: SlideResult | None


def run_slide(path: Path, out: Path, models: Models, options: Options, progress: Progress) -> SlideRun:
    """The main job for one slide: `fill_folder` with `OUT/stem/`, waiting where another run is at it."""
    return fill_folder(path, out / folder_name(path), models, options, progress)


def fill_folder(
    path: Path,
    place: Path,
    models: Models,
    options: Options,
    progress: Progress,
    scratch: Path | None = None,
    wait: bool = True,
) -> SlideRun:
    """The main job for a slide: writes the folder `place`, or skips it where it holds the same already.

    Results are built beside `place`, or in the folder `scratch` where one is given. Raises SlideError for a
    slide that cannot be used or changes meanwhile, OutputError for a folder that cannot be written or holds
    other results, and BusyError where another run is working on it and this one does not `wait`; nothing
    half-written is left.
    """
    before = state(path)
    with open_slide(path, options.mpp) as slide:
        settings = slide_settings(path, models.cards, options)
        if is_finished(place, settings, options):
            return SlideRun(place, None)
        with ResultFolder(place, scratch, wait) as results:
            if is_finished(place, settings, options):  # by now: another run was at it
                return SlideRun(place, None)
            origin = dicom_origin(slide, settings) if options.dicom else None
            stem = as_text(path.stem)
            check_name(results.path, stem, path)
            written = _write_results(slide, stem, results.path, models, options, progress)
            if origin is not None:
                write_dicom_objects(results.path, stem, written, origin, settings)
            check_unchanged(path, before)
            publish = results.publish if options.overwrite == "never" else results.replace
            publish(record_of(written, settings, str(models.device)))
    return SlideRun(place, written.result)


def slide_settings(path: Path, cards: Mapping[str, Card], options: Options) -> RunSettings:
    """What decides the results of a slide with the models of these cards."""
    weights = {kind: card.sha256 for kind, card in cards.items()}
    return run_settings(
        fingerprint(path), weights, call_rule(cards["classifier"], options.threshold), options
    )


def _write_results(
    slide: Slide, stem: str, folder: Path, models: Models, options: Options, progress: Progress
) -> WrittenRun:
    """Analyses a slide and writes all files of its results but the record."""
    started, watch = datetime.now(UTC), Stopwatch()
    portraits, tiles = dict[int, Portrait](), dict[int, TileScores]()

    def picture(glomerulus: Glomerulus, candidate: Candidate, spikes: SpikeFinding | None) -> None:
        heat = None
        if spikes is not None and len(spikes.tiles.probabilities):
            tiles[glomerulus.id] = spikes.tiles
            heat = spike_heat(spikes.tiles, candidate.outline, candidate.field)
        write_glomerulus_pictures(folder, glomerulus, candidate.field, heat)
        portraits[glomerulus.id] = portray(glomerulus, candidate.field, heat)

    analysis = run_analysis(slide, models, options, progress, picture, watch)
    result, tissue = analysis.result, analysis.tissue
    counts = Counts.of(result)
    area_mm2, focus = None if tissue is None else tissue.area_mm2, Focus.of_slide(result.glomeruli)
    summary = summarise(map(CountedGlomerulus.of, result.glomeruli), area_mm2, focus=focus)
    with watch("annotate"):
        write_annotations(folder, stem, result, analysis.thumbnail)
        write_tiles(folder / "tiles.csv", tiles)
    criteria = Criteria(models.cards, call_rule(models["classifier"].card, options.threshold))
    shown = [portraits[glomerulus.id] for glomerulus in result.glomeruli]
    with watch("report"):
        write_report(folder, result, counts, summary, shown, analysis.thumbnail, criteria, started)
    return WrittenRun(result, counts, summary, tissue, started, watch)
