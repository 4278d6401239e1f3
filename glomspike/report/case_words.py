"""What the reports of a case say of it in words: the same in HTML and PDF, all from its record."""

from collections import Counter
from collections.abc import Iterator

from glomspike.report.summary_rows import Fact, summary_rows
from glomspike.results.case_record import CaseGlomerulus, CaseRecord, CaseReview, ImageRecord

SURE = 0.95  # of a match; less is said to be unsure
RESEARCH = "For research use only: not a medical device, not for diagnosis."
# What no model analyses, whatever the slides.
NEVER = "tubules, interstitium, vessels; of glomeruli all but membranous spikes and global sclerosis"


def case_summary(record: CaseRecord) -> Iterator[Fact]:
    """The numbers of a case, each with what it means."""
    yield from summary_rows(record.summary)
    yield "Levels", _levels(record)
    sections = record.sections
    if sections.tissue_mm2 is not None:
        density = sections.profiles_per_mm2
        per_mm2 = "" if density is None else f", {density:.2f} profiles per mm²"
        yield "All sections", f"{sections.tissue_mm2:.2f} mm² of tissue{per_mm2}"
    for review in record.reviews:
        yield (
            f"{'Reviewed' if review.complete else 'Partly reviewed'} by {review.reviewer}",
            _reviewed(review),
        )


def _reviewed(review: CaseReview) -> str:
    """What a reviewer makes of the case."""
    called = review.spiked + review.not_spiked + review.uncertain
    parts = [f"{review.spiked} of {called} spiked"]
    for count, what in (
        (review.uncertain, "uncertain"),
        (review.added, "added, not matched to other levels"),
        (review.removed, "removed"),
    ):
        parts += [f"{count} {what}"] * bool(count)
    return f"{', '.join(parts)}; {review.slides} slide{'s' * (review.slides != 1)} reviewed"


def _levels(record: CaseRecord) -> str:
    several = [one for one in record.glomeruli if len(one.profiles) > 1]
    profiles = sum(len(one.profiles) for one in record.glomeruli)
    said = f"{profiles} profiles of {len(record.glomeruli)} glomeruli"
    if not several:
        return f"{said}; no two profiles were matched"
    unsure = sum(one.certainty < SURE for one in several)
    least = f"{100 * SURE:.0f} % certainty"
    doubt = (
        f"{unsure} of them matched with less than {least}" if unsure else f"all matched with {least} or more"
    )
    return f"{said}: {len(several)} were found on two sections or more, {doubt}"


def glomerulus_words(one: CaseGlomerulus) -> str:
    """What is said of a distinct glomerulus."""
    parts: list[str] = [one.call or "not scored"]
    if one.spike_probability is not None:
        parts[0] += f", probability {one.spike_probability:.2f}"
    if one.extent in ("segmental", "global"):
        parts.append(f"spikes {one.extent}")
    if one.sclerosed:
        parts.append("globally sclerosed")
    if one.disagreement:
        parts.append("profiles differ in sclerosis")
    return "; ".join(parts)


def match_words(one: CaseGlomerulus) -> str:
    """How sure it is that a glomerulus's profiles belong together; empty for a single profile."""
    if len(one.profiles) == 1:
        return ""
    return f"matched with at least {certainty_percent(one)} % certainty"


def certainty_percent(one: CaseGlomerulus) -> int:
    """How sure it is that a glomerulus's profiles belong together, at most 99."""
    return min(int(100 * one.certainty), 99)


def date_words(record: CaseRecord) -> str:
    """When the case was put together."""
    return f"{record.made:%Y-%m-%d %H:%M} UTC"


def slide_numbers(record: CaseRecord) -> dict[str, int]:
    """A short number for each image, in the order of the record."""
    return {image.image: number for number, image in enumerate(record.images, start=1)}


def unseen_words(record: CaseRecord) -> list[str]:
    """What was not analysed: in this case, and in any."""
    sclerosis = [] if record.summary.sclerosed.of else ["global sclerosis, for which there are no weights"]
    return [*record.unseen, *sclerosis, NEVER]


