"""What images of a biopsy may be, as typed in `samples.csv` and `cases.csv`: modality, marker, µm/px."""

from typing import TYPE_CHECKING, Literal, get_args

from glomspike.errors import SamplesError

if TYPE_CHECKING:
    from glomspike.findings import StainName

Modality = Literal[
    "om", "if", "tem"
]  # light microscopy, immunofluorescence, transmission electron microscopy
MODALITIES: tuple[Modality, ...] = get_args(Modality)
SILVER = "silver"
MARKERS: dict[Modality, tuple[str, ...]] = {
    "om": (SILVER, "pas", "masson", "he", "jones"),
    "if": ("IgG", "IgA", "IgM", "C3", "C1q", "kappa", "lambda", "fibrinogen"),
    "tem": (),
}
# Jones' stain is one of silver, too; it is scored, but no case's call is taken from it.
STAIN_OF_MARKER: dict[str, "StainName"] = {
    SILVER: "silver",
    "jones": "silver",
    "pas": "PAS",
    "he": "H&E",
    "masson": "trichrome",
}
NAMES: dict[Modality, str] = {"om": "light", "if": "fluorescence", "tem": "electron"}  # microscopy
MPP_LIMITS: dict[Modality, tuple[float, float]] = {
    "om": (0.05, 20.0),
    "if": (0.05, 20.0),
    "tem": (0.0003, 0.06),
}
NM_PER_UM = 1000.0
# Where electron-dense deposits lie: in a mask of a micrograph, grey level 1 is the first, and so on.
DepositPlace = Literal["subepithelial", "intramembranous", "subendothelial", "mesangial"]
DEPOSIT_PLACES: tuple[DepositPlace, ...] = get_args(DepositPlace)
# Where an antibody binds in a glomerulus, and how strongly: 0 is nothing, 3 the most.
BindingSite = Literal["loops", "mesangium", "mesangium and loops"]
STRONGEST = 3


def modality_of(cell: str, place: str) -> Modality:
    """The modality that a cell names in any capitals, `om` where it is empty.

    Raises SamplesError for another; `place` says which row it is in.
    """
    typed = cell.strip().casefold() or "om"
    for modality in MODALITIES:
        if typed == modality:
            return modality
    raise SamplesError(place, f"has the unknown modality {cell!r}", "give om, if or tem")


def marker_of(cell: str, modality: Modality, place: str) -> str | None:
    """The stain or antibody that a cell names in any capitals, spelled as in MARKERS; None where it is empty.

    Raises SamplesError for one that images of this modality cannot have.
    """
    typed = cell.strip()
    if not typed:
        return None
    known = MARKERS[modality]
    if not known:
        raise SamplesError(
            place, f"has the marker {typed!r}, and is an electron micrograph", "leave it empty"
        )
    for marker in known:
        if typed.casefold() == marker.casefold():
            return marker
    word = "stain" if modality == "om" else "antibody"
    raise SamplesError(place, f"has the unknown {word} {typed!r}", f"give {', '.join(known)}")


def check_scale(mpp: float, modality: Modality, place: str) -> None:
    """Raises SamplesError for µm/px that no image of this modality has, such as nm/px of a micrograph."""
    least, most = MPP_LIMITS[modality]
    if least <= mpp <= most:
        return
    in_um = mpp / NM_PER_UM
    meant_nm = modality == "tem" and least <= in_um <= most
    cure = f"give µm/px, not nm/px: {in_um:g}" if meant_nm else "correct it, or leave it empty"
    usual = f"{NAMES[modality]} microscopy has {least:g} to {most:g} µm/px"
    raise SamplesError(place, f"mpp: is {mpp:g}, and {usual}", cure)
