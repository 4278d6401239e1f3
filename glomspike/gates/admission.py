"""What is known of a slide before its glomeruli are scored: its stain and light, and whether it is kidney."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from glomspike.findings import RGB, Circle, Glomerulus, Stain, StainName
from glomspike.gates.kidney import perhaps_no_kidney
from glomspike.gates.stain import SILVER, StainGate, load_stain_gate
from glomspike.gates.tissue_fields import tissue_fields
from glomspike.slide.field import RegionReader
from glomspike.slide.light import is_dark_field
from glomspike.slide.tissue import Tissue

SURELY = 0.95  # probability of a measured stain, from which a slide given as another is warned of


@dataclass(frozen=True)
class Admission:
    """Whether a slide can be scored for spikes, and how far its calls can be trusted.

    `any_found` is whether there is a glomerulus to call.
    """

    stain: Stain | None
    any_found: bool = True
    is_dark: bool = False
    perhaps_no_kidney: bool = False

    @property
    def is_scored(self) -> bool:
        """Whether spikes are looked for: in silver, and where the stain cannot be measured."""
        return self.stain is None or self.stain.name == SILVER

    @property
    def is_doubtful(self) -> bool:
        """Whether every call on the slide is uncertain."""
        return self.is_dark or self.perhaps_no_kidney or self.stain is None

    def warnings(self) -> Iterator[str]:
        """What a reader should know of it, a sentence each."""
        if self.is_dark:
            kinds = "as in fluorescence, dark field or inverted colours"
            yield f"the background of the slide is dark, {kinds}: its results are meaningless"
        if self.perhaps_no_kidney:
            yield "no sure glomerulus was found: this may not be kidney cortex, and every call is uncertain"
        if self.stain is None and self.any_found:
            yield (
                "the stain could not be measured, for want of tissue or of colour, and every call is "
                "uncertain; --stain silver says that it is silver"
            )
        if self.stain is not None and not self.is_scored:
            scored = "" if self.stain.probability is None else "; --stain silver scores all the same"
            yield (
                f"nothing was scored for spikes, which silver alone shows: the stain is {self.stain.words}"
                f"{scored}"
            )
        if self.stain is not None and (measured := contradicting(self.stain)) is not None:
            yield (
                f"the stain was given as {self.stain.name}, but the colours are those of {measured.name} "
                f"(probability {measured.probability:.2f}): check that the slide is the right one"
            )


def stain_of(slide: RegionReader, tissue: Tissue | None, given: StainName | None) -> Stain | None:
    """The stain of a slide: the one given, else that of its tissue; None where there is too little tissue.

    That of the tissue is measured in either case.
    """
    fields = tissue_fields(slide, tissue)
    measured = _gate().stain(fields) if fields else None
    return measured if given is None else Stain(given, measured=measured)


def admission(
    stain: Stain | None,
    thumbnail: RGB,
    circles: Sequence[Circle],
    threshold: float,
    tissue: Tissue | None,
) -> Admission:
    """What is known of a slide, given its picture small, and the detections and the detector's threshold.

    Without `tissue` it is a picture of one glomerulus, whose light and organ are not judged.
    """
    if tissue is None:
        return Admission(stain)
    any_found = bool(circles)
    is_kidney_doubtful = perhaps_no_kidney(circles, threshold, tissue.area_mm2)
    return Admission(stain, any_found, is_dark_field(thumbnail), is_kidney_doubtful)


def contradicting(stain: Stain) -> Stain | None:
    """The measured stain of a slide given as another; None where the two do not surely contradict each other.

    They do where only one of them is silver: other stains resemble each other too much to say so.
    """
    measured = stain.measured
    if measured is None or (measured.name == SILVER) == (stain.name == SILVER):
        return None
    return measured if (measured.probability or 0.0) >= SURELY else None


@cache
def _gate() -> StainGate:
    return load_stain_gate()


def blurred_warning(glomeruli: Sequence[Glomerulus]) -> Iterator[str]:
    """Which glomeruli are out of focus."""
    blurred = [str(one.id) for one in glomeruli if one.is_blurred and one.judgement is not None]
    if blurred:
        yield f"out of focus, so that their call is uncertain: {', '.join(blurred)}"
