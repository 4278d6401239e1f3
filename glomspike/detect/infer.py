"""The glomeruli of a slide as circles."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from glomspike.detect.again import corrected, has_second_look, least_score_at_first
from glomspike.detect.scan import BATCH, decoded, likely
from glomspike.detect.second_look import CONTEXT, SIDE_PX
from glomspike.detect.windows import SLACK_UM, Window, merged, windows_on
from glomspike.errors import SlideError
from glomspike.findings import RGB, Circle, Classification, SlideFacts
from glomspike.geometry.frames import FieldFrame
from glomspike.networks.ahead import one_ahead
from glomspike.networks.models import Model
from glomspike.results.stopwatch import Stopwatch
from glomspike.slide.field import Field, read_field
from glomspike.slide.reader import Slide
from glomspike.slide.tissue import Tissue, find_tissue

READERS = 4
ALL_BUT_ROUNDING = 0.95  # of a slide's pixels: those at its border may count as read
# Windows read ahead of the device: enough to keep it busy, few enough to stay small in memory.
READ_AHEAD = 4 * BATCH


@dataclass(frozen=True)
class Search:
    """Circles in reading order, how many windows could not be read in full, and the tissue searched."""

    circles: tuple[Circle, ...]
    unreadable_windows: int = 0
    tissue: Tissue | None = None

    @property
    def any_tissue(self) -> bool:
        """False where a search found no tissue at all."""
        return self.tissue is None or bool(self.tissue.mask.any())


def search(
    slide: Slide,
    detector: Model,
    progress: Callable[[str, int, int], None],
    watch: Stopwatch,
    magnified: float = 1.0,
) -> Search:
    """All glomeruli of a slide: its tissue, then `detect` on that. Raises SlideError as `detect` does."""
    with watch("tissue"):
        tissue = find_tissue(slide)
    with watch("detect"):
        return detect(slide, tissue, detector, partial(progress, "detect"), magnified)


def detect(
    slide: Slide,
    tissue: Tissue,
    detector: Model,
    progress: Callable[[int, int], None],
    magnified: float = 1.0,
) -> Search:
    """All glomeruli on a slide's tissue, one circle each, with scores from the detector's threshold on.

    A detector of two stages sees again what the first takes for one. Windows of its µm/px are read ahead by
    threads while the device works. What of a window cannot be decoded is white to the detector, and the
    window is counted. `progress` gets how many windows are done, and of how many. Raises SlideError where
    nothing of the slide can be decoded: that it has no glomeruli would look like a result.

    `magnified` is how much finer than on its card the detector looks (`sizes.magnification`).
    """
    seen_mpp, least_score = detector.card.mpp, least_score_at_first(detector.card)
    mpp = seen_mpp / magnified  # lengths between glomeruli grow with them: they are those at `seen_mpp`
    facts = slide.facts
    frame = FieldFrame.at(facts.bounds_x0, facts.bounds_y0, facts.mpp, mpp)
    windows = _on_tissue(slide, tissue, frame, detector.card.input_px, seen_mpp)
    classes = detector.card.classes
    owned = [np.zeros((0, 4 + len(classes) * (len(classes) > 1)))]
    unreadable, lost_px, done = 0, 0, 0
    progress(done, len(windows))
    with ThreadPoolExecutor(READERS) as pool:
        begun = (
            (some, fields, decoded(detector.network, [f.pixels for f in fields], detector.card.normalisation))
            for some, fields in _batches(pool, slide, windows, frame, mpp)
        )
        for some, fields, circles_of in one_ahead(begun):
            unreadable += sum(not field.readable.all() for field in fields)
            lost_px += sum(int((~field.readable).sum()) for field in fields)
            for window, circles in zip(some, likely(circles_of), strict=True):
                circles[:, :2] += (window.x_px, window.y_px)
                owned.append(
                    circles[window.owns(circles, SLACK_UM / seen_mpp) & (circles[:, 3] >= least_score)]
                )
            done += len(some)
            progress(done, len(windows))
        found_px = merged(np.concatenate(owned))
        if has_second_look(detector.card):
            found_px = _seen_again(pool, slide, found_px, frame, mpp, detector)
    if lost_px and lost_px >= ALL_BUT_ROUNDING * _on_slide_px(windows, facts, frame):
        cause = "not one region of it can be decoded"
        raise SlideError(slide.path, cause, "check that it was copied whole, and copy it again")
    shown_px = found_px[found_px[:, 3] >= detector.card.thresholds["score"]]
    on_slide_px = _on_slide(shown_px, frame, facts, seen_mpp)
    return Search(_circles(on_slide_px, frame, mpp, classes), unreadable, tissue)


def _seen_again(
    pool: ThreadPoolExecutor,
    slide: Slide,
    found_px: NDArray[np.float64],
    frame: FieldFrame,
    mpp: float,
    detector: Model,
) -> NDArray[np.float64]:
    """Scored circles as the detector's second stage leaves them; they are in the scan's pixels, of `mpp`."""

    def shown(circle_px: NDArray[np.float64]) -> RGB:
        reach_px = CONTEXT * circle_px[2]
        ((x0, y0),) = frame.to_level0(circle_px[None, :2] - reach_px)
        return read_field(slide, x0, y0, SIDE_PX, SIDE_PX, 2 * reach_px * mpp / SIDE_PX).pixels

    pictures = list(pool.map(shown, found_px))
    return corrected(detector.network, found_px, pictures, detector.card.mpp, detector.card.normalisation)


def _on_tissue(slide: Slide, tissue: Tissue, frame: FieldFrame, side_px: int, mpp: float) -> Sequence[Window]:
    """Windows over the tissue within the slide's bounds."""
    facts = slide.facts
    width_px = max(1, round(facts.bounds_width0 / frame.scale_x0))
    height_px = max(1, round(facts.bounds_height0 / frame.scale_y0))
    return windows_on(tissue.mask, width_px, height_px, side_px, mpp)


