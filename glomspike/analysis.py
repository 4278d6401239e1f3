"""What the models find on a slide: tissue, circles, outlines, and what every stage finds of each glomerulus.

One pass in one direction. What stages hand on is in `findings.py`; the field of a glomerulus lives only while
it is worked on, so memory hardly grows with the slide.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from glomspike.classify.resolution import field_mpp
from glomspike.detect.infer import Search, search
from glomspike.detect.sizes import crop_warnings, magnification, size_warnings
from glomspike.findings import RGB, Classification, Glomerulus, Outline, SlideResult, Stain
from glomspike.gates.admission import Admission, admission, blurred_warning, stain_of
from glomspike.gates.sharpness import OUT_OF_FOCUS, sharpness
from glomspike.geometry.frames import FieldFrame
from glomspike.networks.kinds import kind_of
from glomspike.networks.models import Models
from glomspike.networks.stage import Candidate, Finding, SpikeFinding, Stage
from glomspike.results.options import Options
from glomspike.results.stopwatch import Stopwatch
from glomspike.results.warnings import dropped_warnings, slide_warnings
from glomspike.segment.ahead import Group, ReadAhead
from glomspike.segment.infer import search_crop
from glomspike.segment.mirrored import mirrored
from glomspike.segment.outline import outline_of_circle
from glomspike.segment.settle import SettledGlomerulus, Settlement, reported_circle, settle
from glomspike.slide.reader import Slide
from glomspike.slide.tissue import Tissue

THREADS = 4  # that read from the slide, and that write pictures
OVERVIEW_PX = 2000
DEFAULTS = Options()

Progress = Callable[[str, int, int], None]  # stage, done, of how many
Watcher = Callable[[Glomerulus, Candidate, SpikeFinding | None], None]
Thumbnail = tuple[RGB, FieldFrame]  # a slide small, and where it lies


def unobserved(_stage: str, _done: int, _whole: int) -> None:
    """Progress that is not shown."""


@dataclass(frozen=True, eq=False)
class Analysis:
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
    return run_analysis(slide, models, options, progress, None, Stopwatch()).result


def run_analysis(
    slide: Slide,
    models: Models,
    options: Options,
    progress: Progress,
    watcher: Watcher | None,
    watch: Stopwatch,
) -> Analysis:
    """The result of a slide, with the slide small and its tissue.

    `watcher` is called in threads with each glomerulus that is one, its candidate (with the field around it)
    and its spike score with all tiles.
    """
    segmenter = mirrored(models["segmenter"]) if options.mirrored else models["segmenter"]
    with ThreadPoolExecutor(THREADS) as readers, ThreadPoolExecutor(THREADS) as writers:
        thumbnail = readers.submit(slide.thumbnail, OVERVIEW_PX)
        if options.crops:
            with watch("segment"):
                found = Search((search_crop(slide, segmenter),))
        else:
            found = search(slide, models["detector"], progress, watch, magnification(options.glomerulus_um))
        with watch("stain"):
            stain = stain_of(slide, found.tissue, options.stain)
        stages = _stages(slide, models, options, stain)
        mpp = field_mpp(slide.facts.mpp, models["classifier"].card.mpp)
        ahead = ReadAhead(slide, segmenter, mpp, [stage.region for stage in stages], readers, watch)
        settlement = _settled(slide, found, ahead, options, progress)
        glomeruli = settlement.glomeruli
        with watch("read"):
            small = thumbnail.result()
        threshold = models["detector"].card.thresholds["score"]
        admitted = admission(stain, small[0], [one.circle for one in glomeruli], threshold, found.tissue)
        detected: list[Glomerulus] = []
        watching: list[Future[None]] = []
        for group in ahead.groups(glomeruli):
            progress("score", len(detected), len(glomeruli))
            inspected = _inspected(group, stages, admitted.is_doubtful, watch)
            detected += [glomerulus for glomerulus, _, _ in inspected]
            if watcher is not None:
                with watch("pictures"):
                    _wait(watching)  # for the group before, so that no more are held
                    watching = [writers.submit(watcher, *one) for one in inspected if one[0].is_glomerulus]
        progress("score", len(glomeruli), len(glomeruli))
        with watch("pictures"):
            _wait(watching)
    warnings = slide_warnings(slide.notes, found.any_tissue, found.unreadable_windows, detected)
    warnings += [*dropped_warnings(settlement.dropped), *admitted.warnings(), *blurred_warning(detected)]
    diameters_um = [2 * g.circle.radius_um for g in detected]
    warnings += (
        crop_warnings(*diameters_um) if options.crops else size_warnings(diameters_um, options.glomerulus_um)
    )
    for stage in stages:
        warnings += stage.warnings(detected)
    result = SlideResult(
        slide.facts,
        tuple(glomerulus for glomerulus in detected if glomerulus.is_glomerulus),
        tuple(warnings),
        tuple(glomerulus for glomerulus in detected if not glomerulus.is_glomerulus),
        found.unreadable_windows,
        stain,
    )
    return Analysis(result, small, found.tissue)


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
    return Settlement((SettledGlomerulus(reported_circle(circle, drawn, slide.facts), drawn),))


def _stages(slide: Slide, models: Models, options: Options, stain: Stain | None) -> list[Stage]:
    """What the loaded models do with each glomerulus of a stain, in the order of their kinds."""
    is_scored, name = Admission(stain).is_scored, None if stain is None else stain.name
    used = {kind: model for kind, model in models.by_kind.items() if is_scored or kind != "classifier"}
    kinds = [(kind_of(kind), model) for kind, model in used.items()]
    return [
        kind.stage(model, slide.facts, replace(options, stain=name))
        for kind, model in kinds
        if kind.stage is not None
    ]


_Inspection = tuple[Glomerulus, Candidate, SpikeFinding | None]


def _inspected(
    group: Group, stages: Sequence[Stage], is_doubtful: bool, watch: Stopwatch
) -> list[_Inspection]:
    """The glomeruli of a group with what every stage finds of them; no sure call where all is doubtful."""
    with watch("read"):
        candidates = group.candidates()
    columns: list[Sequence[Finding | None]] = []
    for stage, reading in zip(stages, group.regions, strict=True):
        with watch("read"):
            regions = [future.result() for future in reading]
        with watch(stage.name):
            columns.append(stage.apply(candidates, regions))
    rows = zip(*columns, strict=True) if columns else [()] * len(candidates)
    return [_glomerulus(candidate, row, is_doubtful) for candidate, row in zip(candidates, rows, strict=True)]


def _glomerulus(candidate: Candidate, findings: Sequence[Finding | None], is_doubtful: bool) -> _Inspection:
    """A candidate with all that was found of it; the detector's class counts where no stage gives one."""
    spikes = next((finding for finding in findings if isinstance(finding, SpikeFinding)), None)
    classes = {found.subject: found for found in findings if isinstance(found, Classification)}
    if (lesion := candidate.circle.lesion) is not None:
        classes.setdefault(lesion.subject, lesion)
    score = None if spikes is None else spikes.score
    sharp = None if score is None else sharpness(candidate.field, candidate.outline)
    is_blurred = sharp is not None and sharp < OUT_OF_FOCUS
    if score is not None and (is_doubtful or is_blurred):
        score = replace(score, call="uncertain")
    found = tuple(classes.values())
    glomerulus = Glomerulus(
        candidate.id, candidate.circle, candidate.outline, score, found, sharp, is_blurred
    )
    return glomerulus, candidate, spikes


def _wait(watching: Sequence[Future[None]]) -> None:
    for future in watching:
        future.result()
