"""What annotations mean: which glomeruli there are, with circle, outline and label, and boxes on spikes.

glomspike writes an ellipse and an outline for each glomerulus, under one number; people then delete, move,
redraw, add and change layers. Two rules show what they meant. An ellipse says that a glomerulus is there, so
that an outline of glomspike's without its ellipse is a leftover. And a shape without a number was drawn by
hand, which counts more than what glomspike drew at the same place. `docs/annotations.md` is the users' page.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import shapely

from glomspike.annotate.document import PACKED_SUFFIX
from glomspike.annotate.geojson import read_geojson
from glomspike.annotate.imagescope import read_imagescope
from glomspike.annotate.layers import Layer
from glomspike.annotate.marks import SPIKED
from glomspike.annotate.shapes import LARGEST_GLOMERULUS_UM, Shape, Shapes, sorted_shapes, widest_um
from glomspike.errors import AnnotationError
from glomspike.findings import Points, SlideFacts
from glomspike.geometry.circles import enclosing_circle
from glomspike.geometry.frames import Viewer
from glomspike.geometry.raster import largest, vertices
from glomspike.slide.fingerprint import fingerprint

DICOM_SUFFIX = ".dcm"
QUPATH_SUFFIXES = (".geojson", ".json")
ANOTHER_SLIDES = "these annotations are of another slide: give those of this one"
SAME_IOU = 0.5  # two ellipses that overlap this much are of one glomerulus
AGREEING_IOU = 0.6  # an outline that fits its ellipse less belongs to where the ellipse was before


@dataclass(frozen=True, eq=False)
class Meaning:
    """What the annotations of a slide say, in level-0 pixels.

    A glomerulus is a `Shape` whose circle is the ellipse drawn for it, else the least one around its outline.
    `boxes0` (m, 4) are x, y, width, height of boxes on spikes. `areas0` are the parts of the slide that were
    corrected, none if that is all of it; of what `unclear0` cover nothing is known. `deleted0` are circles
    where glomspike had found a glomerulus that someone deleted, as far as an outline without its ellipse
    shows. `notes` say what was not used as drawn. `is_of_another_slide` where there are shapes, and all
    lie outside this one.
    """

    glomeruli: tuple[Shape, ...]
    boxes0: Points
    areas0: tuple[shapely.Polygon, ...]
    unclear0: tuple[shapely.Polygon, ...]
    deleted0: tuple[tuple[float, float, float], ...]
    notes: tuple[str, ...]
    is_of_another_slide: bool = False


def read_meaning(path: Path, slide: SlideFacts, image: Path | None = None) -> Meaning:
    """What an ImageScope XML file, a GeoJSON file for QuPath, packed or not, or a DICOM file says of a slide.

    DICOM annotations name what they belong to, for which the slide's file `image` is read. Raises
    AnnotationError, also where all its shapes lie outside the slide.
    """
    name = path.name.lower().removesuffix(PACKED_SUFFIX)
    if name.endswith(DICOM_SUFFIX) and image is not None:
        meant = meaning(_read_dicom(path, slide, image), slide, "dicom")
    elif name.endswith(QUPATH_SUFFIXES):
        meant = meaning(read_geojson(path), slide, "qupath")
    else:
        meant = meaning(read_imagescope(path), slide, "imagescope")
    if meant.is_of_another_slide:
        cause = f"all its shapes lie outside {slide.name or 'the picture'}"
        raise AnnotationError(path, cause, ANOTHER_SLIDES)
    return meant


def _read_dicom(path: Path, slide: SlideFacts, image: Path) -> tuple[Layer, ...]:
    from glomspike.annotate.dicom.origin import origin_of
    from glomspike.annotate.dicom.read import read_annotations

    return read_annotations(path, origin_of(image, slide, fingerprint(image)), slide.mpp)


def meaning(layers: Sequence[Layer], slide: SlideFacts, viewer: Viewer) -> Meaning:
    """What layers, as the viewer counts pixels, say of a slide."""
    shapes = sorted_shapes(layers, slide, viewer)
    found, left_over = _joined(_distinct(shapes), shapes.outlines)
    corrected = shapely.union_all(shapes.areas0) if shapes.areas0 else None
    boxes0 = np.array(shapes.boxes0).reshape(-1, 4)
    middles0 = boxes0[:, :2] + boxes0[:, 2:] / 2
    glomeruli = tuple(
        _labelled_by_boxes(_without_holes(_with_lesion(one, shapes), shapes.holes0), middles0, shapes.notes)
        for one in found
        if corrected is None or shapely.contains_xy(corrected, *one.circle0[:2])
    )
    unclear0 = _unclear(shapes, glomeruli, slide)
    glomeruli = _clear(glomeruli, unclear0, shapes.notes)
    _note_left_out(shapes, glomeruli, left_over, middles0)
    return Meaning(
        glomeruli,
        boxes0,
        tuple(shapes.areas0),
        unclear0,
        tuple(one.circle0 for one in left_over if not any(g.holds(*one.circle0[:2]) for g in glomeruli)),
        tuple(shapes.notes),
        is_of_another_slide=shapes.drawn > 0 and len(shapes.outside) == shapes.drawn,
    )


def _unclear(shapes: Shapes, glomeruli: Sequence[Shape], slide: SlideFacts) -> tuple[shapely.Polygon, ...]:
    """The shapes in layers that are not glomspike's, without those that surround glomeruli marked in ours.

    A region of interest, or the edge of the tissue, does not make unclear what was marked in it.
    """
    kept = []
    for polygon in shapes.unclear0:
        if widest_um(polygon, slide) > LARGEST_GLOMERULUS_UM and _held(polygon, glomeruli):
            x0, y0 = polygon.representative_point().coords[0]
            shapes.notes.append(f"shape around {x0:.0f}, {y0:.0f} surrounds glomeruli: not blanked")
        else:
            kept.append(polygon)
    return tuple(kept)


def _clear(
    glomeruli: Sequence[Shape], unclear0: Sequence[shapely.Polygon], notes: list[str]
) -> tuple[Shape, ...]:
    """The glomeruli without those of which a layer that is not glomspike's makes unclear what they are."""
    doubtful = [one for polygon in unclear0 for one in _held(polygon, glomeruli)]
    notes += [
        f"{_place(one)} lies in a shape that is omitted and blanked: omitted as well" for one in doubtful
    ]
    return tuple(one for one in glomeruli if one not in doubtful)


