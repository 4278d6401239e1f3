"""Real fields as pretended levels: three crops of one, turned and mirrored, are put together again."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from outside import outside

from glomspike.cases.identity import Identity, identify
from glomspike.cases.piece import Profile, pieces_of
from glomspike.metrics.identity import identity_counts
from glomspike.slide.mask import read_mask

CORNERS = ((0.0, 0.0), (0.22, 0.08), (0.08, 0.22))  # of the crops, as shares of the field
SHARE = 0.78  # of the field's sides that a crop shows
TURNS, FLIPS = (0.0, 1.9, -0.7), (1, 1, -1)
LEAST_PX = 30  # area of a glomerulus in a crop that is still one


def levels(
    mask: np.ndarray, mpp: float
) -> tuple[list[np.ndarray], list[list[Profile]], dict[tuple[int, int], int]]:
    """The edges of the crops, their profiles, and which glomerulus of the field each profile is."""
    count, labels = cv2.connectedComponents((mask > 0).astype(np.uint8))
    height, width = mask.shape
    edges, profiles, truth = [], [], {}
    for level, (corner, turn, flip) in enumerate(zip(CORNERS, TURNS, FLIPS, strict=True)):
        left, top = round(corner[0] * width), round(corner[1] * height)
        right, bottom = left + round(SHARE * width), top + round(SHARE * height)
        cosine, sine = np.cos(turn), np.sin(turn)
        matrix = np.array([[cosine, -sine], [sine, cosine]]) @ np.diag([flip, 1.0]) * mpp
        here = []
        for number in range(1, count):
            inside = np.zeros_like(mask, dtype=np.uint8)
            inside[top:bottom, left:right] = labels[top:bottom, left:right] == number
            if inside.sum() < LEAST_PX:
                continue
            outlines, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            outline = max(outlines, key=len)[:, 0].astype(np.float64) + 0.5
            here.append(Profile(level, len(here) + 1, outline @ matrix.T))
            truth[level, len(here)] = number
        box = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=np.float64)
        edges.append(box @ matrix.T)
        profiles.append(here)
    return edges, profiles, truth


def put_together(edges: list[np.ndarray], profiles: list[list[Profile]]) -> Identity:
    pieces = [
        piece
        for level, (edge, here) in enumerate(zip(edges, profiles, strict=True))
        for piece in pieces_of(level, [edge], here)
    ]
    return identify(pieces, [1, 2, 3])


@pytest.mark.parametrize("field", ["field_2", "field_4", "field_6"])
def test_crops_of_a_real_field_are_put_together_as_they_were(field: str) -> None:
    place = outside("he-nephrectomy")
    with (place / "scale.csv").open() as file:
        mpp = {row["field"]: float(row["mpp"]) for row in csv.DictReader(file)}[field]
    mask = read_mask(next(Path(place, "masks").glob(f"{field}.*")))
    edges, profiles, truth = levels(mask, mpp)
    found = put_together(edges, profiles)
    counts = identity_counts(found.glomeruli, truth)
    assert found.apart == ((0, 1, 2),)
    assert counts.f1 > 0.93
    assert counts.twice <= 2  # slivers at a crop's edge, too small for what they are matched with
    sure = [link for link in found.links if link.certainty >= 0.95]
    assert [link for link in sure if truth[link.first] != truth[link.second]] == []
