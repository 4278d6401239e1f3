"""The main job for one slide: tissue, circles, outlines, what the stages find, then all that is written.

One pass in one direction. What stages hand on is in `findings.py`; pictures of a glomerulus live only while
it is worked on, but for the report's small ones, so memory hardly grows with the slide.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from glomspike.annotate.geojson import write_geojson
from glomspike.annotate.imagescope import write_imagescope
from glomspike.classify.heatmap import spike_heat
from glomspike.classify.kind import call_rule
from glomspike.classify.resolution import field_mpp
from glomspike.detect.infer import Search, search
from glomspike.detect.sizes import magnification, size_warnings
from glomspike.findings import RGB, Classification, Glomerulus, Outline, SlideResult, TileScores
from glomspike.geometry.frames import FieldFrame
from glomspike.names import as_text
from glomspike.networks.kinds import kind_of
from glomspike.networks.models import Models
from glomspike.networks.stage import Candidate, Finding, SpikeFinding, Stage
from glomspike.networks.weights import Card
from glomspike.report.overview import write_overview
from glomspike.report.page import Criteria, write_report
from glomspike.report.pictures import write_glomerulus_pictures
from glomspike.report.portrait import Portrait, portray
from glomspike.results.counting import CountedGlomerulus, Summary, summarise
from glomspike.results.folder import ResultFolder
from glomspike.results.options import Options
from glomspike.results.record import Counts, RunRecord, RunSettings, SlideRecord, Spikes
from glomspike.results.resume import is_finished, run_settings
from glomspike.results.stopwatch import Stopwatch
from glomspike.results.table import write_table
from glomspike.results.tiles import write_tiles
from glomspike.results.warnings import dropped_warnings, slide_warnings
from glomspike.segment.ahead import Group, ReadAhead
from glomspike.segment.infer import search_crop
from glomspike.segment.mirrored import mirrored
from glomspike.segment.outline import outline_of_circle
from glomspike.segment.settle import Settled, Settlement, reported_circle, settle
from glomspike.slide.fingerprint import fingerprint
from glomspike.slide.light import is_dark_field
from glomspike.slide.reader import Slide, open_slide
from glomspike.slide.tissue import Tissue

if TYPE_CHECKING:
    from glomspike.annotate.dicom.origin import Origin

THREADS = 4  # that read from the slide, and that write pictures
OVERVIEW_PX = 2000
DEFAULTS = Options()

Progress = Callable[[str, int, int], None]  # stage, done, of how many
Watcher = Callable[[Glomerulus, Candidate, SpikeFinding | None], None]
Thumbnail = tuple[RGB, FieldFrame]  # a slide small, and where it lies


def unobserved(_stage: str, _done: int, _whole: int) -> None:
    """Progress that is not shown."""


@dataclass(frozen=True, eq=False)
class SlideRun:
    """A slide's result folder, and what was found; None where the folder was complete already."""

    folder: Path
    result: SlideResult | None