def _held(polygon: shapely.Polygon, glomeruli: Sequence[Shape]) -> list[Shape]:
    return [one for one in glomeruli if shapely.contains_xy(polygon, *one.circle0[:2])]


def _note_left_out(
    shapes: Shapes, glomeruli: Sequence[Shape], left_over: Sequence[Shape], middles0: Points
) -> None:
    if left_over:
        numbers = ", ".join(str(outline.number) for outline in left_over)
        shapes.notes.append(f"outlines whose ellipse was deleted, moved or redrawn, omitted: {numbers}")
    loose = sum(not any(one.holds(x, y) for one in glomeruli) for x, y in middles0.tolist())
    if loose:
        shapes.notes.append(f"boxes outside every glomerulus, ignored: {loose}")
    lost = [one.name for one in shapes.lesions if one.by_hand and not _held(one.polygon, glomeruli)]
    if lost:
        named = ", ".join(sorted(set(lost)))
        shapes.notes.append(f"lesions drawn outside every glomerulus, ignored: {len(lost)} ({named})")
    if shapes.runs_boxes:
        shapes.notes.append(f"boxes drawn by glomspike, not treated as certain: {shapes.runs_boxes}")


def _distinct(shapes: Shapes) -> list[Shape]:
    """The ellipses, of several on one glomerulus one: that drawn by hand, before that with a number."""
    kept: list[Shape] = []
    for ellipse in sorted(shapes.ellipses, key=_by_hand_first):
        twin = next((other for other in kept if other.iou(ellipse) >= SAME_IOU), None)
        if twin is None:
            kept.append(ellipse)
        elif twin.label != ellipse.label and (twin.number is None) == (ellipse.number is None):
            kept[kept.index(twin)] = replace(twin, label="undetermined")
            shapes.notes.append(f"{_place(twin)} is in two layers: treated as undetermined")
    return kept


