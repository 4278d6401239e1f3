"""One picture in the containers that scanners and programs write: TIFF of many kinds, OME-TIFF and DICOM.

Every container here is made up after its format's public description; none of them replaces a scanner's file,
of which docs/formats.md names public ones.
"""

import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal

import cv2
import imagecodecs
import numpy as np
import tifffile
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import JPEG2000, ExplicitVRLittleEndian, JPEGBaseline8Bit, generate_uid

from glomspike.findings import RGB

TILE_PX = 256
WSI_STORAGE = "1.2.840.10008.5.1.4.1.1.77.1.6"


def shrunk(picture: RGB, factor: int, rounding: Literal["down", "up"] = "down") -> RGB:
    """The averages of whole blocks; what is left over on the far sides is dropped, or a separate block."""
    height, width = picture.shape[:2]
    if rounding == "up":
        picture = np.pad(picture, ((0, -height % factor), (0, -width % factor), (0, 0)), mode="edge")
    size = picture.shape[1] // factor, picture.shape[0] // factor
    whole = picture[: size[1] * factor, : size[0] * factor]
    return np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def padded(picture: RGB, tile_px: int = TILE_PX, shade: int = 255) -> RGB:
    """The picture filled up to whole tiles on its right and lower sides."""
    height, width = picture.shape[:2]
    missing = ((0, -height % tile_px), (0, -width % tile_px), (0, 0))
    return np.pad(picture, missing, constant_values=shade)


