"""The disease network (Long et al. 2025): bags of images of three modalities to a disease and a stage.

A batch of b patients is a dictionary. For each modality m there are `m` (b, n, side, side, 3) images,
uint8, or `m_maps` (b, n, channels, h, w) what the encoder saw in them, `m_present` (b, n), which are there,
`m_marker` (b, n), numbers from `marker_number`, and `m_number` (b, n), what is known of an image besides
(`prepare.py`). `tem_deposits` (b, n) is 1 for micrographs known to show deposits, 0 for those known to show
none, -1 for others; `tem_places` (b, n, h, w) what is known of their places (`places.py`), `if_binding` (b,
n, 3) what is known of how antibodies bind (`binding.py`). `evidence` (b, 6) is what the main job says of
spikes (`evidence.py`), `scored` (b,) whether it says anything.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from glomspike.disease.binding import PER_MARKER, BindingHead, evidence_by_marker
from glomspike.disease.cmsa import cross_modal
from glomspike.disease.encoder import SharedEncoder, map_side
from glomspike.disease.evidence import EVIDENCE
from glomspike.disease.form import Form
from glomspike.disease.places import EVIDENCE as DEPOSITS
from glomspike.disease.places import (
    KINDS,
    PlaceHead,
    SeenPlaces,
    any_deposit,
    evidence_of_places,
    lateness_of,
)
from glomspike.disease.smil import Aggregate, Aggregation, BagWeights
from glomspike.disease.staging import OrdinalHead
from glomspike.learn.training import NORMALISATION, Batch
from glomspike.modalities import MARKERS, MODALITIES, Modality
from glomspike.networks.freezable import FreezableEncoder
from glomspike.networks.weights import Normalisation

WIDTH = 256
EVIDENCE_WIDTH = 32
_MARKERS = 1 + len(MARKERS["if"])
HIDDEN = 128
# Fluorescence and electron micrographs come brought to one exposure (`prepare.py`).
_GREY = Normalisation(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
NORMALISATIONS: dict[Modality, Normalisation] = {"om": NORMALISATION, "if": _GREY, "tem": _GREY}


class Answer(NamedTuple):
    """What the network says of b patients.

    `fused` (b, diseases) and `branches` (b, 3, diseases), in the order of MODALITIES, are logits; `stage`
    (b, 3) those of P(stage > k). `weighing` is that of the electron micrographs, `places` (b, n, KINDS,
    h, w) the logits of what each of their places shows, `place_stages` (b, n, h, w, 3) those of its stage,
    were it a deposit, `deposits` (b, EVIDENCE) what is counted of them; all are 0 where the form tells no
    places apart. `binding` (b, n, 6) are the logits of how an antibody binds (`binding.py`).
    """

    fused: Tensor
    branches: Tensor
    stage: Tensor
    weighing: BagWeights
    places: Tensor
    place_stages: Tensor
    deposits: Tensor
    binding: Tensor


class SeenImages(NamedTuple):
    """What is seen in each image of some patients, whichever of them the answer is to rest on.

    `maps` by modality (b, n, WIDTH, h, w), 0 where there is no image; what each place of the micrographs
    shows; how antibodies seem to bind in fluorescence (b, n, GRADES + 2), as logits.
    """

    maps: Mapping[Modality, Tensor]
    places: SeenPlaces
    binding: Tensor


class DiseaseNetwork(FreezableEncoder):
    """The network of a form, for so many diseases.

    What is counted in a modality's images is a few numbers that mean the same in every laboratory: deposits
    by kind, antibodies, spikes. The answer of a form that `counts` rests on nothing else, that of others on
    maps of the images as well.
    """

    encoder: SharedEncoder

    def __init__(self, form: Form, diseases: int, *, photographs: bool = False) -> None:
        super().__init__()
        self.form = form
        self.encoder = SharedEncoder(form.encoder, photographs=photographs)
        self.seen = nn.ModuleDict(
            {m: MarkerProjection(self.encoder.width(m), WIDTH, len(MARKERS[m])) for m in form.looks_at}
        )
        pooled: tuple[Modality, ...] = ("tem",) if form.counts else MODALITIES
        self.pooled = nn.ModuleDict({m: Aggregation(_pooling(m, form), WIDTH, form.keep) for m in pooled})
        self.ask = None if form.counts else cross_modal(form.cmsa, WIDTH)
        self.places = PlaceHead(WIDTH) if form.by_place else None
        self.deposits = nn.Linear(DEPOSITS, EVIDENCE_WIDTH) if form.by_place else None
        self.binding = BindingHead(WIDTH)
        self.by_marker = nn.Linear(_MARKERS * PER_MARKER, EVIDENCE_WIDTH)
        self.evidence = nn.Linear(len(EVIDENCE), EVIDENCE_WIDTH)
        self.no_evidence = nn.Parameter(torch.zeros(EVIDENCE_WIDTH))
        of_maps = 0 if form.counts else WIDTH
        widths = {
            "om": of_maps + EVIDENCE_WIDTH,
            "if": of_maps + EVIDENCE_WIDTH,
            "tem": of_maps + (EVIDENCE_WIDTH if form.by_place else 0),
        }
        self.absent = nn.ParameterDict({m: nn.Parameter(torch.zeros(width)) for m, width in widths.items()})
        self.branch = nn.ModuleDict({m: nn.Linear(width, diseases) for m, width in widths.items()})
        together = sum(widths.values())
        self.fusion = nn.Sequential(
            nn.Linear(together, HIDDEN), nn.Dropout(0.5), nn.ReLU(), nn.Linear(HIDDEN, diseases)
        )
        # Maps would fit the few patients that have a stage too well.
        self.unstaged = of_maps if form.by_place else 0
        self.stage = OrdinalHead(together - len(MODALITIES) * self.unstaged)

    def forward(self, batch: Batch) -> Answer:
        return self.answer(batch, self.see(batch))

    def see(self, batch: Batch) -> SeenImages:
        """What is seen in each image of a batch."""
        return self.read({m: self.maps(batch, m) for m in self.form.looks_at})

    def read(self, maps: Mapping[Modality, Tensor]) -> SeenImages:
        """What maps of images by modality say of their places and of antibodies."""
        return SeenImages(maps, self._places(maps["tem"]), self.binding(maps["if"]))

    def answer(self, batch: Batch, seen: SeenImages) -> Answer:
        """The answer that rests on those images that a batch says are present."""
        there = {m: batch[f"{m}_present"] for m in MODALITIES}
        maps, places, binding = seen
        deposits = evidence_of_places(places.kinds, there["tem"])
        counted = self._counted(batch, deposits, binding)
        pooled, weighing = self._pooled(maps, there, places)
        vectors = {}
        for m in MODALITIES:
            known = torch.cat([one[m] for one in (pooled, counted) if m in one], dim=1)
            vectors[m] = torch.where(there[m].any(dim=1)[:, None], known, self.absent[m])
        branches = torch.stack([self.branch[m](vectors[m]).float() for m in MODALITIES], dim=1)
        fused = self.fusion(torch.cat([vectors[m] for m in MODALITIES], dim=1)).float()
        staged = torch.cat([vectors[m][:, self.unstaged :] for m in MODALITIES], dim=1)
        stages = self.stage.at(places.lateness)
        if self.training:
            # Every parameter has a part in every step, which training on several GPUs asks for.
            fused = fused + 0 * sum(one.sum() for one in self.parameters() if one.requires_grad)
        return Answer(
            fused,
            branches.relu() if self.form.branch_relu else branches,
            self.stage(staged, lateness_of(places, there["tem"])),
            weighing,
            places.kinds,
            stages if self.places is not None else torch.zeros_like(stages),
            deposits if self.places is not None else torch.zeros_like(deposits),
            binding,
        )

    def places_of(self, batch: Batch) -> SeenPlaces:
        """What each place of a batch's micrographs shows; all 0 where the form attends to no places."""
        return self._places(self.maps(batch, "tem"))

    def maps(self, batch: Batch, modality: Modality) -> Tensor:
        """What is seen in each image of a modality (b, n, WIDTH, h, w), 0 where there is none."""
        present = batch[f"{modality}_present"]
        if f"{modality}_maps" in batch:
            encoded = batch[f"{modality}_maps"][present].float()
        else:
            encoded = self.encode(batch[modality][present], modality)
        marker, number = batch[f"{modality}_marker"][present], batch[f"{modality}_number"][present]
        seen: Tensor = self.seen[modality](encoded, marker, number.float())
        maps = seen.new_zeros(*present.shape, *seen.shape[1:])
        maps[present] = seen
        return maps

    def encode(self, images: Tensor, modality: Modality) -> Tensor:
        """The encoder's maps (n, channels, h, w) of images (n, side, side, 3), uint8; n may be 0."""
        if not len(images):
            return torch.zeros(0, *self.map_shape(modality, images.shape[1]), device=self.no_evidence.device)
        normed = NORMALISATIONS[modality].apply(images).contiguous(memory_format=torch.channels_last)
        encoded: Tensor = self.encoder(normed, modality).float()
        return encoded

    def map_shape(self, modality: Modality, side_px: int | None = None) -> tuple[int, int, int]:
        """Channels, height and width of the encoder's map of one image, of the form's size or of another."""
        side = map_side(self.form.encoder, modality, side_px or self.form.sides_px[modality])
        return self.encoder.width(modality), side, side

    def _places(self, maps: Tensor) -> SeenPlaces:
        """What each place of micrographs (b, n, WIDTH, h, w) shows, all 0 where the form has no such head."""
        if self.places is not None:
            return SeenPlaces(*self.places(maps))
        b, n, _, h, w = maps.shape
        nothing = maps.new_zeros(b, n, KINDS + 1, h, w, dtype=torch.float32)
        return SeenPlaces(nothing[:, :, :KINDS], nothing[:, :, KINDS])

    def _counted(self, batch: Batch, deposits: Tensor, binding: Tensor) -> dict[Modality, Tensor]:
        """What is counted in images of each modality (b, EVIDENCE_WIDTH); in micrographs, by place."""
        spikes = self.evidence(batch["evidence"]).relu()
        stained = evidence_by_marker(binding, batch["if_present"], batch["if_marker"], _MARKERS)
        counted: dict[Modality, Tensor] = {
            "om": torch.where(batch["scored"][:, None], spikes, self.no_evidence.to(spikes.dtype)),
            "if": self.by_marker(stained).relu(),
        }
        if self.deposits is not None:
            counted["tem"] = self.deposits(deposits).relu()
        return counted

    def _pooled(
        self, maps: Mapping[Modality, Tensor], there: Mapping[Modality, Tensor], places: SeenPlaces
    ) -> tuple[dict[Modality, Tensor], BagWeights]:
        """Maps of a modality as a vector (b, WIDTH), none of a form that counts; weights of micrographs."""
        begin = None if self.places is None else any_deposit(places.kinds)
        micrographs, weighing = self.pooled["tem"](maps["tem"], there["tem"], begin)
        if self.ask is None:
            return {}, weighing
        vectors: dict[Modality, Tensor] = {"tem": micrographs.mean(dim=(2, 3))}
        asking = there["tem"].any(dim=1)[:, None, None, None]
        asked: tuple[Modality, ...] = ("om", "if")
        for m in asked:
            base, _ = self.pooled[m](maps[m], there[m])
            # Without micrographs nothing asks.
            vectors[m] = torch.where(asking, self.ask(base, micrographs), base).mean(dim=(2, 3))
        return vectors, weighing