def _joined(ellipses: list[Shape], outlines: Sequence[Shape]) -> tuple[list[Shape], list[Shape]]:
    """Each glomerulus once, though it may have outline and ellipse; and outlines that are left over."""
    alone, found, left_over = list(ellipses), [], []
    for outline in sorted(outlines, key=_by_hand_first):
        ellipse = _partner(outline, alone)
        if ellipse is not None:
            alone.remove(ellipse)
        elif outline.runs_outline:
            left_over.append(outline)
            continue
        label = outline.label or (ellipse.label if ellipse else None)
        circle0 = ellipse.circle0 if ellipse and outline.runs_outline else outline.circle0
        found.append(replace(outline, circle0=circle0, label=label))
    return found + alone, left_over


def _partner(outline: Shape, ellipses: Sequence[Shape]) -> Shape | None:
    """The ellipse of the same glomerulus.

    To an outline of a run it must fit and be of its number, or drawn by hand; to any other its middle lies
    inside.
    """
    if not outline.runs_outline:
        inside = [ellipse for ellipse in ellipses if outline.holds(*ellipse.circle0[:2])]
        return max(inside, key=outline.iou, default=None)
    candidates = [ellipse for ellipse in ellipses if ellipse.number in (outline.number, None)]
    fitting = [ellipse for ellipse in candidates if outline.iou(ellipse) >= AGREEING_IOU]
    return max(fitting, key=outline.iou, default=None)


def _with_lesion(glomerulus: Shape, shapes: Shapes) -> Shape:
    """The glomerulus with the lesion in whose layer its middle lies; one drawn by hand counts more."""
    x0, y0, _ = glomerulus.circle0
    drawn = [one for one in shapes.lesions if shapely.contains_xy(one.polygon, x0, y0)]
    names = {one.name for one in drawn if one.by_hand} or {one.name for one in drawn}
    if len(names) > 1:
        lesions = " and ".join(sorted(names))
        shapes.notes.append(
            f"{_place(glomerulus)} is in the layers of {lesions}: its lesion is left undetermined"
        )
    return replace(glomerulus, lesion=names.pop() if len(names) == 1 else None)


def _without_holes(glomerulus: Shape, holes0: Sequence[shapely.Polygon]) -> Shape:
    """The glomerulus without what negative regions cut from its edge; holes inside it stay filled."""
    if glomerulus.outline0 is None or not holes0:
        return glomerulus
    whole = shapely.Polygon(glomerulus.outline0)
    rest = largest(whole.difference(shapely.union_all(holes0)))
    if rest is None or shapely.Polygon(rest.exterior).equals(whole):
        return glomerulus
    outline0 = vertices(rest)
    return replace(glomerulus, circle0=enclosing_circle(outline0), outline0=outline0)


def _labelled_by_boxes(glomerulus: Shape, middles0: Points, notes: list[str]) -> Shape:
    """The glomerulus as spiked where the middle of a box that someone drew on spikes lies in it."""
    if glomerulus.label == "spiked" or not any(glomerulus.holds(x, y) for x, y in middles0.tolist()):
        return glomerulus
    notes.append(
        f"{_place(glomerulus)} has boxes on spikes: treated as spiked, although not in {SPIKED.name!r}"
    )
    return replace(glomerulus, label="spiked")


def _by_hand_first(shape: Shape) -> bool:
    return shape.number is not None


def _place(shape: Shape) -> str:
    name = "glomerulus" if shape.number is None else f"glomerulus {shape.number}"
    return f"{name} at {shape.circle0[0]:.0f}, {shape.circle0[1]:.0f}"
