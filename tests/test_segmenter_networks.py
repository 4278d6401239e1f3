"""The comparison of segmenters, without any training."""

from types import SimpleNamespace

from benchmarks.quality.segmenter_networks import difference, heading
from glomspike.metrics.overlap import Overlap


def compared(*dices):
    patients = "aabbcc"
    return [
        SimpleNamespace(sample=SimpleNamespace(patient=patient), overlap=Overlap(dice, dice / 2))
        for patient, dice in zip(patients, dices, strict=True)
    ]


def test_networks_are_compared_glomerulus_by_glomerulus():
    first, second = compared(0.2, 0.4, 0.6, 0.8, 0.9, 0.5), compared(0.3, 0.5, 0.7, 0.9, 1.0, 0.6)
    assert difference(first, second).startswith(
        "| difference | 0.100 (0.100 to 0.100) | 0.050 (0.050 to 0.050)"
    )
    assert heading(first)[0].startswith("| 6 glomeruli of 3 patients |")
