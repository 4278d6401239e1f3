"""The main job for one slide: tissue, circles, outlines, spike scores, then everything that is written.

One pass in one direction. What stages hand on is in `findings.py`; pictures of a glomerulus live only
while it is worked on, but for the report's small ones, so memory hardly grows with the slide.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np

from glomspike import __version__
from glomspike.annotate.geojson import write_geojson
from glomspike.annotate.imagescope import write_imagescope
from glomspike.classify.infer import Judged, judge_glomeruli
from glomspike.detect.infer import detect
from glomspike.errors import OutputError
from glomspike.findings import RGB, Circle, Glomerulus, Outline, SlideResult
from glomspike.geometry.frames import FieldFrame
from glomspike.lesions.infer import tell_lesions
from glomspike.names import as_text
from glomspike.networks.models import Model, Models
from glomspike.networks.weights import Card, Kind
from glomspike.report.overview import write_overview
from glomspike.report.page import Judging, write_report
from glomspike.report.pictures import write_glomerulus_pictures
from glomspike.report.portrait import Portrait, portray
from glomspike.results.counting import Counted, Summary, summarise
from glomspike.results.folder import ResultFolder, is_done
from glomspike.results.record import Counts, RunRecord, RunSettings, SlideRecord, Spikes
from glomspike.results.table import write_table
from glomspike.segment.crop import circle_of_outline, crop_of, whole_circle
from glomspike.segment.infer import outline_glomeruli
from glomspike.segment.mirrored import mirrored
from glomspike.segment.outline import outline_of_circle
from glomspike.slide.field import Field, read_field
from glomspike.slide.fingerprint import fingerprint
from glomspike.slide.light import is_dark_field
from glomspike.slide.reader import Slide, open_slide
from glomspike.slide.tissue import Tissue, find_tissue

if TYPE_CHECKING:
    from glomspike.annotate.dicom.origin import Origin

BATCH = 8  # glomeruli worked on at once
THREADS = 4  # that read from the slide, and that write pictures
MARGIN_UM = 15.0  # around the outline in a glomerulus's pictures
OVERVIEW_PX = 2000
AS_GOOD = 0.03  # by how much a scale may differ from the classifier's, which learnt from far more
WARN_ABOVE_MPP = 0.3  # scored, but spikes are hardly resolved
UNSCORED_ABOVE_MPP = 0.6  # spikes cannot be seen

_Item = TypeVar("_Item")
Progress = Callable[[str, int, int], None]  # stage, done, of how many


@dataclass(frozen=True)
class Options:
    """What a user chose. `threshold` None is the classifier's own; `mpp` is for slides without a scale.

    `overwrite` says which earlier results are replaced: none, those of other settings, or any. With `crops`
    every picture shows one glomerulus, which is not to be searched for; `mirrored` outlines each from four
    mirror images; `dicom` writes DICOM objects too.
    """

    mpp: float | None = None
    threshold: float | None = None
    overwrite: Literal["never", "outdated", "always"] = "never"
    crops: bool = False
    mirrored: bool = False
    dicom: bool = False


@dataclass(frozen=True, eq=False)
class Done:
    """A slide's result folder, and what was found; None where the folder stood there complete."""

    folder: Path
    result: SlideResult | None