def run_slide(path: Path, out: Path, models: Models, options: Options, progress: Progress) -> SlideRun:
    """The main job for one slide: `fill_folder` with `OUT/stem/`, waiting where another run is at it."""
    return fill_folder(path, out / path.stem, models, options, progress)


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
    slide that cannot be used, OutputError for a folder that cannot be written or holds other results, and
    BusyError where another run is working on it and this one does not `wait`; nothing half-written is left.
    """
    with open_slide(path, options.mpp) as slide:
        settings = slide_settings(path, models.cards, options)
        if is_finished(place, settings, options):
            return SlideRun(place, None)
        with ResultFolder(place, scratch, wait) as results:
            if is_finished(place, settings, options):  # by now: another run was at it
                return SlideRun(place, None)
            origin = _dicom_origin(slide, settings) if options.dicom else None
            stem = as_text(path.stem)
            written = _write_results(slide, stem, results.path, models, options, progress)
            if origin is not None:
                _write_dicom(results.path, stem, written, origin, settings)
            publish = results.publish if options.overwrite == "never" else results.replace
            publish(_record(written, settings, str(models.device)))
    return SlideRun(place, written.result)


def slide_settings(path: Path, cards: Mapping[str, Card], options: Options) -> RunSettings:
    """What decides the results of a slide with the models of these cards."""
    weights = {kind: card.sha256 for kind, card in cards.items()}
    return run_settings(
        fingerprint(path), weights, call_rule(cards["classifier"], options.threshold), options
    )


@dataclass(frozen=True, eq=False)
class _Analysis:
    """What was found on a slide, the slide small, and its tissue, None where nothing was searched."""

    result: SlideResult
    thumbnail: Thumbnail
    tissue: Tissue | None


def analyse(
    slide: Slide, models: Models, options: Options = DEFAULTS, progress: Progress = unobserved
) -> SlideResult:
    """What the models find on a slide: its glomeruli in reading order, and what to be warned of.

    Writes nothing. `progress` is called with a stage, how much of it is done, and how much there is. Raises
    SlideError where nothing of the slide can be read.
    """
    return _analysis(slide, models, options, progress, None, Stopwatch()).result


def _analysis(
    slide: Slide,
    models: Models,
    options: Options,
    progress: Progress,
    watcher: Watcher | None,
    watch: Stopwatch,
) -> _Analysis:
    """The result of a slide, with the slide small and its tissue.

    `watcher` is called in threads with each glomerulus that is one, its candidate (with the field around it)
    and its spike score with all tiles.
    """
    stages = _stages(slide, models, options)
    segmenter = mirrored(models["segmenter"]) if options.mirrored else models["segmenter"]
    with ThreadPoolExecutor(THREADS) as readers, ThreadPoolExecutor(THREADS) as writers:
        thumbnail = readers.submit(slide.thumbnail, OVERVIEW_PX)
        if options.crops:
            with watch("segment"):
                found = Search((search_crop(slide, segmenter),))
        else:
            found = search(slide, models["detector"], progress, watch, magnification(options.glomerulus_um))
        mpp = field_mpp(slide.facts.mpp, models["classifier"].card.mpp)
        ahead = ReadAhead(slide, segmenter, mpp, [stage.region for stage in stages], readers, watch)
        settlement = _settled(slide, found, ahead, options, progress)
        glomeruli = settlement.glomeruli
        detected: list[Glomerulus] = []
        watching: list[Future[None]] = []
        for group in ahead.groups(glomeruli):
            progress("score", len(detected), len(glomeruli))
            inspected = _inspected(group, stages, watch)
            detected += [glomerulus for glomerulus, _, _ in inspected]
            if watcher is not None:
                with watch("pictures"):
                    _wait(watching)  # for the group before, so that no more are held
                    watching = [writers.submit(watcher, *one) for one in inspected if one[0].is_glomerulus]
        progress("score", len(glomeruli), len(glomeruli))
        with watch("pictures"):
            _wait(watching)
        with watch("read"):
            small = thumbnail.result()
    is_dark = not options.crops and is_dark_field(small[0])
    warnings = slide_warnings(slide.notes, found.any_tissue, found.unreadable_windows, detected, is_dark)
    warnings += dropped_warnings(settlement.dropped)
    if not options.crops:
        warnings += size_warnings([2 * g.circle.radius_um for g in detected], options.glomerulus_um)
    for stage in stages:
        warnings += stage.warnings(detected)
    result = SlideResult(
        slide.facts,
        tuple(glomerulus for glomerulus in detected if glomerulus.is_glomerulus),
        tuple(warnings),
        tuple(glomerulus for glomerulus in detected if not glomerulus.is_glomerulus),
        found.unreadable_windows,
    )
    return _Analysis(result, small, found.tissue)


def _settled(
    slide: Slide, found: Search, ahead: ReadAhead, options: Options, progress: Progress
) -> Settlement:
    """The glomeruli of a search, outlined; of a crop always one, if need be without an outline."""
    outlines: list[Outline | None] = []
    for outline in ahead.outlines(found.circles):
        progress("outline", len(outlines), len(found.circles))
        outlines.append(outline)
    progress("outline", len(outlines), len(found.circles))
    if not options.crops:
        return settle(found.circles, outlines, slide.facts)
    (circle,), (outline,) = found.circles, outlines
    drawn = outline or outline_of_circle(circle, slide.facts)
    return Settlement((Settled(reported_circle(circle, drawn, slide.facts), drawn),))


def _stages(slide: Slide, models: Models, options: Options) -> list[Stage]:
    """What the loaded models do with each glomerulus, in the order of their kinds."""
    kinds = [(kind_of(name), model) for name, model in models.by_kind.items()]
    return [kind.stage(model, slide.facts, options) for kind, model in kinds if kind.stage is not None]


_Inspected = tuple[Glomerulus, Candidate, SpikeFinding | None]


def _inspected(group: Group, stages: Sequence[Stage], watch: Stopwatch) -> list[_Inspected]:
    """The glomeruli of a group with what every stage finds of them."""
    with watch("read"):
        candidates = group.candidates()
    columns: list[Sequence[Finding | None]] = []
    for stage, reading in zip(stages, group.regions, strict=True):
        with watch("read"):
            regions = [future.result() for future in reading]
        with watch(stage.name):
            columns.append(stage.apply(candidates, regions))
    rows = zip(*columns, strict=True) if columns else [()] * len(candidates)
    return [_glomerulus(candidate, row) for candidate, row in zip(candidates, rows, strict=True)]


def _glomerulus(candidate: Candidate, findings: Sequence[Finding | None]) -> _Inspected:
    """A candidate with all that was found of it; the detector's class counts where no stage gives one."""
    spikes = next((finding for finding in findings if isinstance(finding, SpikeFinding)), None)
    classes = {found.subject: found for found in findings if isinstance(found, Classification)}
    if (lesion := candidate.circle.lesion) is not None:
        classes.setdefault(lesion.subject, lesion)
    score = None if spikes is None else spikes.score
    glomerulus = Glomerulus(candidate.id, candidate.circle, candidate.outline, score, tuple(classes.values()))
    return glomerulus, candidate, spikes


