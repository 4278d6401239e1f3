"""Microscopy bulk simple annotations read as layers, in level-0 pixels of the slide they belong to."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from highdicom.ann import AnnotationGroup, MicroscopyBulkSimpleAnnotations
from highdicom.color import CIELabColor
from highdicom.spatial import ReferenceToImageTransformer
from highdicom.sr import CodedConcept
from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from glomspike.annotate.dicom import codes
from glomspike.annotate.dicom.origin import Origin, values_as_they_stand
from glomspike.annotate.document import read_document
from glomspike.annotate.geojson import UNCLASSIFIED_COLOUR
from glomspike.annotate.layers import Colour, Layer, Region, RegionType
from glomspike.errors import AnnotationError
from glomspike.findings import Mpp, Points, Scores
from glomspike.geometry.frames import from_millimetres

_ANOTHER = "give the annotations of this slide, or the slide of these annotations"


def read_annotations(path: Path, origin: Origin, mpp: Mpp) -> tuple[Layer, ...]:
    """The groups of a file of bulk annotations as layers named by their labels, in level-0 pixels.

    Shapes of a group that glomspike wrote have their glomerulus's number as text. `origin` is what
    annotations of the slide belong to. Raises AnnotationError for a file that holds none, that belongs to
    another slide, or of which the coordinates cannot be understood.
    """
    document = read_document(path)
    try:
        with values_as_they_stand():
            annotations = MicroscopyBulkSimpleAnnotations.from_dataset(dcmread(BytesIO(document)), copy=False)
            to_level0 = _to_level0(path, annotations, origin, mpp)
            kind = annotations.annotation_coordinate_type
            return tuple(
                _layer(group, [to_level0(points) for points in group.get_graphic_data(kind)])
                for group in annotations.AnnotationGroupSequence
            )
    except (InvalidDicomError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        cause = f"holds no DICOM bulk annotations that can be understood ({error})"
        raise AnnotationError(path, cause, "export them again from the program that made them") from error


def _to_level0(
    path: Path, annotations: MicroscopyBulkSimpleAnnotations, origin: Origin, mpp: Mpp
) -> Callable[[Points], Points]:
    """What turns coordinates of annotations into level-0 pixels."""
    if annotations.AnnotationCoordinateType == "2D":
        if annotations.get("PixelOriginInterpretation", "VOLUME") != "VOLUME":
            cure = "export them again, relative to the total pixel matrix"
            raise AnnotationError(path, "counts the pixels of single frames", cure)
        referred = {str(image.ReferencedSOPInstanceUID) for image in annotations.ReferencedImageSequence}
        if not referred <= origin.level0_uids:
            raise AnnotationError(path, "refers to another image than level 0 of this slide", _ANOTHER)
        return lambda points: np.asarray(points, dtype=np.float64)
    if annotations.FrameOfReferenceUID != origin.header.FrameOfReferenceUID:
        cause = "has another frame of reference than this slide, or was made with another --mpp"
        raise AnnotationError(path, cause, _ANOTHER)
    if not origin.is_image:
        return lambda points_mm: from_millimetres(points_mm[:, :2], mpp)
    to_pixels = ReferenceToImageTransformer.for_image(origin.header, for_total_pixel_matrix=True)
    return lambda points_mm: to_pixels(np.asarray(points_mm, dtype=np.float64))[:, :2]


def _layer(group: AnnotationGroup, shapes0: list[Points]) -> Layer:
    numbers, chances = _measured(group, codes.NUMBER), _measured(group, codes.SPIKE_PROBABILITY)
    regions = []
    for points0, number, chance in zip(shapes0, numbers, chances, strict=True):
        if not np.isfinite(points0).all():
            raise ValueError(f"a coordinate in {group.label!r} is not finite")
        kind, vertices0 = _shape(group.GraphicType, points0)
        regions.append(Region(kind, vertices0, _text(kind, number, chance)))
    return Layer(group.label, _colour(group), tuple(regions))


def _measured(group: AnnotationGroup, name: CodedConcept) -> Scores:
    """A number of each shape; NaN where it has none."""
    _, values, _ = group.get_measurements(name)
    return values[:, 0].astype(np.float64) if values.shape[1] else np.full(len(values), np.nan)


def _text(kind: RegionType, number: float, chance: float) -> str:
    """What `slide.xml` has as text, from the numbers that belong to a shape."""
    if np.isnan(number):
        return ""
    if not np.isnan(chance):
        return f"{number:.0f}: spike {chance:.2f}"
    return f"{number:.0f}: not scored" if kind is RegionType.ELLIPSE else f"{number:.0f}"


def _shape(graphic: str, points0: Points) -> tuple[RegionType, Points]:
    """Type and vertices of a shape; a turned ellipse is given by its box, a turned rectangle is a polygon."""
    if graphic == "ELLIPSE":
        axes0 = np.array([points0[1] - points0[0], points0[3] - points0[2]]) / 2
        half0 = np.sqrt((axes0**2).sum(axis=0))
        middle0 = points0.mean(axis=0)
        return RegionType.ELLIPSE, np.stack([middle0 - half0, middle0 + half0])
    low0, high0 = points0.min(axis=0), points0.max(axis=0)
    if graphic == "RECTANGLE" and (np.isclose(points0, low0) | np.isclose(points0, high0)).all():
        return RegionType.RECTANGLE, points0
    kinds = {"POINT": RegionType.COUNTER, "POLYLINE": RegionType.RULER}
    return kinds.get(graphic, RegionType.POLYGON), points0


def _colour(group: AnnotationGroup) -> Colour:
    stored = group.get("RecommendedDisplayCIELabValue")
    if stored is None:
        return UNCLASSIFIED_COLOUR
    red, green, blue = CIELabColor.from_dicom_value(tuple(stored)).to_rgb()
    return red, green, blue
