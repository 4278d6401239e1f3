"""What one stage hands to the next: plain frozen data, positions in level-0 pixels of the whole slide.

Suffixes give the frame and unit: `x0` and `polygon0` are level-0 pixels as OpenSlide counts them, `_um`
is micrometres, `_px` is pixels of a `Field`. A slide's two axes may have different µm/px, so sizes that
must stay round are kept in micrometres.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

RGB = NDArray[np.uint8]  # (height, width, 3)
Mask = NDArray[np.bool_]  # (height, width)
Points = NDArray[np.float64]  # (n, 2), x before y
Scores = NDArray[np.float64]
Call = Literal["spiked", "not spiked", "uncertain"]
Extent = Literal["none", "segmental", "global"]  # of spikes on a glomerulus's membrane
Label = Literal["spiked", "normal", "undetermined"]  # of an annotated glomerulus


@dataclass(frozen=True)
class Mpp:
    """Micrometres per pixel along x and y."""

    x: float
    y: float

    @property
    def mean(self) -> float:
        """The geometric mean of both axes, µm/px: its square is the area of a pixel."""
        return float((self.x * self.y) ** 0.5)


@dataclass(frozen=True)
class Circle:
    """A detected glomerulus: centre in level-0 pixels, radius in micrometres, score in [0, 1].

    `lesion` is what a detector of several classes takes it for.
    """

    x0: float
    y0: float
    radius_um: float
    score: float
    lesion: "Classification | None" = None


@dataclass(frozen=True, eq=False)
class Outline:
    """The outer edge of a glomerulus: a simple closed polygon, first vertex not repeated.

    `polygon0` is (n, 2) in level-0 pixels; `touches_edge` is true where the slide ends inside the
    glomerulus, `is_circle` where there is none to be seen and the detection circle is used instead.
    """

    polygon0: Points
    area_um2: float
    touches_edge: bool
    is_circle: bool = False


@dataclass(frozen=True, eq=False)
class TileScores:
    """Spike probabilities of the tiles of one glomerulus, in reading order.

    `corners0` (n, 2) are the tiles' upper left corners in level-0 pixels, `side_um` their side,
    `probabilities` (n,) in [0, 1], `membrane` (n,) which cross membrane. `unreadable` counts tiles that could
    not be decoded and have no score.
    """

    corners0: Points
    side_um: float
    probabilities: Scores
    unreadable: int
    membrane: NDArray[np.bool_]


@dataclass(frozen=True)
class TopTile:
    """One of the highest-scoring tiles: upper left corner in level-0 pixels, probability."""

    x0: float
    y0: float
    probability: float


@dataclass(frozen=True)
class SlideTile(TopTile):
    """One of the highest-scoring tiles of all glomeruli of a slide, and the id of its glomerulus."""

    glomerulus: int


@dataclass(frozen=True)
class SpikedMembrane:
    """How much of a glomerulus's membrane is spiked: of the tiles that cross some, how many are positive."""

    tiles: int
    positive_tiles: int
    extent: Extent

    @property
    def share(self) -> float:
        """Positive tiles over tiles, NaN without any."""
        return self.positive_tiles / self.tiles if self.tiles else float("nan")


@dataclass(frozen=True, eq=False)
class SpikeScore:
    """The judgement of one glomerulus, from its tiles.

    `probability` in [0, 1] is the highest tile's (any-window rule), `spiked` whether it reaches the
    threshold, `fraction` positive tiles over tiles, `top_tiles` up to four that do not overlap.
    """

    probability: float
    spiked: bool
    fraction: float
    tiles: int
    positive_tiles: int
    unreadable_tiles: int
    tile_side_um: float
    top_tiles: tuple[TopTile, ...]
    call: Call
    membrane: SpikedMembrane


GLOBAL_FROM = 0.5  # of the membrane


@dataclass(frozen=True)
class CallRule:
    """How a spike probability becomes a call: `spiked_from` on spiked, below `not_spiked_below` not spiked.

    What lies between is uncertain. `threshold` is the one cut that knows no doubt, of the column `spiked`.
    Of an uncertain glomerulus the extent is none where a share below `no_extent_below` of its membrane is
    spiked.
    """

    threshold: float
    not_spiked_below: float
    spiked_from: float
    no_extent_below: float = 0.0

    @classmethod
    def of_one_cut(cls, threshold: float) -> "CallRule":
        """The rule by which nothing is uncertain."""
        return cls(threshold, threshold, threshold)

    @property
    def has_doubt(self) -> bool:
        """Whether there are probabilities that it calls uncertain."""
        return self.not_spiked_below < self.spiked_from

    def call(self, probability: float) -> Call:
        """The call of a probability; without one, NaN, it is uncertain."""
        if probability >= self.spiked_from:
            return "spiked"
        return "not spiked" if probability < self.not_spiked_below else "uncertain"

    def extent(self, call: Call, share: float) -> Extent:
        """How far spikes extend over the membrane, of which a share is spiked; none where none are called."""
        if call == "not spiked" or (call == "uncertain" and not share >= self.no_extent_below):
            return "none"
        return "global" if share >= GLOBAL_FROM else "segmental"


StainName = Literal["silver", "PAS", "H&E", "trichrome", "immuno", "other"]
STAINS: tuple[StainName, ...] = get_args(StainName)