def run_slide(path: Path, out: Path, models: Models, options: Options, progress: Progress) -> Done:
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
) -> Done:
    """The main job for a slide: writes the folder `place`, or skips it where it holds the same already.

    Results are built beside `place`, or in the folder `scratch` where one is given. Raises SlideError for a
    slide that cannot be used, OutputError for a folder that cannot be written or holds other results, and
    BusyError where another run is working on it and this one does not `wait`; nothing half-written is left.
    """
    with open_slide(path, options.mpp) as slide:
        settings = run_settings(path, models.cards, options)
        if stands(place, settings, options):
            return Done(place, None)
        with ResultFolder(place, scratch, wait) as results:
            if stands(place, settings, options):  # by now: another run was at it
                return Done(place, None)
            origin = _dicom_origin(slide, settings) if options.dicom else None
            job = _Job(slide, models, options, results.path, progress)
            result = job.run()
            counts = Counts.of(result, job.unreadable_windows)
            _write_annotations(results.path, as_text(path.stem), result, job)
            if origin is not None:
                _write_dicom(results.path, as_text(path.stem), result, counts, origin, settings, job)
            summary = _summary(result, job.tissue)
            _write_report(results.path, result, counts, summary, job)
            publish = results.publish if options.overwrite == "never" else results.replace
            publish(_record(job, settings, result, counts, summary))
    return Done(place, result)


def analyse_slide(slide: Slide, models: Models, options: Options, progress: Progress) -> SlideResult:
    """Give what `fill_folder` finds on an open slide, and write nothing. Raises SlideError."""
    return _Job(slide, models, options, None, progress).run()


def run_settings(path: Path, cards: Mapping[Kind, Card], options: Options) -> RunSettings:
    """What decides the results of a slide; a run is skipped where these are the same."""
    threshold = _threshold(cards["classifier"], options)
    chosen = {
        "mpp": options.mpp,
        "crops": options.crops,
        "mirrored": options.mirrored,
        "dicom": options.dicom,
    }
    return RunSettings(
        version=__version__,
        fingerprint=fingerprint(path),
        options={**chosen, "threshold": threshold},
        weights={kind: card.sha256 for kind, card in cards.items()},
    )


def stands(place: Path, settings: RunSettings, options: Options) -> bool:
    """Whether the results stand there. Raises OutputError where others do that may not be replaced."""
    if options.overwrite == "always":
        return False
    try:
        return is_done(place, settings)
    except OutputError:
        if options.overwrite == "never":
            raise
        return False


def _threshold(classifier: Card, options: Options) -> float:
    own = classifier.thresholds["spiked"]
    return own if options.threshold is None else options.threshold


