"""Every format and way to fail, tried: which files are read rightly, with which warning, or refused and how.

    python -m benchmarks.reliability.formats [WORK]

prints the table of docs/formats.md. A part of the example slide is converted into each container and read
back; "read" means that its pixels lie where they belong at every scale, to a quarter of a pixel.
"""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import tifffile
from PIL import Image

from benchmarks.reliability.containers import (
    TILE_PX,
    new_series,
    padded,
    shrunk,
    write_dicom,
    write_dicom_beside,
    write_ome,
    write_philips,
    write_sparse_tiff,
    write_tiff,
)
from glomspike.errors import GlomspikeError
from glomspike.findings import RGB
from glomspike.phantom.pyramid import File, write_pyramid
from glomspike.slide.light import is_dark_field
from glomspike.slide.reader import Slide, open_slide

EXAMPLE = Path(__file__).parents[2] / "examples" / "phantom.svs"
MPP = 0.25
FACTORS = (1, 4, 16)
MPPS = (0.25, 1.0, 4.0)  # that each file is read at
CHECKED_UM = 256.0  # side of what is compared, at the far corner, where displacements are largest
CLOSE_PX = 0.25
CLOSE_GREY = 6.0  # mean difference: lossy compression and chroma subsampling are less
HEADINGS = "| format | the file | result |\n|---|---|---|"

Write = Callable[[Path, RGB], Path]  # folder and pixels to the file to open


@dataclass(frozen=True)
class Case:
    """A container in some state, how it is written, and the beginning of its result.

    `result` is "read" where it is read without a word; else a note or an error.
    """

    container: str
    state: str
    write: Write
    result: str
    mpp: float | None = None  # that is given with --mpp


def pyramid(picture: RGB) -> list[RGB]:
    """The picture and its levels, a last odd pixel kept."""
    return [picture, *(shrunk(picture, factor, "up") for factor in FACTORS[1:])]


def _tiff(
    make: Callable[[RGB], list[np.ndarray]] = lambda picture: list(pyramid(picture)), **options: Any
) -> Write:
    return lambda folder, picture: write_tiff(folder / "slide.tif", make(picture), **options)


def _one(picture: RGB) -> list[np.ndarray]:
    return [picture]


def _all_padded(picture: RGB) -> list[np.ndarray]:
    return [padded(level) for level in pyramid(picture)]


def _padded_levels(picture: RGB) -> list[RGB]:
    first, *rest = pyramid(picture)
    return [first, *map(padded, rest)]


def _twelve_bits(picture: RGB) -> list[np.ndarray]:
    return [np.rint(picture * (4095 / 255)).astype(np.uint16)]


