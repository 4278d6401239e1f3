"""Where deposits lie on electron micrographs: masks that say so, and the network's opinion of each place.

A mask has grey level 1, 2, 3 or 4 for the places of DEPOSIT_PLACES, any other for deposits of which it does
not say where they lie, and 0 elsewhere. As a few boxes on spikes do in MSA-MIL, masks teach the network what
to look for, where a disease is said of a patient and not of a place.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from glomspike.errors import SamplesError
from glomspike.modalities import DEPOSIT_PLACES
from glomspike.slide.mask import is_lossy, opened_mask

KINDS = 1 + len(DEPOSIT_PLACES)  # no deposit, and those of each place
SOMEWHERE = KINDS  # a deposit of which nobody says where it lies
STAGED = [1 + DEPOSIT_PLACES.index(place) for place in ("subepithelial", "intramembranous")]
UNKNOWN = -1
LEAST_SHARE = 0.012  # of a cell that deposits fill
HIDDEN = 64
NONE_AT_FIRST = 3.0  # logit: most of a micrograph is no deposit
LEAST_CHANCE, SCALE = 3e-4, 4.0  # of a place's, and log-odds
PER_PLACE = 2  # numbers of a patient for each place
EVIDENCE = PER_PLACE * len(DEPOSIT_PLACES)

Places = NDArray[np.uint8]  # (height, width), 0 to SOMEWHERE
Cells = NDArray[np.int8]  # (rows, columns) of a map, UNKNOWN to SOMEWHERE


def read_places(path: Path, width_px: int, height_px: int) -> Places:
    """A mask's deposits, at the size of its micrograph.

    Raises SamplesError for a mask of another size, or one whose compression has changed its grey levels, and
    SlideError for one that cannot be read.
    """
    with opened_mask(path) as mask:
        if is_lossy(mask):
            raise SamplesError(path, "is a JPEG, which changes grey levels", "save the mask as PNG")
        levels = _levels(mask)
    if levels.shape != (height_px, width_px):
        cause = f"mask is {levels.shape[1]} x {levels.shape[0]}, its image is {width_px} x {height_px}"
        raise SamplesError(path, cause, "make them the same size")
    return np.where(levels > SOMEWHERE, SOMEWHERE, levels).astype(np.uint8)


def _levels(mask: Image.Image) -> NDArray[np.int32]:
    """Grey levels; of a mask in colours, all that is not black is a deposit somewhere."""
    grey = mask.mode in ("1", "L", "I", "I;16")
    marked = np.asarray(mask.convert("I" if grey else "RGB")).astype(np.int32)
    return marked if grey else np.asarray(marked.max(axis=2) * SOMEWHERE, np.int32)


def cells_of(places: Places, rows: int) -> Cells:
    """What each cell (rows, rows) of a square shows: the place of most of its deposits.

    Where deposits only touch a cell it is UNKNOWN.
    """
    side_px = -(-len(places) // rows)
    padded = np.pad(places, (0, rows * side_px - len(places)))
    blocks = padded.reshape(rows, side_px, rows, side_px)
    areas = np.stack([(blocks == kind).sum(axis=(1, 3)) for kind in range(1, SOMEWHERE + 1)])
    covered = areas.sum(axis=0)
    cells = np.where(covered > 0, UNKNOWN, 0)
    enough = covered >= LEAST_SHARE * side_px * side_px
    return np.where(enough, 1 + areas.argmax(axis=0), cells).astype(np.int8)


def known_cells(places: Places | None, deposits: bool | None, rows: int) -> Cells:
    """The cells of a square as far as its mask, or that it shows no deposits, says what they are."""
    if places is not None:
        return cells_of(places, rows)
    return np.full((rows, rows), 0 if deposits is False else UNKNOWN, np.int8)


class SeenPlaces(NamedTuple):
    """What each place of micrographs shows: logits (b, n, KINDS, h, w), and how late a stage (b, n, h, w)."""

    kinds: Tensor
    lateness: Tensor


class PlaceHead(nn.Module):
    """Maps (b, n, channels, h, w) to what their places show: no deposit, or one of a kind, at some stage."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.seen = nn.Linear(channels, HIDDEN)
        self.kind = nn.Linear(HIDDEN, KINDS)
        self.lateness = nn.Linear(HIDDEN, 1)
        with torch.no_grad():
            self.kind.bias[0] += NONE_AT_FIRST

    def forward(self, maps: Tensor) -> SeenPlaces:
        seen = self.seen(maps.movedim(2, 4)).relu()
        return SeenPlaces(self.kind(seen).float().movedim(4, 2), self.lateness(seen).float().squeeze(4))


def any_deposit(logits: Tensor) -> Tensor:
    """The log-odds (b, n, h, w) that places show a deposit, whichever."""
    return logits[:, :, 1:].logsumexp(dim=2) - logits[:, :, 0]


def place_chances(logits: Tensor) -> dict[str, float]:
    """How probable deposits of each place are in a micrograph's surest place, of its logits (KINDS, h, w)."""
    chances = logits.softmax(dim=0)[1:].amax(dim=(1, 2)).tolist()
    return {place: round(chance, 4) for place, chance in zip(DEPOSIT_PLACES, chances, strict=True)}


def evidence_of_places(logits: Tensor, present: Tensor) -> Tensor:
    """Of each kind of deposit how sure a patient's surest place is, and the share of places (b, EVIDENCE).

    A mean over places, or a sum with weights of 1, cannot say whether a patient has any.
    """
    chances = logits.softmax(dim=2)[:, :, 1:] * present[:, :, None, None, None]
    surest = chances.amax(dim=(1, 3, 4)).logit(eps=LEAST_CHANCE) / SCALE
    places = present.sum(dim=1, keepdim=True).clamp(min=1) * logits[0, 0, 0].numel()
    share = chances.sum(dim=(1, 3, 4)) / places  # a number of places would tell how many images there are
    return torch.cat([surest, (share + LEAST_CHANCE).log() / SCALE], dim=1)


def lateness_of(places: SeenPlaces, present: Tensor) -> Tensor:
    """How late a stage a patient's deposits show (b,): the mean over places, by how surely they show one.

    Only those outside the membrane and within it have a stage.
    """
    staged = places.kinds.softmax(dim=2)[:, :, STAGED].sum(dim=2)
    chances = staged * present[:, :, None, None]
    total = chances.sum(dim=(1, 2, 3))
    return (chances * places.lateness).sum(dim=(1, 2, 3)) / total.clamp(min=LEAST_CHANCE)


def place_loss(logits: Tensor, cells: Tensor) -> Tensor:
    """The cross-entropy of places (b, n, KINDS, h, w), of what is known of cells (b, n, h, w), per deposit.

    A kind of deposit counts as the square root of how many cells show it: a mesangial one fills ten, a
    subepithelial one two or three. 0 where nobody has marked a deposit.
    """
    counts = torch.stack([(cells == kind).sum() for kind in range(1, SOMEWHERE + 1)]).float()
    deposits = counts.sum()
    if not bool(deposits):
        return logits.sum() * 0
    chances = logits.log_softmax(dim=2)
    somewhere = chances[:, :, 1:].logsumexp(dim=2, keepdim=True)
    of_cells = torch.cat([chances, somewhere], dim=2)
    usual = deposits / (counts > 0).sum()
    weights = torch.cat([torch.ones_like(counts[:1]), (usual / counts.clamp(min=1)).sqrt()])
    return (
        functional.nll_loss(
            of_cells.transpose(1, 2), cells.long(), weights, ignore_index=UNKNOWN, reduction="sum"
        )
        / deposits
    )
