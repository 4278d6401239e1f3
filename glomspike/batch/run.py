"""All slides of a folder, each done once, and the summary of what became of them."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from glomspike.findings import SlideRow
from glomspike.report.index import check_index, write_index
from glomspike.results.summary import check_summary, write_summary
from glomspike.slide.find import FoundSlide


class Workers(Protocol):
    """Whoever does the work: processes of this machine, or a cluster."""

    def rows(self, slides: Sequence[FoundSlide], wait: bool) -> Iterator[tuple[FoundSlide, SlideRow | None]]:
        """Each slide with its row as soon as it is finished; None where another run is working on it."""
        ...


def run_batch(
    slides: Sequence[FoundSlide], workers: Workers, out: Path, show: Callable[[SlideRow], None]
) -> list[SlideRow]:
    """The rows of all slides in their order, each shown when it is finished; writes summary and index.

    Slides that another run is working on are left for the end, and waited for there. Raises OutputError,
    before any work, where files of these names are in OUT that glomspike did not write.
    """
    check_summary(out)
    check_index(out)
    rows: dict[FoundSlide, SlideRow] = {}
    busy: Sequence[FoundSlide] = slides
    for wait in (False, True):
        left = []
        for slide, row in workers.rows(busy, wait):
            if row is None:
                left.append(slide)
            else:
                rows[slide] = row
                show(row)
        busy = left
    ordered = [rows[slide] for slide in slides]
    write_summary(out, ordered)
    write_index(out, ordered)
    return ordered
