"""Slides that their names tell and that cannot be read: of makers' own formats, or without their pixels."""

from pathlib import Path

from glomspike.errors import SlideError

MAKERS = {
    ".isyntax": "Philips iSyntax",
    ".i2syntax": "Philips iSyntax",
    ".vsi": "Olympus VSI",
    ".kfb": "KFBio",
    ".sdpc": "Sqray",
    ".tmap": "Unic TMAP",
    ".mds": "Motic MDS",
    ".mdsx": "Motic MDS",
}
MRXS = ".mrxs"


def refuse_unread(path: Path, is_known: bool) -> None:
    """Raise SlideError for a slide that looks like a small picture without what cannot be read of it.

    `is_known` says whether OpenSlide knows the file.
    """
    suffix = path.suffix.lower()
    if suffix in MAKERS:
        cause = f"is a slide in the format {MAKERS[suffix]}, which is not read"
        raise SlideError(path, cause, "export it as DICOM or TIFF with its maker's program")
    if suffix == MRXS and not is_known:
        cause = f"lacks the folder {path.stem!r} with its pixels, or Slidedat.ini in it"
        raise SlideError(path, cause, "copy that folder too, beside the file")