@dataclass(eq=False)
class _Job:
    """One slide on its way through the stages, and what gathers meanwhile."""

    slide: Slide
    models: Models
    options: Options
    folder: Path | None  # for pictures of glomeruli, where they are wanted
    progress: Progress
    warnings: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    unreadable_windows: int = 0
    tissue: Tissue | None = None  # None where it is not looked for
    portraits: list[Portrait] = field(default_factory=list)
    thumbnail: tuple[RGB, FieldFrame] = field(init=False)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the time spent inside to the stage's."""
        began = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began

    @property
    def segmenter(self) -> Model:
        """The segmenter as the user wants it to look."""
        own = self.models.segmenter
        return mirrored(own) if self.options.mirrored else own

    @property
    def coarsest_mpp(self) -> float:
        """µm/px along the slide's coarser axis, which decides what can be seen."""
        return max(self.slide.facts.mpp.x, self.slide.facts.mpp.y)

    @property
    def field_mpp(self) -> float | None:
        """µm/px of the glomeruli's fields where spikes can be scored, else None.

        The slide's own where that is as good, since resampling blurs.
        """
        if self.coarsest_mpp > UNSCORED_ABOVE_MPP:
            return None
        wanted, own = self.models.classifier.card.mpp, self.slide.facts.mpp
        as_good = own.x == own.y and math.isclose(own.x, wanted, rel_tol=AS_GOOD)
        return own.x if as_good else wanted

    def run(self) -> SlideResult:
        """Everything about a slide's glomeruli; their pictures are written on the way."""
        glomeruli: list[Glomerulus] = []
        with ThreadPoolExecutor(THREADS) as readers, ThreadPoolExecutor(THREADS) as writers:
            thumbnail = readers.submit(self.slide.thumbnail, OVERVIEW_PX)
            circles = self._crop_circle() if self.options.crops else self._circles()
            writing: list[Future[Portrait]] = []
            for group in _one_ahead(self._groups(circles, readers)):
                self.progress("outline and score", len(glomeruli), len(circles))
                judged = self._with_lesions(self._judged(group), group)
                with self.stage("pictures"):
                    self._finish(writing)  # of the group before, so that no more are held
                    if self.folder is not None:
                        shown = [one for one in judged if one.glomerulus.is_glomerulus]
                        writing = [writers.submit(self._write_pictures, one, self.folder) for one in shown]
                glomeruli += [one.glomerulus for one in judged]
            self.progress("outline and score", len(circles), len(circles))
            with self.stage("pictures"):
                self._finish(writing)
            with self.stage("read"):
                self.thumbnail = thumbnail.result()
        if not self.options.crops and is_dark_field(self.thumbnail[0]):
            kinds = "as in fluorescence, dark field or inverted colours"
            self.warnings.append(f"the slide is dark where it is empty, {kinds}: its results mean nothing")
        self._warn_of_lesions(glomeruli)
        others = tuple(one for one in glomeruli if not one.is_glomerulus)
        found = tuple(one for one in glomeruli if one.is_glomerulus)
        return SlideResult(self.slide.facts, found, tuple(self.warnings), others)

    def _circles(self) -> tuple[Circle, ...]:
        """The glomeruli's circles in reading order."""
        with self.stage("tissue"):
            tissue = self.tissue = find_tissue(self.slide)
        with self.stage("detect"):
            found = detect(self.slide, tissue, self.models.detector, self._detecting)
        self.unreadable_windows = found.unreadable_windows
        self._warn(bool(tissue.mask.any()), bool(found.circles))
        return found.circles

    def _crop_circle(self) -> tuple[Circle, ...]:
        """The circle of the one glomerulus that the picture shows; of the whole picture if it is not seen."""
        self._warn(any_tissue=True, any_circle=True)
        whole = whole_circle(self.slide.facts)
        with self.stage("segment"):
            crop = crop_of(self.slide, whole, self.segmenter.card.input_px)
            (outline,) = outline_glomeruli(self.slide.facts, [crop], self.segmenter)
        return (whole if outline is None else circle_of_outline(outline, self.slide.facts),)

    def _detecting(self, done: int, windows: int) -> None:
        self.progress("detect", done, windows)

    def _warn(self, any_tissue: bool, any_circle: bool) -> None:
        self.warnings += self.slide.notes
        if any_circle and self.field_mpp is not None and (limits := self.models.classifier.card.limits):
            self.warnings.append(limits)
        own, given = self.slide.facts.mpp.mean, self.options.mpp
        if given is not None and not math.isclose(own, given, rel_tol=0.02):
            self.warnings.append(f"--mpp {given:g} was not used: the slide says {own:.4g} µm/px of itself")
        if not any_tissue:
            self.warnings.append("no tissue was found on the slide")
        elif not any_circle:
            self.warnings.append("no glomerulus was found")
        if self.unreadable_windows:
            count = f"{self.unreadable_windows} detection windows could not be read in full"
            self.warnings.append(f"{count}: glomeruli may be missing")
        if self.field_mpp is None:
            seen = f"above {UNSCORED_ABOVE_MPP} spikes cannot be seen"
            cause = f"the slide has {self.coarsest_mpp:.2f} µm/px, and {seen}"
            self.warnings.append(f"nothing was scored for spikes: {cause}")
        elif self.coarsest_mpp > WARN_ABOVE_MPP:
            wanted = f"the classifier wants {self.models.classifier.card.mpp:g}"
            cause = f"the slide has {self.coarsest_mpp:.2f} µm/px, and {wanted}"
            self.warnings.append(f"spike probabilities are unreliable: {cause}")

    def _groups(self, circles: Sequence[Circle], readers: ThreadPoolExecutor) -> Iterator["_Group"]:
        """The glomeruli outlined, some at a time; what they are judged by is being read when they come."""
        groups = [circles[first : first + BATCH] for first in range(0, len(circles), BATCH)]
        segmenter, lesions, mpp = self.segmenter, self.models.lesions, self.field_mpp or self.coarsest_mpp
        crops = _one_ahead(self._crops(group, segmenter, readers) for group in groups)
        for number, (group, reading) in enumerate(zip(groups, crops, strict=True)):
            with self.stage("read"):
                cropped = [future.result() for future in reading]
            with self.stage("segment"):
                found = outline_glomeruli(self.slide.facts, cropped, segmenter)
            ids = range(number * BATCH + 1, number * BATCH + 1 + len(group))
            outlines = [self._outline(*one) for one in zip(ids, group, found, strict=True)]
            fields = [readers.submit(_field_around, self.slide, outline, mpp) for outline in outlines]
            yield _Group(
                ids, group, outlines, fields, self._crops(group, lesions, readers) if lesions else []
            )

    def _crops(
        self, circles: Sequence[Circle], model: Model, readers: ThreadPoolExecutor
    ) -> list[Future[Field]]:
        """The crops that a model sees of the glomeruli, to be read."""
        return [readers.submit(crop_of, self.slide, circle, model.card.input_px) for circle in circles]

    def _outline(self, id_: int, circle: Circle, found: Outline | None) -> Outline:
        if found is None:
            self.warnings.append(f"glomerulus {id_}: no outline was found, its circle stands for it")
        return found or outline_of_circle(circle, self.slide.facts)

    def _judged(self, group: "_Group") -> list[Judged]:
        """Some glomeruli pictured and scored together."""
        with self.stage("read"):
            fields = [future.result() for future in group.fields]
        with self.stage("classify"):
            if self.field_mpp is None:
                whole = zip(group.ids, group.circles, group.outlines, fields, strict=True)
                return [Judged(Glomerulus(i, c, o, None), f, None) for i, c, o, f in whole]
            threshold = _threshold(self.models.classifier.card, self.options)
            judged = judge_glomeruli(
                group.ids, group.circles, group.outlines, fields, self.models.classifier, threshold
            )
        for one in judged:
            self._warn_unreadable(one.glomerulus)
        return judged

    def _with_lesions(self, judged: list[Judged], group: "_Group") -> list[Judged]:
        """The same with their lesions, where there are weights to tell them."""
        if self.models.lesions is None:
            return [one.with_lesion(circle.lesion) for one, circle in zip(judged, group.circles, strict=True)]
        with self.stage("read"):
            crops = [future.result() for future in group.lesion_crops]
        with self.stage("lesions"):
            told = tell_lesions(crops, self.models.lesions)
            return [one.with_lesion(own) for one, own in zip(judged, told, strict=True)]

    def _warn_of_lesions(self, detected: Sequence[Glomerulus]) -> None:
        if detected and self.models.lesions is not None and (limits := self.models.lesions.card.limits):
            self.warnings.append(limits)
        sclerosed = [str(one.id) for one in detected if one.is_sclerosed and one.judgement is not None]
        if sclerosed:
            doubt = "a spike score says little of a scar"
            self.warnings.append(f"scored although told to be sclerosed: {', '.join(sclerosed)}; {doubt}")
        if others := [str(one.id) for one in detected if not one.is_glomerulus]:
            self.warnings.append(f"told to be no glomeruli and only in the table: {', '.join(others)}")

    def _warn_unreadable(self, glomerulus: Glomerulus) -> None:
        spikes = glomerulus.spikes
        if spikes is not None and spikes.unreadable_tiles:
            lost = f"{spikes.unreadable_tiles} of {spikes.unreadable_tiles + spikes.tiles} tiles"
            self.warnings.append(f"glomerulus {glomerulus.id}: {lost} could not be read and are not scored")

    def _write_pictures(self, one: Judged, folder: Path) -> Portrait:
        heat = one.heat()
        write_glomerulus_pictures(folder, one.glomerulus, one.field, heat)
        return portray(one.glomerulus, one.field, heat)

    def _finish(self, writing: Sequence[Future[Portrait]]) -> None:
        self.portraits += [one.result() for one in writing]


