"""Registration of two pieces of tissue: where the profiles of one lie on the other, and how sure that is.

Serial sections are alike but for turning, mirroring, a stretch of a few percent and local warps. Candidates
for the similarity come from pairs of profiles that lie as far apart in both pieces, as in RANSAC but all of
them where they are few, and from the tissue's shape. The best are refined to an affine map and then locally.
Each is judged by its log-likelihood ratio against profiles that lie there by chance. A part that a tear moved
by itself, but not off the piece, is found by the profiles that are left over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
import shapely.affinity
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.special import expit, logsumexp
from shapely.geometry.base import BaseGeometry

from glomspike.cases.piece import Piece
from glomspike.findings import Points

Floats = NDArray[np.float64]

LEAST_APART_UM = 120.0  # of two profiles that fix a turn
STRETCH = 0.08  # how much a distance may differ between two levels
SIZE_GATE = 0.7  # of the logarithm of two radii's ratio, in a pair that makes a candidate
MOST_CANDIDATES = 8000
REFINED = 16  # candidates that are worked out
COARSE_UM = 40.0  # spread of a candidate's error before it is refined
SPREAD_UM, FAR_SPREAD_UM, FAR_SHARE = 12.0, 35.0, 0.06  # of a refined match's error
SIZE_SPREAD = 0.35  # of the logarithm of the radii's ratio of two profiles of one glomerulus
CHANCE_SPREAD = 0.45  # the same of two glomeruli
FOUND = 0.7  # chance that a glomerulus is on the next level as well, and found there
LOCAL_UM = 350.0  # reach of a local correction
MISSED = np.log(1 - FOUND)
TEMPER = 0.5  # matches of one registration are not independent of one another
LEAST_OVERLAP = 0.8  # of two pieces of tissue, from which on it speaks for a registration
TISSUE = 10.0  # how much the same shape of tissue speaks for it, in units of a log-likelihood ratio
LEAST_CERTAINTY = 0.8  # of a registration that is used
LOOSE_SHARE = 0.05  # chance that a profile lies in a part that moved by itself
LOOSE_REACH_UM, LOOSE_SPREAD_UM = 150.0, 20.0  # how far such parts move, and how much that differs in one
LEAST_EVIDENCE = 1.0  # for such a part, as a log-likelihood ratio
LARGE_UM, LARGE_FOUND = 45.0, 0.95  # radius from which a profile is hardly ever missed


@dataclass(frozen=True, eq=False)
class Registration:
    """The map from one piece to another: `centres @ matrix.T + shift`, then a local correction.

    `moved_um` (n, 2) are the first piece's centres on the second, `pairs` (k, 2) which profiles fit,
    `certainty` the probability that the registration is right. Profiles of the first piece that are `loose`
    (n,) lie in parts that moved by themselves.
    """

    matrix: Floats
    shift_um: Points
    moved_um: Points
    pairs: NDArray[np.intp]
    score: float
    certainty: float
    loose: NDArray[np.bool_]

    @property
    def mirrored(self) -> bool:
        """Whether one of the two lies on its slide mirrored."""
        return bool(np.linalg.det(self.matrix) < 0)


def register(first: Piece, second: Piece, neighbours: Sequence[Registration] = ()) -> Registration | None:
    """The likeliest map from the first piece to the second; None where they have nothing in common.

    The certainty weighs it against the candidates that match the profiles otherwise, and against chance. With
    `neighbours`, registrations of the tissue that one of the two was torn off, only maps near these are
    tried.
    """
    if not first.profiles or not second.profiles:
        return None
    matrices, shifts = _near(neighbours) if neighbours else _candidates(first, second)
    if not len(matrices):
        return None
    best = _promising(first, second, matrices, shifts)
    refined = [_refined(first, second, matrices[n], shifts[n]) for n in best]
    refined.sort(key=lambda one: -one.score)
    top = refined[0]
    if not len(top.pairs):
        return None
    others = [one.score for one in refined[1:] if _shared(one, top) < 0.5]
    chance = np.log(len(matrices)) + 2.0
    certainty = float(expit(TEMPER * (top.score - logsumexp([chance, *others]))))
    return replace(_with_loose_parts(first, second, top), certainty=certainty)


def _shared(one: Registration, other: Registration) -> float:
    """The share of the first one's pairs that the other has as well."""
    if not len(one.pairs):
        return 0.0
    theirs = {tuple(pair) for pair in other.pairs.tolist()}
    return float(np.mean([tuple(pair) in theirs for pair in one.pairs.tolist()]))


