"""The codes by which DICOM objects name what was found: standard ones, and the scheme 99GLOMSPIKE."""

import re
from collections.abc import Mapping

from highdicom import AlgorithmIdentificationSequence
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from glomspike import __version__
from glomspike.findings import Call, Extent

SCHEME = "99GLOMSPIKE"
SCHEMES = (
    CodingSchemeIdentificationItem(
        SCHEME, name="Findings of glomspike", version=__version__, responsible_organization="glomspike"
    ),
    CodingSchemeIdentificationItem(
        "UBERON", name="Uberon Ontology", registry="HL7", uid="1.2.840.10008.2.16.6"
    ),
)
_LONGEST = 64  # characters of a label or a meaning


def short_text(text: str) -> str:
    """Text as DICOM's short fields hold it: no backslash, no control characters, at most 64 characters."""
    return re.sub(r"[\\\x00-\x1f\x7f]", " ", text)[:_LONGEST].strip()


def _private(value: str, meaning: str) -> CodedConcept:
    return CodedConcept(value, SCHEME, short_text(meaning))


GLOMERULUS = Code("UBERON:0000074", "UBERON", "renal glomerulus")
KIDNEY = codes.SCT.Kidney
STRUCTURE, ABNORMALITY = codes.SCT.AnatomicalStructure, codes.SCT.MorphologicallyAbnormalStructure
SPIKE_TILE = _private("spike-tile", "Tile that looks like membranous spikes")

NO_UNITS, MICROMETRE, SQUARE_MICROMETRE = (
    codes.UCUM.NoUnits,
    codes.UCUM.Micrometer,
    codes.UCUM.SquareMicrometer,
)
NUMBER = _private("glomerulus", "Number of the glomerulus")
SPIKE_PROBABILITY = _private("spike-chance", "Probability of membranous spikes")
SPIKE_FRACTION = _private("spike-fraction", "Proportion of tiles that look like spikes")
AREA, RADIUS = codes.SCT.Area, codes.SCT.Radius
# The numbers that viewers show with a shape, by their names there.
MEASURES = {
    "Detection score": (_private("detection-score", "Detection score of the glomerulus"), NO_UNITS),
    "Radius µm": (RADIUS, MICROMETRE),
    "Area µm²": (AREA, SQUARE_MICROMETRE),
    "Spike probability": (SPIKE_PROBABILITY, NO_UNITS),
    "Spike fraction": (SPIKE_FRACTION, NO_UNITS),
    "Spiked membrane": (_private("spiked-membrane", "Share of spiked membrane, by tiles"), NO_UNITS),
    "Lesion probability": (_private("lesion-chance", "Probability of the lesion"), NO_UNITS),
}

CALL = _private("call", "Call on membranous spikes")
SPIKED = _private("spiked", "Membranous spikes")
NOT_SPIKED = _private("not-spiked", "No membranous spikes")
UNCERTAIN = _private("uncertain", "Uncertain membranous spikes")
NOT_SCORED = _private("not-scored", "Not scored for membranous spikes")
CALLS: dict[Call, CodedConcept] = {"spiked": SPIKED, "not spiked": NOT_SPIKED, "uncertain": UNCERTAIN}
EXTENT = _private("extent", "Extent of membranous spikes")
EXTENTS: dict[Extent, CodedConcept] = {
    "none": _private("extent-none", "No extent"),
    "segmental": _private("extent-segmental", "Segmental: less than half of the membrane"),
    "global": _private("extent-global", "Global: half of the membrane or more"),
}
LESION = _private("lesion", "Lesion of the glomerulus")
# The counts of `run.json`, by their names there.
TOTALS = {
    "glomeruli": _private("glomeruli", "Number of glomeruli found"),
    "scored": _private("scored", "Number of glomeruli scored for spikes"),
    "spiked": _private("spiked-glomeruli", "Number of glomeruli with spikes"),
    "uncertain": _private("uncertain-glomeruli", "Number of glomeruli with uncertain spikes"),
    "tiles": _private("tiles", "Number of tiles scored"),
    "positive_tiles": _private("positive-tiles", "Number of tiles that look like spikes"),
    "spike_fraction": SPIKE_FRACTION,
}


def lesion_code(name: str) -> CodedConcept:
    """The code of a lesion, whose name the weights give it."""
    return _private(re.sub(r"\W+", "-", name.casefold()).strip("-") or "unnamed", name)


def algorithm(parameters: Mapping[str, str]) -> AlgorithmIdentificationSequence:
    """What found the glomeruli, and what it was run with."""
    version, family = __version__, codes.DCM.ArtificialIntelligence
    return AlgorithmIdentificationSequence("glomspike", family, version, "glomspike", dict(parameters))