@dataclass(frozen=True)
class Stain:
    """The stain of a slide, and how probable it is; without a probability it was given, not measured.

    `measured` is what the colours of the tissue say where another stain or the same was given, None where
    there is too little tissue to measure.
    """

    name: StainName
    probability: float | None = None
    measured: "Stain | None" = None

    @property
    def words(self) -> str:
        """The stain and where it is known from, as in "silver (measured)"."""
        if self.probability is not None:
            return f"{self.name} (measured)"
        if self.measured is None or self.measured.name == self.name:
            return f"{self.name} (given)"
        return f"{self.name} (given; {self.measured.name} by its colours)"


LESION = "lesion"
# Lesions by the names that the shipped weights and Glo-In-One give them.
NON_GLOMERULAR = "non-glomerular"
SCLEROSED = frozenset({"globally sclerosed", "obsolescent", "solidified", "disappearing"})


@dataclass(frozen=True, eq=False)
class Classification:
    """The likeliest of several named classes, and the probability of each.

    `subject` is what is classified, in one word: it names columns, layers and rows ("lesion").
    """

    name: str
    probabilities: dict[str, float]
    subject: str = LESION

    @classmethod
    def likeliest(cls, probabilities: dict[str, float], subject: str = LESION) -> "Classification":
        """The class of the highest probability."""
        return cls(max(probabilities, key=probabilities.__getitem__), probabilities, subject)

    @property
    def probability(self) -> float:
        """That of the likeliest class."""
        return self.probabilities[self.name]


@dataclass(frozen=True, eq=False)
class Glomerulus:
    """Everything found about one glomerulus.

    `spikes` is None where the slide cannot be scored; `classifications` are what optional models found, each
    of a separate subject. `sharpness` is the contrast of its finest edges over that of coarser ones, None
    where it was not measured; `is_blurred` where it is too low for a call.
    """

    id: int
    circle: Circle
    outline: Outline
    spikes: SpikeScore | None
    classifications: tuple[Classification, ...] = ()
    sharpness: float | None = None
    is_blurred: bool = False

    @property
    def lesion(self) -> Classification | None:
        """Its lesion, None where no model classifies lesions."""
        return next((found for found in self.classifications if found.subject == LESION), None)

    @property
    def is_glomerulus(self) -> bool:
        """False where the lesion model classified it as non-glomerular."""
        return self.lesion is None or self.lesion.name != NON_GLOMERULAR

    @property
    def is_sclerosed(self) -> bool:
        """Whether it is globally sclerosed, so that its spike score means little."""
        return self.lesion is not None and self.lesion.name in SCLEROSED

    @property
    def judgement(self) -> SpikeScore | None:
        """The score, or None where not one tile could be scored: a blank must not pass for "no spikes"."""
        return self.spikes if self.spikes is not None and self.spikes.tiles else None


@dataclass(frozen=True)
class SlideFacts:
    """What is known of a slide: size and bounds in level-0 pixels, scale, vendor.

    `mpp` is the scale that is used, `file_mpp` what the file says, None where it says nothing.
    """

    name: str
    vendor: str
    width0: int
    height0: int
    mpp: Mpp
    bounds_x0: int
    bounds_y0: int
    bounds_width0: int
    bounds_height0: int
    file_mpp: Mpp | None = None


@dataclass(frozen=True, eq=False)
class SlideResult:
    """All glomeruli of a slide in reading order, and what the reader should be warned of.

    `others` were detected, but classified as non-glomerular. `unreadable_windows` counts the detector's
    windows that could not be read in full. `stain` is None where it could not be measured.
    """

    slide: SlideFacts
    glomeruli: tuple[Glomerulus, ...]
    warnings: tuple[str, ...]
    others: tuple[Glomerulus, ...] = ()
    unreadable_windows: int = 0
    stain: Stain | None = None

    @property
    def detected(self) -> tuple[Glomerulus, ...]:
        """Glomeruli and others."""
        return self.glomeruli + self.others


@dataclass(frozen=True)
class SlideRow:
    """What became of one slide of a folder: a row of `summary.csv`, a card of `index.html`.

    `slide` is its path relative to the input folder and `folder` that of its results relative to OUT, both
    with forward slashes. `skipped` means that complete results of the same settings stood there before,
    `omitted` that it is a plain picture without a scale, which may be no slide at all. `seconds` is what the
    work on it took, in the earlier run where it was skipped. All but the first three are None where it failed
    or was omitted; `cause` says why, and what to do, in one line, and is else empty. `spiked_low` and
    `spiked_high` are the 95 % interval of the share of spiked glomeruli, `adequacy` is the verdict on their
    number by Banff's rule; `extent_` columns count glomeruli by the extent of spikes. `stain` is in words,
    `sharpness` the median of scored glomeruli, `out_of_focus` how many of them are too blurred for a call.
    """

    slide: str
    status: Literal["done", "skipped", "failed", "omitted"]
    cause: str
    folder: str | None = None
    mpp: float | None = None
    glomeruli: int | None = None
    scored: int | None = None
    spiked: int | None = None
    tiles: int | None = None
    positive_tiles: int | None = None
    spike_fraction: float | None = None
    top_tiles: tuple[SlideTile, ...] | None = None
    unreadable_windows: int | None = None
    unreadable_tiles: int | None = None
    warnings: int | None = None
    seconds: float | None = None
    whole: int | None = None
    sclerosed: int | None = None
    spiked_low: float | None = None
    spiked_high: float | None = None
    uncertain: int | None = None
    median_area_um2: float | None = None
    median_diameter_um: float | None = None
    tissue_mm2: float | None = None
    glomeruli_per_mm2: float | None = None
    adequacy: str | None = None
    extent_none: int | None = None
    extent_segmental: int | None = None
    extent_global: int | None = None
    stain: str | None = None
    sharpness: float | None = None
    out_of_focus: int | None = None