def write_tiff(
    path: Path,
    levels: Sequence[np.ndarray | Iterator[bytes]],
    *,
    mpp: float | None = 0.25,
    tile_px: int | None = TILE_PX,
    compression: str | None = "jpeg",
    **options: Any,
) -> Path:
    """A TIFF whose pictures after the first are flagged as its reduced levels; strips without `tile_px`."""
    layout: dict[str, Any] = {"tile": (tile_px, tile_px)} if tile_px else {"rowsperstrip": 64}
    scale: dict[str, Any] = {}
    if mpp is not None:
        scale = {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"}
    common: dict[str, Any] = {
        "photometric": "rgb",
        "compression": compression,
        "metadata": None,
        "software": None,
    }
    with tifffile.TiffWriter(path) as tiff:
        for number, level in enumerate(levels):
            tiff.write(level, **({"subfiletype": int(number > 0)} | common | layout | scale | options))
    return path


def write_sparse_tiff(path: Path, picture: RGB, omitted: Collection[int], mpp: float = 0.25) -> Path:
    """A tiled TIFF of one level in which tiles of these numbers, row by row, are omitted."""
    height, width = picture.shape[:2]
    whole = padded(picture)
    corners = product(range(0, height, TILE_PX), range(0, width, TILE_PX))
    tiles = (
        b"" if number in omitted else zlib.compress(whole[y : y + TILE_PX, x : x + TILE_PX].tobytes())
        for number, (y, x) in enumerate(corners)
    )
    return write_tiff(path, [tiles], mpp=mpp, compression="zlib", shape=picture.shape, dtype=picture.dtype)


def write_ome(
    path: Path,
    images: Sequence[tuple[dict[str, Any], Sequence[np.ndarray]]],
    mpp: float = 0.25,
    tiled: bool = True,
) -> Path:
    """An OME-TIFF of pictures, each with what its XML says of it, and with its levels below it."""
    options: dict[str, Any] = {"photometric": "rgb", "compression": "zlib"}
    options |= {"tile": (TILE_PX, TILE_PX)} if tiled else {"rowsperstrip": 64}
    size = {"PhysicalSizeX": mpp, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": mpp, "PhysicalSizeYUnit": "µm"}
    with tifffile.TiffWriter(path, ome=True) as tiff:
        for said, levels in images:
            tiff.write(levels[0], subifds=len(levels) - 1, metadata={"axes": "YXS"} | size | said, **options)
            for level in levels[1:]:
                tiff.write(level, subfiletype=1, metadata=None, **options)
    return path


def write_philips(path: Path, levels: Sequence[RGB], factors: Sequence[int], mpp: float = 0.25) -> Path:
    """A TIFF as Philips' scanners export it: levels filled up to whole tiles, their scales in XML.

    `factors` are level-0 pixels per pixel of each level.
    """
    spacings = [
        _philips("DICOM_PIXEL_SPACING", "0x0028", "0x0030", _quoted(mpp * factor)) for factor in factors
    ]
    representations = "".join(
        f'<DataObject ObjectType="PixelDataRepresentation">{spacing}</DataObject>' for spacing in spacings
    )
    sequence = f"<Array>{representations}</Array>"
    scanned = (
        f'<DataObject ObjectType="DPScannedImage">{_philips("PIM_DP_IMAGE_TYPE", "0x301D", "0x1004", "WSI")}'
        f"{spacings[0]}{_philips('PIIM_PIXEL_DATA_REPRESENTATION_SEQUENCE', '0x1001', '0x8B01', sequence)}"
        "</DataObject>"
    )
    images = _philips("PIM_DP_SCANNED_IMAGES", "0x301D", "0x1003", f"<Array>{scanned}</Array>")
    description = f'<?xml version="1.0" ?><DataObject ObjectType="DPUfsImport">{images}</DataObject>'
    options: dict[str, Any] = {"photometric": "rgb", "metadata": None, "software": "Philips DP v1.0"}
    tiled = options | {"tile": (TILE_PX, TILE_PX), "compression": "jpeg"}
    with tifffile.TiffWriter(path) as tiff:
        for number, level in enumerate(levels):
            text = f"level={number}" if number else description
            tiff.write(padded(level), subfiletype=int(number > 0), description=text, **tiled)
    return path


def _philips(name: str, group: str, element: str, content: str) -> str:
    return f'<Attribute Name="{name}" Group="{group}" Element="{element}">{content}</Attribute>'


def _quoted(spacing_um: float) -> str:
    return f"&quot;{spacing_um / 1000:g}&quot; &quot;{spacing_um / 1000:g}&quot;"


@dataclass(frozen=True)
class Series:
    """What the DICOM files of one slide have in common.

    `syntax` compresses the tiles, `suffix` ends the files' names; `parts` is how many files, a concatenation,
    level 0 is split into; `sparse` files say of each tile where it lies.
    """

    uid: str
    mpp: float = 0.25
    syntax: Literal["jpeg", "jpeg2000", "uncompressed"] = "jpeg"
    suffix: str = ".dcm"
    tile_px: int = TILE_PX
    parts: int = 1
    sparse: bool = False
    focal_planes: int = 1
    icc_profile: bytes | None = None


def new_series(**options: Any) -> Series:
    """A separate series, with the options of `Series`."""
    return Series(generate_uid(), **options)


def write_dicom(
    folder: Path, name: str, levels: Sequence[RGB], factors: Sequence[int], series: Series
) -> list[Path]:
    """Files of a DICOM series, one for each level or part of it, `NAME-0.dcm` and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, (level, factor) in enumerate(zip(levels, factors, strict=True)):
        frames = list(_frames(level, series))
        parts = series.parts if number == 0 else 1
        bounds = [len(frames) * part // parts for part in range(parts + 1)]
        concatenation, source = generate_uid(), generate_uid()
        for part in range(parts):
            dataset = _instance(level, factor, series)
            if parts > 1:
                dataset.ConcatenationUID = concatenation
                dataset.SOPInstanceUIDOfConcatenationSource = source
                dataset.InConcatenationNumber = part + 1
                dataset.InConcatenationTotalNumber = parts
                dataset.ConcatenationFrameOffsetNumber = bounds[part]
            if series.sparse:
                across = -(-level.shape[1] // series.tile_px)
                dataset.PerFrameFunctionalGroupsSequence = DicomSequence(
                    [_place(frame, across, series) for frame in range(bounds[part], bounds[part + 1])]
                )
            _put_frames(dataset, frames[bounds[part] : bounds[part + 1]], series)
            part_name = f"{name}-{number}" if parts == 1 else f"{name}-{number}-{part}"
            paths.append(folder / f"{part_name}{series.suffix}")
            dataset.save_as(paths[-1], enforce_file_format=True)
    return paths


def write_dicom_beside(
    path: Path, picture: RGB, flavour: Literal["LABEL", "OVERVIEW"], series: Series
) -> Path:
    """A file of a DICOM series that shows the glass: its label, or all of it."""
    whole = replace(series, tile_px=max(picture.shape), mpp=series.mpp * 100)
    dataset = _instance(picture, 1, whole, flavour)
    _put_frames(dataset, list(_frames(picture, whole)), whole)
    dataset.save_as(path, enforce_file_format=True)
    return path


def _instance(level: RGB, factor: int, series: Series, flavour: str = "VOLUME") -> Dataset:
    """The header of a level's file."""
    height, width = level.shape[:2]
    dataset = Dataset()
    dataset.SOPClassUID = WSI_STORAGE
    dataset.SOPInstanceUID = generate_uid()
    dataset.SeriesInstanceUID = series.uid
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=[series.uid])
    dataset.FrameOfReferenceUID = dataset.PyramidUID = generate_uid(entropy_srcs=[series.uid, "frame"])
    dataset.Modality, dataset.Manufacturer = "SM", "glomspike phantom"
    kind = ["ORIGINAL", "NONE"] if factor == 1 else ["DERIVED", "RESAMPLED"]
    dataset.ImageType = [kind[0], "PRIMARY", flavour, kind[1]]
    dataset.Rows = dataset.Columns = series.tile_px
    dataset.TotalPixelMatrixColumns, dataset.TotalPixelMatrixRows = width, height
    dataset.TotalPixelMatrixFocalPlanes, dataset.NumberOfOpticalPaths = series.focal_planes, 1
    dataset.DimensionOrganizationType = "TILED_SPARSE" if series.sparse else "TILED_FULL"
    dataset.SamplesPerPixel, dataset.PlanarConfiguration = 3, 0
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PhotometricInterpretation = "YBR_FULL_422" if series.syntax == "jpeg" else "RGB"
    spacing_mm = series.mpp * factor / 1000
    dataset.ImagedVolumeWidth, dataset.ImagedVolumeHeight = width * spacing_mm, height * spacing_mm
    measures, shared, path = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = [spacing_mm, spacing_mm]
    shared.PixelMeasuresSequence = DicomSequence([measures])
    dataset.SharedFunctionalGroupsSequence = DicomSequence([shared])
    path.OpticalPathIdentifier = "1"
    if series.icc_profile is not None:
        path.ICCProfile = series.icc_profile + bytes(len(series.icc_profile) % 2)
    dataset.OpticalPathSequence = DicomSequence([path])
    return dataset


def _place(frame: int, across: int, series: Series) -> Dataset:
    """Where a tile of a sparse file lies, counted from 1."""
    position, groups = Dataset(), Dataset()
    position.ColumnPositionInTotalImagePixelMatrix = frame % across * series.tile_px + 1
    position.RowPositionInTotalImagePixelMatrix = frame // across * series.tile_px + 1
    groups.PlanePositionSlideSequence = DicomSequence([position])
    return groups


def _frames(level: RGB, series: Series) -> Iterator[bytes]:
    side = series.tile_px
    whole = padded(level, side)
    for top in range(0, whole.shape[0], side):
        for left in range(0, whole.shape[1], side):
            yield _ENCODERS[series.syntax](np.ascontiguousarray(whole[top : top + side, left : left + side]))


def _put_frames(dataset: Dataset, frames: Sequence[bytes], series: Series) -> None:
    dataset.NumberOfFrames = len(frames)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = _SYNTAXES[series.syntax]
    if series.syntax == "uncompressed":
        dataset.PixelData = b"".join(frames)
    else:
        dataset.LossyImageCompression = "01"
        dataset.PixelData = encapsulate(list(frames))
    dataset["PixelData"].VR = "OB"


_SYNTAXES = {"jpeg": JPEGBaseline8Bit, "jpeg2000": JPEG2000, "uncompressed": ExplicitVRLittleEndian}
_ENCODERS: dict[str, Callable[[RGB], bytes]] = {
    "jpeg": lambda tile: bytes(imagecodecs.jpeg_encode(tile, level=90)),
    "jpeg2000": lambda tile: bytes(imagecodecs.jpeg2k_encode(tile, level=40, codecformat="j2k", mct=False)),
    "uncompressed": lambda tile: tile.tobytes(),
}
