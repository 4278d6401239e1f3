"""Which picture of an OME-TIFF is the slide: its XML names them all, and says how large a pixel is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lxml import etree

from glomspike.errors import SlideError
from glomspike.findings import Mpp
from glomspike.slide.scale import mpp_of_lengths

# Parts of the names of pictures that are taken of the glass and not through the microscope.
BESIDE_THE_SLIDE = ("label", "macro", "overview", "thumbnail", "barcode", "navigator")
# Of the largest picture's pixels. Smaller ones are its levels, the next of which has a quarter, or beside it.
AS_LARGE = 0.3

_ONE = "save the one you want as a separate file"


@dataclass(frozen=True)
class OmeImage:
    """What the XML says of one picture; `bits` of its values are used, None where it does not say."""

    name: str
    pixels: int
    planes: int
    moments: int
    channels: int  # that are stored apart from each other
    mpp: Mpp | None
    bits: int | None


def read_ome(xml: str) -> list[OmeImage]:
    """The pictures of a file in their order. Raises ValueError for what is no OME-XML, or names none."""
    try:
        root = etree.fromstring(xml.encode(), etree.XMLParser(resolve_entities=False, huge_tree=True))
        images = [_image(image) for image in root.iterfind("{*}Image")]
    except (etree.XMLSyntaxError, AttributeError) as error:
        raise ValueError(f"its OME-XML cannot be read: {error}") from error
    if not images:
        raise ValueError("its OME-XML is in another file")
    return images


def choose_image(path: Path, images: Sequence[OmeImage]) -> int:
    """The place of the slide among a file's pictures.

    Raises SlideError where several may be it, and where it is a stack of focal planes, moments or channels.
    """
    places = [n for n, image in enumerate(images) if not _is_beside(image.name)] or list(range(len(images)))
    largest = max(places, key=lambda n: images[n].pixels)
    rivals = [images[n] for n in places if images[n].pixels >= AS_LARGE * images[largest].pixels]
    if len(rivals) > 1:
        names = ", ".join(image.name or "unnamed" for image in rivals)
        raise SlideError(path, f"holds several slides ({names})", _ONE)
    chosen = images[largest]
    for count, of in (
        (chosen.planes, "focal planes"),
        (chosen.moments, "moments"),
        (chosen.channels, "channels"),
    ):
        if count > 1:
            cure = "save it as one RGB picture" if of == "channels" else _ONE
            raise SlideError(
                path, f"is a stack of {count} {of}, and does not record which of them to read", cure
            )
    return largest


def _image(image: Any) -> OmeImage:
    pixels = image.find("{*}Pixels")
    size = {axis: int(pixels.get(f"Size{axis}", 1)) for axis in "XYZTC"}
    channels = len(list(pixels.iterfind("{*}Channel"))) or size["C"]
    bits = pixels.get("SignificantBits")
    return OmeImage(
        name=image.get("Name", ""),
        pixels=size["X"] * size["Y"],
        planes=size["Z"],
        moments=size["T"],
        channels=channels,
        mpp=_mpp(pixels),
        bits=int(bits) if bits else None,
    )


def _mpp(pixels: Any) -> Mpp | None:
    x, y = pixels.get("PhysicalSizeX"), pixels.get("PhysicalSizeY")
    if x is None and y is None:
        return None
    unit_x = pixels.get("PhysicalSizeXUnit", "µm")
    unit_y = pixels.get("PhysicalSizeYUnit", unit_x)
    try:
        width, height = float(x or y), float(y or x)
    except ValueError:  # a decimal comma, or no number
        return None
    across = mpp_of_lengths(width, width, unit_x if x else unit_y)
    down = mpp_of_lengths(height, height, unit_y if y else unit_x)
    return Mpp(across.x, down.y) if across and down else None


def _is_beside(name: str) -> bool:
    return any(word in name.lower() for word in BESIDE_THE_SLIDE)