@dataclass(frozen=True, eq=False)
class _Group:
    """Glomeruli that are worked on together, and the pictures of them that are being read."""

    ids: range
    circles: Sequence[Circle]
    outlines: Sequence[Outline]
    fields: Sequence[Future[Field]]
    lesion_crops: Sequence[Future[Field]]


def _one_ahead(items: Iterable[_Item]) -> Iterator[_Item]:
    """The same items, each made before the last is worked on, so that what it began goes on meanwhile."""
    waiting: deque[_Item] = deque()
    for item in items:
        waiting.append(item)
        if len(waiting) > 1:
            yield waiting.popleft()
    yield from waiting


def _field_around(slide: Slide, outline: Outline, mpp: float) -> Field:
    """A glomerulus with a margin, at `mpp` µm/px."""
    scale = np.array([slide.facts.mpp.x, slide.facts.mpp.y])
    low_um, high_um = outline.polygon0.min(axis=0) * scale, outline.polygon0.max(axis=0) * scale
    # At a whole pixel, so that a picture at the slide's own scale is a copy of it.
    corner_x0, corner_y0 = np.floor((low_um - MARGIN_UM) / scale)
    width_px, height_px = np.ceil((high_um - low_um + 2 * MARGIN_UM) / mpp).astype(int).tolist()
    return read_field(slide, corner_x0, corner_y0, width_px, height_px, mpp)