def _on_slide_px(windows: Sequence[Window], slide: SlideFacts, frame: FieldFrame) -> float:
    """How many pixels of the windows lie on the slide."""
    corners0 = frame.to_level0(np.array([[window.x_px, window.y_px] for window in windows], dtype=np.float64))
    sides0 = np.array([[window.side_px] for window in windows]) * [frame.scale_x0, frame.scale_y0]
    ends0 = np.minimum(corners0 + sides0, [slide.width0, slide.height0])
    return float(((ends0 - corners0) / [frame.scale_x0, frame.scale_y0]).prod(axis=1).sum())


def _batches(
    pool: ThreadPoolExecutor, slide: Slide, windows: Sequence[Window], frame: FieldFrame, mpp: float
) -> Iterator[tuple[Sequence[Window], list[Field]]]:
    """The windows a batch at a time with their fields, in order; never more than `READ_AHEAD` in memory."""

    def read(window: Window) -> Field:
        ((x0, y0),) = frame.to_level0(np.array([[window.x_px, window.y_px]]))
        return read_field(slide, x0, y0, window.side_px, window.side_px, mpp)

    waiting: deque[Future[Field]] = deque(pool.submit(read, window) for window in windows[:READ_AHEAD])
    for first in range(0, len(windows), BATCH):
        some = windows[first : first + BATCH]
        fields = [waiting.popleft().result() for _ in some]
        ahead = first + READ_AHEAD
        waiting.extend(pool.submit(read, window) for window in windows[ahead : ahead + len(some)])
        yield some, fields


def _on_slide(
    found_px: NDArray[np.float64], frame: FieldFrame, facts: SlideFacts, mpp: float
) -> NDArray[np.float64]:
    """Scored circles (n, 4) with their centres on the slide; those more than a slip beyond it are dropped.

    The centre of a glomerulus that the slide cuts in half is at its very edge.
    """
    slide_px = np.array([facts.bounds_width0 / frame.scale_x0, facts.bounds_height0 / frame.scale_y0])
    moved_px = found_px.copy()
    moved_px[:, :2] = np.clip(found_px[:, :2], 0, slide_px)
    slip_px = np.abs(moved_px - found_px).max(axis=1, initial=0)
    return np.asarray(moved_px[slip_px <= SLACK_UM / mpp])


def _circles(
    found_px: NDArray[np.float64], frame: FieldFrame, mpp: float, classes: Sequence[str]
) -> tuple[Circle, ...]:
    """Circles on the slide in reading order, of scored circles (columns of `decode`) in the scan's pixels."""
    centres0 = frame.to_level0(found_px[:, :2])
    circles = [
        Circle(float(x0), float(y0), radius_px * mpp, score, _lesion(classes, shares))
        for (x0, y0), (_, _, radius_px, score, *shares) in zip(centres0, found_px.tolist(), strict=True)
    ]
    return tuple(sorted(circles, key=lambda circle: (circle.y0, circle.x0)))


def _lesion(classes: Sequence[str], shares: Sequence[float]) -> Classification | None:
    """What a detector of several classes says of a glomerulus; None where it knows glomeruli only."""
    return Classification.likeliest(dict(zip(classes, shares, strict=True))) if shares else None
