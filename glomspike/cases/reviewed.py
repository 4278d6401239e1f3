"""How a case stands after review: distinct glomeruli, called as a reviewer called their profiles."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from glomspike.findings import Call
from glomspike.results.case_record import CaseGlomerulus, CaseReview
from glomspike.results.findings import SlideFindings
from glomspike.review.summary import Review, ReviewedRow, read_review

STRONGEST: tuple[Call, ...] = ("spiked", "uncertain", "not spiked")  # the first that a profile has counts
_Rows = Mapping[tuple[str, str], ReviewedRow]  # by image and the glomerulus's id there


def reviews_of(found: Mapping[str, SlideFindings], folders: Mapping[str, Path]) -> dict[str, Review]:
    """The reviews of slides by image, given their findings and the folders of their results."""
    read = {image: read_review(folders[image]) for image in found}
    return {
        image: review
        for image, review in read.items()
        if review is not None and review.fingerprint == found[image].record.slide.fingerprint
    }


def case_reviews(
    glomeruli: Sequence[CaseGlomerulus], reviews: Mapping[str, Review], scored: Collection[str]
) -> tuple[CaseReview, ...]:
    """What each reviewer makes of a case's glomeruli; `scored` are the images that are scored for spikes.

    Where a reviewer did not look, the run's findings stand. What was drawn, or made a glomerulus again, is
    matched to nothing, and counts each for itself.
    """
    names = dict.fromkeys(name for review in reviews.values() for name in review.reviewers)
    return tuple(_review(name, glomeruli, reviews, scored) for name in names)


def _review(
    name: str, glomeruli: Sequence[CaseGlomerulus], reviews: Mapping[str, Review], scored: Collection[str]
) -> CaseReview:
    theirs = {image: one.reviewers[name] for image, one in reviews.items() if name in one.reviewers}
    rows = {(image, row.id): row for image, one in theirs.items() for row in one.glomeruli}
    calls = [list(_calls(one, rows, scored)) for one in glomeruli]
    matched = {(profile.image, str(profile.id)) for one in glomeruli for profile in one.profiles}
    added = [row for place, row in rows.items() if row.is_glomerulus and place not in matched]
    there = [
        *(next((call for call in STRONGEST if call in each), None) for each in calls if each),
        *(row.call for row in added),
    ]
    return CaseReview(
        reviewer=name,
        slides=len(theirs),
        complete=set(scored) <= theirs.keys()
        and all(one.counts.reviewed == one.counts.listed for one in theirs.values()),
        glomeruli=len(there),
        spiked=there.count("spiked"),
        not_spiked=there.count("not spiked"),
        uncertain=there.count("uncertain"),
        added=len(added),
        removed=len(calls) - sum(map(bool, calls)),
    )


def _calls(one: CaseGlomerulus, rows: _Rows, scored: Collection[str]) -> Iterator[Call | None]:
    """The call of each profile that is one of a glomerulus; None where it has none, as in other stains."""
    for profile in one.profiles:
        row = rows.get((profile.image, str(profile.id)))
        if row is None:
            yield profile.call
        elif row.is_glomerulus:
            yield row.call if profile.image in scored else None