def warning_words(record: CaseRecord) -> list[str]:
    """The case's warnings, then those of its slides, which are said once where several slides have them."""
    numbers = slide_numbers(record)
    said: dict[str, list[int]] = {}
    for image in record.images:
        for warning in image.warnings:
            said.setdefault(warning, []).append(numbers[image.image])
    done = sum(image.status == "done" for image in record.images)
    return [*record.warnings, *(f"{_slides(where, done)}: {warning}" for warning, where in said.items())]


def _slides(numbers: list[int], done: int) -> str:
    if len(numbers) == done and done > 1:
        return "all slides"
    return f"slide{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def scale_words(image: ImageRecord) -> str:
    """The µm/px of an image, empty where it was not done."""
    if image.mpp_x is None or image.mpp_y is None:
        return ""
    same = image.mpp_x == image.mpp_y
    return f"{image.mpp_x:.4g}" if same else f"{image.mpp_x:.4g} × {image.mpp_y:.4g}"


def stain_words(image: ImageRecord) -> str:
    """The stain or antibody of an image: by the table, by measure, or by both where these differ."""
    said = image.marker or image.modality
    if image.stain is None:
        return said
    if image.stain.basis == "measured":
        return f"{said} (measured)"
    measured = image.stain.measured
    return said if measured in (None, image.stain.name) else f"{said} ({measured} by its colours)"


def focus_words(image: ImageRecord) -> str:
    """How sharp the scored glomeruli of an image are, empty where none was scored."""
    if image.focus is None or image.focus.median_sharpness is None:
        return ""
    blurred = f", {image.focus.out_of_focus} blurred" if image.focus.out_of_focus else ""
    return f"{image.focus.median_sharpness:.2f}{blurred}"


def meaning_words(record: CaseRecord) -> Iterator[str]:
    """How the numbers are meant, and how far they can be trusted."""
    yield (
        "Intervals (95 %, Wilson) show the uncertainty that comes from few glomeruli. They do not include "
        "the errors of glomeruli that were missed or misclassified."
    )
    yield (
        "A glomerulus that several levels show counts once. It is spiked if one of its profiles in silver "
        "is, sclerosed if most of its profiles are, and as large as its largest profile."
    )
    if record.summary.extents is not None:
        yield (
            "The extent of spikes is global where half or more of the membrane on all profiles in silver "
            "shows them, segmental where less does."
        )
    if record.summary.focus is not None:
        yield (
            "Focus is the contrast of the finest edges of a glomerulus over that of coarser ones, mostly 0.4 "
            "to 1.2; a profile below 0.3 is blurred and its call uncertain."
        )
    if any(image.warnings for image in record.images):
        yield (
            "Warnings of a slide name glomeruli by that slide's numbers, which differ from this report's: a "
            "profile 2/5 is number 5 of slide 2."
        )
    if record.threshold is not None:
        yield _probability(record)


def _probability(record: CaseRecord) -> str:
    called = f"A glomerulus is called spiked from a spike probability of {record.threshold:.2f}."
    if record.spiked_from is not None and record.not_spiked_below is not None:
        called = (
            f"A glomerulus is called spiked from a spike probability of {record.spiked_from:.2f}, not spiked "
            f"below {record.not_spiked_below:.2f}, uncertain between."
        )
    classifier = record.weights.get("classifier")
    if classifier is None or classifier.calibrated_on is None:
        return f"{called} Probabilities are not calibrated: use them only to rank glomeruli."
    data = classifier.calibrated_on
    return f"{called} Probabilities were calibrated on {data}; on other slides they may be off."


def slides_words(record: CaseRecord) -> str:
    """How many images there are of each stain or antibody, and how many of all were done."""
    kinds = Counter(image.marker or image.modality for image in record.images)
    done = sum(image.status == "done" for image in record.images)
    each = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    return f"{len(record.images)} ({each}), {done} of them evaluated"