def _write_annotations(folder: Path, stem: str, result: SlideResult, job: _Job) -> None:
    with job.stage("annotate"):
        write_imagescope(folder / f"{stem}.xml", result)
        write_geojson(folder / f"{stem}.geojson", result)
        write_table(folder / "glomeruli.csv", result)
        write_overview(folder / "overview.png", *job.thumbnail, result)


def _dicom_origin(slide: Slide, settings: RunSettings) -> "Origin":
    from glomspike.annotate.dicom.write import checked_origin

    return checked_origin(slide.path, slide.facts, settings.fingerprint)


def _write_dicom(
    folder: Path,
    stem: str,
    result: SlideResult,
    counts: Counts,
    origin: "Origin",
    settings: RunSettings,
    job: _Job,
) -> None:
    from glomspike.annotate.dicom.write import write_dicom

    run_with = {"threshold": f"{settings.options['threshold']}", **settings.weights}
    with job.stage("annotate"):
        write_dicom(folder, stem, result, counts.model_dump(), origin, run_with)


def _summary(result: SlideResult, tissue: Tissue | None) -> Summary:
    counted = (Counted.of(glomerulus) for glomerulus in result.glomeruli)
    return summarise(counted, None if tissue is None else tissue.area_mm2)


def _write_report(folder: Path, result: SlideResult, counts: Counts, summary: Summary, job: _Job) -> None:
    judging = Judging(job.models.cards, _threshold(job.models.classifier.card, job.options))
    with job.stage("report"):
        write_report(folder, result, counts, summary, job.portraits, job.thumbnail, judging, job.started)


def _record(
    job: _Job, settings: RunSettings, result: SlideResult, counts: Counts, summary: Summary
) -> RunRecord:
    edges = () if job.tissue is None else job.tissue.edges0()
    return RunRecord(
        slide=SlideRecord.of(result.slide, settings.fingerprint),
        options=settings.options,
        weights=settings.weights,
        device=str(job.models.device),
        started=job.started,
        finished=datetime.now(UTC),
        seconds={stage: round(seconds, 3) for stage, seconds in job.seconds.items()},
        counts=counts,
        spikes=Spikes.of(result),
        warnings=result.warnings,
        summary=summary,
        tissue=tuple(tuple((round(x), round(y)) for x, y in edge.tolist()) for edge in edges),
    )