def _candidates(first: Piece, second: Piece) -> tuple[Floats, Floats]:
    """Similarities: matrices (n, 2, 2) without change of scale, and shifts (n, 2)."""
    found = [_from_pairs(first, second), _from_tissue(first, second)]
    matrices = np.concatenate([one[0] for one in found])
    shifts = np.concatenate([one[1] for one in found])
    return matrices, shifts


def _near(neighbours: Sequence[Registration]) -> tuple[Floats, Floats]:
    """The maps of what lies beside a tear, moved by as much as tears gape."""
    steps = np.array([-120.0, -60.0, 0.0, 60.0, 120.0])
    moves = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    matrices = np.concatenate([np.broadcast_to(one.matrix, (len(moves), 2, 2)) for one in neighbours])
    return matrices, np.concatenate([one.shift_um + moves for one in neighbours])


def _from_pairs(first: Piece, second: Piece) -> tuple[Floats, Floats]:
    """From each pair of neighbours in the first and each pair in the second that is as far apart."""
    starts, stops = _neighbours(first.centres_um)
    k, m = (grid.ravel() for grid in np.indices((len(second.profiles),) * 2))
    k, m = k[k != m], m[k != m]
    along = _complex(first.centres_um[stops] - first.centres_um[starts])
    across = _complex(second.centres_um[m] - second.centres_um[k])
    fits = np.abs(np.log(np.abs(along)[:, None] / np.maximum(np.abs(across), 1e-9)[None, :])) < STRETCH
    size, other = np.log(first.radii_um), np.log(second.radii_um)
    fits &= np.abs(size[starts][:, None] - other[k][None, :]) < SIZE_GATE
    fits &= np.abs(size[stops][:, None] - other[m][None, :]) < SIZE_GATE
    a, b = np.nonzero(fits)
    if len(a) > MOST_CANDIDATES // 2:
        kept = np.random.default_rng(0).choice(len(a), MOST_CANDIDATES // 2, replace=False)
        a, b = a[kept], b[kept]
    middle = (first.centres_um[starts[a]] + first.centres_um[stops[a]]) / 2
    target = (second.centres_um[k[b]] + second.centres_um[m[b]]) / 2
    matrices = np.concatenate([_turns(along[a], across[b], mirrored=flip) for flip in (False, True)])
    middle, target = np.concatenate([middle, middle]), np.concatenate([target, target])
    return matrices, target - np.einsum("nij,nj->ni", matrices, middle)


def _neighbours(centres_um: Points) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of profiles far enough apart to fix a turn: of each with its six nearest such."""
    away = np.linalg.norm(centres_um[:, None] - centres_um[None], axis=-1)
    away[away < LEAST_APART_UM] = np.inf
    pairs = {
        (min(i, j), max(i, j))
        for i, row in enumerate(away)
        for j in np.argsort(row, kind="stable")[:6].tolist()
        if np.isfinite(row[j])
    }
    found = np.array(sorted(pairs), dtype=np.intp).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _complex(vectors: Points) -> NDArray[np.complex128]:
    return np.asarray(vectors[..., 0] + 1j * vectors[..., 1], dtype=np.complex128)


def _turns(along: NDArray[np.complex128], across: NDArray[np.complex128], *, mirrored: bool) -> Floats:
    """Matrices (n, 2, 2) that turn `along` to `across`, after mirroring x where required."""
    source = -np.conj(along) if mirrored else along
    unit = across / source
    unit = unit / np.abs(unit)
    turn = np.stack([np.stack([unit.real, -unit.imag], -1), np.stack([unit.imag, unit.real], -1)], -2)
    return np.asarray(turn @ np.diag([-1.0, 1.0]) if mirrored else turn, dtype=np.float64)


def _from_tissue(first: Piece, second: Piece) -> tuple[Floats, Floats]:
    """Those of all turns that lay one tissue best on the other, for pieces with few profiles."""
    start, stop = (np.array(one.tissue.centroid.coords[0]) for one in (first, second))
    whole = []
    for angle in np.arange(0, 2 * np.pi, np.pi / 24):
        cosine, sine = np.cos(angle), np.sin(angle)
        for flip in (1.0, -1.0):
            matrix = np.array([[flip * cosine, -sine], [flip * sine, cosine]])
            shift = stop - matrix @ start
            whole.append((overlap(first.tissue, second.tissue, matrix, shift), matrix, shift))
    whole.sort(key=lambda one: -one[0])
    return np.stack([one[1] for one in whole[:24]]), np.stack([one[2] for one in whole[:24]])


def overlap(first: BaseGeometry, second: BaseGeometry, matrix: Floats, shift_um: Points) -> float:
    """Intersection over union of the first area, mapped, with the second."""
    moved = shapely.affinity.affine_transform(first, [*matrix.ravel().tolist(), *shift_um.tolist()])
    both = float(moved.intersection(second).area)
    return both / max(float(moved.area + second.area) - both, 1e-9)


def _promising(first: Piece, second: Piece, matrices: Floats, shifts: Floats) -> list[int]:
    """The candidates that bring most profiles near to one of like size, no two almost the same."""
    sizes = np.log(first.radii_um)[:, None] - np.log(second.radii_um)[None, :]
    alike = np.exp(-0.5 * (sizes / SIZE_SPREAD) ** 2)
    scores = np.empty(len(matrices))
    for start in range(0, len(matrices), 1000):
        part = slice(start, start + 1000)
        moved = np.einsum("nij,mj->nmi", matrices[part], first.centres_um) + shifts[part, None]
        away = np.linalg.norm(moved[:, :, None] - second.centres_um[None, None], axis=-1)
        near = np.exp(-0.5 * (away / COARSE_UM) ** 2) * alike
        scores[part] = np.minimum(near.max(axis=2).sum(axis=1), near.max(axis=1).sum(axis=1))
    left, top, right, bottom = first.tissue.bounds
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    chosen: list[int] = []
    places: list[Points] = []
    for number in np.argsort(-scores, kind="stable")[:600].tolist():
        place = corners @ matrices[number].T + shifts[number]
        if all(np.linalg.norm(place - other, axis=1).max() > 2 * COARSE_UM for other in places):
            chosen.append(number)
            places.append(place)
        if len(chosen) == REFINED:
            break
    return chosen


def _refined(first: Piece, second: Piece, matrix: Floats, shift_um: Points) -> Registration:
    """A candidate fitted to the profiles that it matches, and its score."""
    moved = first.centres_um @ matrix.T + shift_um
    for spread_um in (COARSE_UM, COARSE_UM, 25.0, SPREAD_UM):
        ratio = log_ratio(first, second, moved, spread_um)
        pairs = assigned(ratio)
        if len(pairs) < 2:
            break
        matrix, shift_um = _fitted(first.centres_um[pairs[:, 0]], second.centres_um[pairs[:, 1]], matrix)
        moved = first.centres_um @ matrix.T + shift_um
    moved = _locally(first.centres_um, second.centres_um, moved, assigned(log_ratio(first, second, moved)))
    ratio = log_ratio(first, second, moved)
    pairs = assigned(ratio)
    score = float(ratio[pairs[:, 0], pairs[:, 1]].sum()) + _missed(first, second, matrix, shift_um, pairs)
    alike = (overlap(first.tissue, second.tissue, matrix, shift_um) - LEAST_OVERLAP) / (1 - LEAST_OVERLAP)
    score += TISSUE * max(alike, 0.0)
    return Registration(matrix, shift_um, moved, pairs, score, 0.0, np.zeros(len(moved), dtype=np.bool_))


def _fitted(source: Points, target: Points, before: Floats) -> tuple[Floats, Points]:
    """The affine map that lays one set of points on the other, near a similarity if they are few or close."""
    start, stop = source.mean(axis=0), target.mean(axis=0)
    flat, lying = source - start, target - stop
    left, _, right = np.linalg.svd(lying.T @ flat)
    flip = np.sign(np.linalg.det(before)) * np.sign(np.linalg.det(left @ right))
    turn = left @ np.diag([1.0, flip]) @ right
    # a prior as strong as two points 700 µm from the middle keeps the stretch within reason
    weight = 2 * 700.0**2 * np.eye(2)
    matrix = (lying.T @ flat + turn @ weight) @ np.linalg.inv(flat.T @ flat + weight)
    return matrix, stop - matrix @ start


def _locally(source: Points, target: Points, moved: Points, pairs: NDArray[np.intp]) -> Points:
    """Moved points corrected by what the matches around them are off; a point's match has no say in it."""
    if len(pairs) < 4:
        return moved
    off = target[pairs[:, 1]] - moved[pairs[:, 0]]
    away = np.linalg.norm(source[:, None] - source[pairs[:, 0]][None], axis=-1)
    weight = np.exp(-0.5 * (away / LOCAL_UM) ** 2)
    weight[pairs[:, 0], np.arange(len(pairs))] = 0.0
    return np.asarray(moved + weight @ off / (weight.sum(axis=1, keepdims=True) + 1.0))


def _with_loose_parts(first: Piece, second: Piece, found: Registration) -> Registration:
    """The registration with each part where it moved to by itself, as its left-over profiles say.

    That large profiles of both pieces have no match, a short way apart, hardly ever comes about otherwise;
    nor that several small ones are off by the same.
    """
    moved, loose = found.moved_um.copy(), found.loose.copy()
    here, there = (
        np.setdiff1d(np.arange(len(piece.profiles)), matched)
        for piece, matched in ((first, found.pairs[:, 0]), (second, found.pairs[:, 1]))
    )
    while (part := _likeliest_part(first, second, moved, here, there)) is not None:
        shift_um, rows, columns = part
        moved[rows] += shift_um
        loose[rows] = True
        here, there = np.setdiff1d(here, rows), np.setdiff1d(there, columns)
    return replace(found, moved_um=moved, loose=loose)


def _likeliest_part(
    first: Piece, second: Piece, moved_um: Points, here: NDArray[np.intp], there: NDArray[np.intp]
) -> tuple[Points, NDArray[np.intp], NDArray[np.intp]] | None:
    """How far a part moved (2,), and its profiles in either piece, of those left over; None without any."""
    best, least = None, LEAST_EVIDENCE
    way_um = second.centres_um[there][None] - moved_um[here][:, None]
    for i, j in np.argwhere(np.linalg.norm(way_um, axis=-1) <= LOOSE_REACH_UM).tolist():
        ratio = log_ratio(first, second, moved_um + way_um[i, j], LOOSE_SPREAD_UM)[np.ix_(here, there)]
        pairs = assigned(ratio)
        agreeing = float(ratio[pairs[:, 0], pairs[:, 1]].sum() - ratio[i, j])
        evidence = agreeing + _evidence_of_one(first, second, int(here[i]), int(there[j]))
        if evidence > least:
            best, least = (way_um[i, j], here[pairs[:, 0]], there[pairs[:, 1]]), evidence
    return best


def _evidence_of_one(first: Piece, second: Piece, i: int, j: int) -> float:
    """The log-likelihood ratio that two left-over profiles are one in a loose part, not both without a match.

    Their place says little: a part may have moved to anywhere near.
    """
    radii_um = np.array([first.radii_um[i], second.radii_um[j]])
    missed = np.log(np.where(radii_um >= LARGE_UM, 1 - LARGE_FOUND, 1 - FOUND)).sum()
    place = -np.log(np.pi * LOOSE_REACH_UM**2 * second.density)
    return float(np.log(LOOSE_SHARE) + place + _likeness(*radii_um) - missed)


def _likeness(radius_um: Floats, other_um: Floats) -> Floats:
    """How much likelier radii are those of one glomerulus than of two, as a log."""
    size = np.log(radius_um) - np.log(other_um)
    like = -0.5 * (size / SIZE_SPREAD) ** 2 - np.log(SIZE_SPREAD)
    chance = -0.5 * (size / CHANCE_SPREAD) ** 2 - np.log(CHANCE_SPREAD)
    return np.asarray(like - chance, dtype=np.float64)


def log_ratio(first: Piece, second: Piece, moved_um: Points, spread_um: float = SPREAD_UM) -> Floats:
    """How much likelier two profiles (n, m) are one glomerulus than two that meet by chance, as a log."""
    away = np.linalg.norm(moved_um[:, None] - second.centres_um[None], axis=-1)
    far_um = max(FAR_SPREAD_UM, spread_um)
    near, far = (-0.5 * (away / s) ** 2 - np.log(2 * np.pi * s**2) for s in (spread_um, far_um))
    place = np.logaddexp(np.log(1 - FAR_SHARE) + near, np.log(FAR_SHARE) + far) - np.log(second.density)
    alike = _likeness(first.radii_um[:, None], second.radii_um[None, :])
    return np.asarray(place + alike + np.log(FOUND) - MISSED, dtype=np.float64)


def assigned(ratio: Floats) -> NDArray[np.intp]:
    """The pairs (k, 2) of the best assignment; what is likelier to be matched by chance stays alone."""
    rows, columns = linear_sum_assignment(np.minimum(-ratio, 0.0))
    kept = ratio[rows, columns] > 0
    return np.stack([rows[kept], columns[kept]], axis=1)


def _missed(first: Piece, second: Piece, matrix: Floats, shift_um: Points, pairs: NDArray[np.intp]) -> float:
    """What profiles cost that should have one to match, for they lie within the other tissue."""
    back = np.linalg.inv(matrix)
    there = first.centres_um @ matrix.T + shift_um
    here = (second.centres_um - shift_um) @ back.T
    lost = 0
    for points, area, matched in (
        (there, second.tissue, pairs[:, 0]),
        (here, first.tissue, pairs[:, 1]),
    ):
        inside = shapely.contains_xy(area, points[:, 0], points[:, 1])
        inside[matched] = False
        lost += int(inside.sum())
    return float(lost * MISSED)