class MarkerProjection(nn.Module):
    """Maps of single images (n, channels, h, w) to (n, width, h, w), seen in the light of their marker.

    Each channel is stretched and shifted as marker and number ask for before it is cut at 0: an average over
    antibodies would otherwise no longer say which of them was bright.
    """

    def __init__(self, channels: int, width: int, markers: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.project = nn.Conv2d(channels, width, kernel_size=1)
        self.marker = nn.Embedding(markers + 1, 2 * width)
        self.number = nn.Linear(1, 2 * width)
        nn.init.normal_(self.marker.weight, std=0.3)

    def forward(self, maps: Tensor, marker: Tensor, number: Tensor) -> Tensor:
        normed = self.norm(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        scale, shift = (self.marker(marker) + self.number(number[:, None])).chunk(2, dim=1)
        seen: Tensor = (self.project(normed) * (1 + scale[:, :, None, None]) + shift[:, :, None, None]).relu()
        return seen


def marker_number(modality: Modality, marker: str | None) -> int:
    """The number of a stain or antibody: its place in MARKERS, from 1; 0 where it is not known."""
    known = MARKERS[modality]
    return 0 if marker not in known else known.index(marker) + 1


def _pooling(modality: Modality, form: Form) -> Aggregate:
    """How a modality's images become one.

    Fluorescence of different antibodies is averaged: the one that differs from the rest is no outlier to be
    dropped but the finding. Sums, which are there to be compared with, are for micrographs alone.
    """
    if modality == "if" or (modality == "om" and form.aggregate in ("sum", "public")):
        return "mean"
    return form.aggregate
