"""How well a disease can be known from each set of modalities by who reads every picture without error.

Given the variety of a disease, findings of different modalities are independent: the chance of what is found
is the product of each modality's, counted on patients drawn for that.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from glomspike.metrics.classes import class_statistics
from glomspike.modalities import MODALITIES, Modality
from glomspike.phantom.latents import DISEASES, VARIETIES, Disease, Latent, draw_latent

DRAWN = 2500  # patients of each variety on whom findings are counted
UNSEEN = 0.2  # count of a finding that none of them has


def subsets() -> tuple[tuple[Modality, ...], ...]:
    """Every set of modalities, those of one first."""
    return tuple(one for size in (1, 2, 3) for one in combinations(MODALITIES, size))


class Oracle:
    """Chances of diseases, given what modalities find."""

    def __init__(self, seed: int = 0, drawn: int = DRAWN) -> None:
        rng = np.random.default_rng([seed, 77])
        self._drawn = drawn
        self._counts: list[dict[Modality, Counter[object]]] = []
        for variety in VARIETIES:
            counts: dict[Modality, Counter[object]] = {modality: Counter() for modality in MODALITIES}
            for _ in range(drawn):
                latent = draw_latent(rng, variety)
                for modality in MODALITIES:
                    counts[modality].update(_parts(latent, modality))
            self._counts.append(counts)
        shares = [variety.share / len(DISEASES) for variety in VARIETIES]
        self._prior = np.log(np.array(shares))

    def chances(self, latent: Latent, modalities: Sequence[Modality]) -> dict[Disease, float]:
        """The chance of each disease, given what these modalities find of a patient."""
        logs = self._prior.copy()
        for modality in modalities:
            for part in _parts(latent, modality):
                found = [counts[modality].get(part, UNSEEN) for counts in self._counts]
                logs += np.log(np.array(found) / self._drawn)
        chances = np.exp(logs - logs.max())
        chances /= chances.sum()
        return {
            disease: float(
                sum(p for p, one in zip(chances, VARIETIES, strict=True) if one.disease == disease)
            )
            for disease in DISEASES
        }

    def quality(self, latents: Sequence[Latent]) -> dict[str, dict[str, float]]:
        """Balanced accuracy and macro AUC over patients, for each set of modalities joined by `+`."""
        truth = np.array([DISEASES.index(latent.disease) for latent in latents])
        found = {}
        for modalities in subsets():
            chances = np.array([list(self.chances(latent, modalities).values()) for latent in latents])
            measured = class_statistics(chances, truth)
            found["+".join(modalities)] = {
                name: round(measured[name], 4) for name in ("balanced_accuracy", "auc")
            }
        return found


def _parts(latent: Latent, modality: Modality) -> tuple[object, ...]:
    """A modality's finding in parts that are independent given the variety: each antibody is one."""
    found = latent.finding(modality)
    return found if modality == "if" else (found,)