def _wait(watching: Sequence[Future[None]]) -> None:
    for future in watching:
        future.result()


@dataclass(frozen=True, eq=False)
class _WrittenRun:
    """A run whose files are written: what was found and counted, when it began, and its stopwatch."""

    result: SlideResult
    counts: Counts
    summary: Summary
    tissue: Tissue | None
    started: datetime
    watch: Stopwatch


def _write_results(
    slide: Slide, stem: str, folder: Path, models: Models, options: Options, progress: Progress
) -> _WrittenRun:
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

    analysis = _analysis(slide, models, options, progress, picture, watch)
    result, tissue = analysis.result, analysis.tissue
    counts = Counts.of(result)
    summary = summarise(
        map(CountedGlomerulus.of, result.glomeruli), None if tissue is None else tissue.area_mm2
    )
    with watch("annotate"):
        _write_annotations(folder, stem, result, analysis.thumbnail)
        write_tiles(folder / "tiles.csv", tiles)
    criteria = Criteria(models.cards, call_rule(models["classifier"].card, options.threshold))
    shown = [portraits[glomerulus.id] for glomerulus in result.glomeruli]
    with watch("report"):
        write_report(folder, result, counts, summary, shown, analysis.thumbnail, criteria, started)
    return _WrittenRun(result, counts, summary, tissue, started, watch)


def _dicom_origin(slide: Slide, settings: RunSettings) -> "Origin":
    from glomspike.annotate.dicom.write import checked_origin

    return checked_origin(slide.path, slide.facts, settings.fingerprint)


def _write_dicom(
    folder: Path, stem: str, written: _WrittenRun, origin: "Origin", settings: RunSettings
) -> None:
    from glomspike.annotate.dicom.write import write_dicom

    run_with = {"threshold": f"{settings.options['threshold']}", **settings.weights}
    counts = written.counts.model_dump(exclude={"classes"})
    with written.watch("annotate"):
        write_dicom(folder, stem, written.result, counts, origin, run_with)


def _write_annotations(folder: Path, stem: str, result: SlideResult, thumbnail: Thumbnail) -> None:
    write_imagescope(folder / f"{stem}.xml", result)
    write_geojson(folder / f"{stem}.geojson", result)
    write_table(folder / "glomeruli.csv", result)
    write_overview(folder / "overview.png", *thumbnail, result)


def _record(written: _WrittenRun, settings: RunSettings, device: str) -> RunRecord:
    edges = () if written.tissue is None else written.tissue.edges0()
    return RunRecord(
        slide=SlideRecord.of(written.result.slide, settings.fingerprint),
        options=settings.options,
        weights=settings.weights,
        device=device,
        started=written.started,
        finished=datetime.now(UTC),
        seconds={stage: round(seconds, 3) for stage, seconds in written.watch.seconds.items()},
        counts=written.counts,
        spikes=Spikes.of(written.result),
        warnings=written.result.warnings,
        summary=written.summary,
        tissue=tuple(tuple((round(x), round(y)) for x, y in edge.tolist()) for edge in edges),
    )