def _grey(picture: RGB) -> np.ndarray:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def _label(picture: RGB) -> RGB:
    """A label of a slide's size at 4 times less: white with black bars."""
    label = np.full((picture.shape[0] // 5, picture.shape[1] // 9, 3), 250, np.uint8)
    label[40:-40, 20:-20:9] = 0
    return label


def _macro(picture: RGB) -> RGB:
    """What a camera shows of the whole glass."""
    macro = np.full((480, 1280, 3), 235, np.uint8)
    macro[120:360, 500:850] = cv2.resize(picture, (350, 240), interpolation=cv2.INTER_AREA)
    return macro


def _ome_of(description: dict[str, Any] | None = None, stacked: bool = False, tiled: bool = True) -> Write:
    def write(folder: Path, picture: RGB) -> Path:
        if not stacked:
            return write_ome(folder / "slide.ome.tif", [(description or {}, pyramid(picture))], tiled=tiled)
        blurred = np.asarray(cv2.GaussianBlur(picture, (0, 0), 9), np.uint8)
        planes = np.stack([blurred, picture])
        return write_ome(folder / "slide.ome.tif", [({"axes": "ZYXS"}, [planes])], tiled=tiled)

    return write


def _ome_of_two(first: str, second: str) -> Write:
    def write(folder: Path, picture: RGB) -> Path:
        pictures = {"macro": [_macro(picture)], "A": pyramid(picture), "B": [picture]}
        images = [({"Name": name}, pictures[name]) for name in (first, second)]
        return write_ome(folder / "slide.ome.tif", images)

    return write


def _ome_channels(folder: Path, picture: RGB) -> Path:
    path = folder / "slide.ome.tif"
    dyes = np.ascontiguousarray(np.moveaxis(picture, 2, 0))
    tifffile.imwrite(path, dyes, photometric="minisblack", tile=(TILE_PX, TILE_PX), metadata={"axes": "CYX"})
    return path


def _imagej(folder: Path, picture: RGB) -> Path:
    path = folder / "slide.tif"
    per_nm = 1 / (1000 * MPP)
    tifffile.imwrite(path, picture, imagej=True, resolution=(per_nm, per_nm), metadata={"unit": "nm"})
    return path


def _dicom(
    make: Callable[[RGB], list[RGB]] = pyramid,
    first: int = 0,
    factors: tuple[int, ...] = FACTORS,
    **options: Any,
) -> Write:
    def write(folder: Path, picture: RGB) -> Path:
        levels = make(picture)[len(FACTORS) - len(factors) :]
        return write_dicom(folder, "slide", levels, factors, new_series(**options))[first]

    return write


def _two_cases(folder: Path, picture: RGB) -> Path:
    write_dicom(folder, "another", pyramid(picture[::-1, ::-1].copy()), FACTORS, new_series(suffix=""))
    return write_dicom(folder, "slide", pyramid(picture), FACTORS, new_series(suffix=""))[0]


def _with_label(folder: Path, picture: RGB) -> Path:
    series = new_series()
    write_dicom_beside(folder / "0-label.dcm", _label(picture), "LABEL", series)
    write_dicom_beside(folder / "1-overview.dcm", _macro(picture), "OVERVIEW", series)
    write_dicom(folder, "slide", pyramid(picture), FACTORS, series)
    return folder / "0-label.dcm"


def _svs(compression: Literal["jpeg", "jpeg2000"]) -> Write:
    def write(folder: Path, picture: RGB) -> Path:
        def block(x: int, y: int, width: int, height: int) -> RGB:
            return picture[y : y + height, x : x + width]

        path = folder / "slide.svs"
        write_pyramid(path, block, picture.shape[1], picture.shape[0], File(MPP, 40, 90, compression))
        return path

    return write


def _webp_svs(folder: Path, picture: RGB) -> Path:
    description = (
        f"Aperio Image Library v12.0.0\n{picture.shape[1]}x{picture.shape[0]}|AppMag = 40|MPP = {MPP}"
    )
    return write_tiff(folder / "slide.svs", [picture], compression="webp", description=description)


def _short(folder: Path, _picture: RGB) -> Path:
    path = folder / "slide.svs"
    path.write_bytes(EXAMPLE.read_bytes()[:20_000])
    return path


def _picture(name: str, **options: Any) -> Write:
    def write(folder: Path, picture: RGB) -> Path:
        Image.fromarray(picture).save(folder / name, **options)
        return folder / name

    return write


def _twelve_bit_png(folder: Path, picture: RGB) -> Path:
    path = folder / "slide.png"
    cv2.imwrite(str(path), np.ascontiguousarray(_twelve_bits(picture)[0][..., ::-1]))
    return path


def _sparse(folder: Path, picture: RGB) -> Path:
    return write_sparse_tiff(folder / "slide.tif", picture, {0})


def _unknown_codec(folder: Path, picture: RGB) -> Path:
    path = write_tiff(folder / "slide.tif", [picture], compression="zlib")
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages.first.tags["Compression"].overwrite(34661)
    return path


_DOTS = (25_400 / MPP, 25_400 / MPP)
_TURNED = {"extratags": [(274, 3, 1, 6, True)]}
_TURNED_EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
_NOT_SLIDE = "an image of"
_BITS = "16-bit values use only 12 bits"
_TURNED_NOTE = "the file is tagged to be shown turned"
_OMITTED = "2 % of its tiles are not in the file"
_STACK = "is a stack of 2 focal planes"

CASES = (
    Case("Aperio SVS", "JPEG", _svs("jpeg"), "read"),
    Case("Aperio SVS", "JPEG 2000", _svs("jpeg2000"), "read"),
    Case("Aperio SVS", "cut short", _short, "ends before its pixels do"),
    Case("Aperio SVS", "WebP", _webp_svs, "cannot be opened as a slide"),
    Case("TIFF, tiled", "levels rounded up", _tiff(), "read"),
    Case("TIFF, tiled", "levels filled up to whole tiles", _tiff(_padded_levels), "read"),
    Case("TIFF, tiled", "all levels filled up", _tiff(_all_padded), "read"),
    Case("TIFF, tiled", "a label where a level should be", _tiff(lambda p: [p, _label(p)]), _NOT_SLIDE),
    Case("TIFF, tiled", "an overview where a level should be", _tiff(lambda p: [p, _macro(p)]), _NOT_SLIDE),
    Case("TIFF, tiled", "no levels", _tiff(_one), "read"),
    Case("TIFF, tiled", "tiles omitted, as where glass is empty", _sparse, _OMITTED),
    Case("TIFF, tiled", "no µm/px", _tiff(_one, mpp=None), "has no µm/px"),
    Case("TIFF, tiled", "no µm/px, `--mpp` given", _tiff(_one, mpp=None), "read", mpp=MPP),
    Case("TIFF, tiled", "WebP", _tiff(compression="webp"), "read"),
    Case("TIFF, tiled", "JPEG 2000", _tiff(compression="jpeg2000"), "read"),
    Case("TIFF, tiled", "JPEG XL", _tiff(compression="jpegxl"), "read"),
    Case("TIFF, tiled", "a compression of fax machines", _unknown_codec, "cannot be decoded"),
    Case("TIFF, tiled", "16 bits", _tiff(lambda p: [p.astype(np.uint16) * 257], compression="zlib"), "read"),
    Case(
        "TIFF, tiled", "12 bits in 16",
        _tiff(_twelve_bits, compression="zlib"), _BITS,
    ),
    Case("TIFF, tiled", "floating point", _tiff(lambda p: [p.astype(np.float32)], compression="zlib"),
         "cannot be decoded"),
    Case("TIFF, tiled", "grey, white is zero",
         _tiff(lambda p: [255 - _grey(p)], compression="zlib", photometric="miniswhite"), "read"),
    Case("TIFF, tiled", "inverted, so that glass is black", _tiff(lambda p: [255 - p]), "the background"),
    Case("TIFF, tiled", "to be shown turned", _tiff(_one, compression="zlib", **_TURNED), _TURNED_NOTE),
    Case("TIFF, tiled", "several slides", _tiff(lambda p: [p, p], subfiletype=0), "holds several pictures"),
    Case("TIFF, strips", "8 bits", _tiff(_one, tile_px=None), "read"),
    Case(
        "TIFF, strips", "12 bits in 16",
        _tiff(_twelve_bits, tile_px=None, compression="zlib"), _BITS,
    ),
    Case("TIFF, strips", "to be shown turned", _tiff(_one, tile_px=None, compression="zlib", **_TURNED),
         _TURNED_NOTE),
    Case("TIFF, strips", "several slides", _tiff(lambda p: [p, p], tile_px=None, subfiletype=0),
         "holds several pictures"),
    Case("TIFF, ImageJ", "pixels measured in nm", _imagej, "read"),
    Case("Philips TIFF", "levels filled up to whole tiles",
         lambda folder, p: write_philips(folder / "slide.tiff", pyramid(p), FACTORS), "read"),
    Case("OME-TIFF", "levels below the picture", _ome_of(), "read"),
    Case("OME-TIFF", "pixels measured in nm", _ome_of({
        "PhysicalSizeX": 1000 * MPP, "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 1000 * MPP, "PhysicalSizeYUnit": "nm",
    }), "read"),
    Case("OME-TIFF", "an overview first, then the slide", _ome_of_two("macro", "A"), "read"),
    Case("OME-TIFF", "two slides", _ome_of_two("A", "B"), "holds several slides (A, B)"),
    Case("OME-TIFF", "focal planes, tiled", _ome_of(stacked=True), _STACK),
    Case("OME-TIFF", "focal planes, strips", _ome_of(stacked=True, tiled=False), _STACK),
    Case("OME-TIFF", "a channel for each dye", _ome_channels, "is a stack of 3 channels"),
    Case("DICOM", "JPEG", _dicom(), "read"),
    Case("DICOM", "JPEG 2000", _dicom(syntax="jpeg2000"), "read"),
    Case("DICOM", "uncompressed", _dicom(syntax="uncompressed"), "read"),
    Case("DICOM", "levels filled up to whole tiles", _dicom(_padded_levels), "read"),
    Case("DICOM", "a level in several files (concatenation)", _dicom(parts=3), "read"),
    Case("DICOM", "the same, tiles placed one by one", _dicom(parts=3, sparse=True), "read"),
    Case("DICOM", "files named `.DCM`, a coarser one given", _dicom(suffix=".DCM", first=1), "read"),
    Case("DICOM", "a label and an overview in the series, the label given", _with_label, "read"),
    Case("DICOM", "two cases in a folder, no suffix", _two_cases, "read"),
    Case("DICOM", "without its finest level", _dicom(factors=FACTORS[1:]), "is a DICOM series without"),
    Case("DICOM", "focal planes", _dicom(focal_planes=3), "cannot be opened as a slide"),
    Case("PNG", "no µm/px", _picture("slide.png"), "has no µm/px"),
    Case("PNG", "a microscope's resolution", _picture("slide.png", dpi=_DOTS), "read"),
    Case("PNG", "12 bits in 16, `--mpp` given", _twelve_bit_png, _BITS, mpp=MPP),
    Case("JPEG", "no µm/px, `--mpp` given", _picture("slide.jpg", quality=92), "read", mpp=MPP),
    Case("JPEG", "to be shown turned, `--mpp` given", _picture("slide.jpg", quality=92, exif=_TURNED_EXIF),
         _TURNED_NOTE, mpp=MPP),
    Case("MIRAX", "without its folder", _picture("slide.mrxs", format="JPEG"), "lacks the folder"),
    Case("Olympus VSI", "as it is", lambda folder, p: write_tiff(folder / "slide.vsi", [p]),
         "is a slide in the format"),
)  # fmt: skip


def tried(case: Case, picture: RGB, folder: Path) -> str:
    """What became of a file: "read", "misread" and how, a note, or the error in one line."""
    path = case.write(folder, picture)
    try:
        with open_slide(path, case.mpp) as slide:
            notes = list(slide.notes)
            if is_dark_field(slide.thumbnail(400)[0]):
                return "read; the background of the slide is dark, and a warning says so"
            wrong = misread(slide, picture)
    except GlomspikeError as error:
        return f"refused: {error.cause}; {error.cure}"
    return wrong or ("read; " + "; ".join(notes) if notes else "read")


def misread(slide: Slide, picture: RGB) -> str:
    """How far a slide's pixels are from the picture's, at the far corner and at every scale; "" if close."""
    if not np.isclose(slide.facts.mpp.mean, MPP, rtol=1e-4):
        return f"misread: {slide.facts.mpp.mean:g} µm/px"
    for mpp in MPPS:
        side_px, scale0 = round(CHECKED_UM / mpp), mpp / MPP
        x0, y0 = (length // 16 * 16 - side_px * scale0 for length in (picture.shape[1], picture.shape[0]))
        read = slide.read(x0, y0, side_px * scale0, side_px * scale0, mpp)
        side0 = round(side_px * scale0)
        there = picture[int(y0) : int(y0) + side0, int(x0) : int(x0) + side0]
        truth = np.asarray(cv2.resize(there, (side_px, side_px), interpolation=cv2.INTER_AREA), np.uint8)
        first, second = (_grey(picture).astype(np.float32) for picture in (read, truth))
        window = cv2.createHanningWindow((side_px, side_px), cv2.CV_32F)
        (right, down), _ = cv2.phaseCorrelate(first, second, window)
        off = abs(float(first.mean() - second.mean()))
        if max(abs(right), abs(down)) > CLOSE_PX or off > CLOSE_GREY:
            return f"misread: {right:.1f}, {down:.1f} px off at {mpp:g} µm/px, {off:.0f} grey levels"
    return ""


def example() -> RGB:
    """The lower right quarter of the example slide; the whole would take four times as long."""
    with open_slide(EXAMPLE) as slide:
        width0, height0 = slide.facts.width0 // 2, slide.facts.height0 // 2
        return slide.read(width0, height0, width0, height0, MPP)


def table(work: Path, cases: tuple[Case, ...] = CASES) -> tuple[str, list[Case]]:
    """The results as a Markdown table, and the cases that ended otherwise than they should."""
    picture = example()
    rows, wrong = [HEADINGS], []
    for number, case in enumerate(cases):
        folder = work / f"{number:02d}"
        folder.mkdir()
        result = tried(case, picture, folder)
        bare = result.removeprefix("refused: ").removeprefix("read; ")
        if not bare.startswith(case.result) or (case.result == "read" and result != "read"):
            wrong.append(case)
        rows.append(f"| {case.container} | {case.state} | {_shown(result, folder)} |")
    return "\n".join(rows), wrong


def _shown(result: str, folder: Path) -> str:
    return result.replace(f"{folder}/", "").replace("|", "\\|")


def main() -> None:
    """Print the table; the exit status is 1 where anything is not as it should be."""
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(scratch)
        work.mkdir(exist_ok=True)
        text, wrong = table(work)
    print(text)
    for case in wrong:
        print(f"WRONG {case.container}, {case.state}: should be {case.result!r}", file=sys.stderr)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
