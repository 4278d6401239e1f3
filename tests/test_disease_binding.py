"""How antibodies bind: what is stated of pictures, what is learnt of it, what is then known of a patient."""

from pathlib import Path

import pytest
import torch

from glomspike.disease.bags import load_patients
from glomspike.disease.binding import (
    GRADES,
    PER_MARKER,
    UNKNOWN,
    BindingHead,
    binding_loss,
    evidence_by_marker,
    known_binding,
)
from glomspike.learn.samples import read_samples
from glomspike.modalities import MODALITIES
from tests.patients import SMALL, write_patients

MARKERS = 4


def sure(grade: int, mesangium: bool, loops: bool) -> list[float]:
    """Logits that leave no doubt."""
    grades = [30.0 if n == grade else -30.0 for n in range(GRADES)]
    return [*grades, 30.0 if mesangium else -30.0, 30.0 if loops else -30.0]


def test_what_a_table_says_of_binding_goes_with_its_picture(tmp_path: Path) -> None:
    patients = load_patients(read_samples([write_patients(tmp_path)], MODALITIES), SMALL)
    stated = {(one.disease, p.grade, p.site) for one in patients for p in one.images["if"][:1]}
    assert stated == {("IgAN", 3, "mesangium"), ("LN", 3, "mesangium"), ("MN", 0, None)}
    assert all(p.grade is None and p.site is None for one in patients for p in one.images["if"][1:])


def test_each_part_of_what_is_stated_is_known_by_itself() -> None:
    known = known_binding([(2, "mesangium and loops"), (0, None), (None, "loops")], 4)
    expected = [[2, 1, 1], [0, UNKNOWN, UNKNOWN], [UNKNOWN, 0, 1], [UNKNOWN] * 3]
    assert known.tolist() == expected


def test_a_negative_antibody_is_another_thing_than_a_missing_one() -> None:
    logits = torch.tensor([[sure(3, False, True), sure(0, False, False), sure(2, True, False)]])
    marker = torch.tensor([[1, 2, 3]])
    there = torch.tensor([[True, True, True]])
    said = evidence_by_marker(logits, there, marker, MARKERS).view(MARKERS, PER_MARKER)
    assert torch.allclose(said[0], torch.zeros(PER_MARKER))
    assert torch.allclose(said[1], torch.tensor([1.0, 1.0, 0.0, 1.0]), atol=1e-4)
    assert torch.allclose(said[2], torch.tensor([1.0, 0.0, 0.0, 0.0]), atol=1e-4)
    assert torch.allclose(said[3], torch.tensor([1.0, 2 / 3, 2 / 3, 0.0]), atol=1e-4)
    there[0, 1] = False
    missing = evidence_by_marker(logits, there, marker, MARKERS).view(MARKERS, PER_MARKER)
    assert torch.allclose(missing[2], torch.zeros(PER_MARKER))
    assert torch.equal(missing[[1, 3]], said[[1, 3]])


def test_the_strongest_picture_of_an_antibody_counts_in_whatever_order() -> None:
    logits = torch.tensor([[sure(1, True, False), sure(3, True, False)]])
    marker, there = torch.tensor([[2, 2]]), torch.tensor([[True, True]])
    said = evidence_by_marker(logits, there, marker, MARKERS)
    assert torch.equal(said, evidence_by_marker(logits.flip(1), there, marker, MARKERS))
    assert said.view(MARKERS, PER_MARKER)[2, 1] == pytest.approx(1.0, abs=1e-4)


def test_what_nobody_states_costs_nothing() -> None:
    logits = torch.randn(2, 3, GRADES + 2, generator=torch.Generator().manual_seed(0))
    known = torch.full((2, 3, 3), UNKNOWN)
    assert binding_loss(logits, known) == 0
    known[0, 1, 0] = 2
    expected = -logits[0, 1, :GRADES].log_softmax(dim=0)[2]
    assert torch.isclose(binding_loss(logits, known), expected)
    known[1, 2, 2] = 1
    expected = expected - torch.nn.functional.logsigmoid(logits[1, 2, GRADES + 1])
    assert torch.isclose(binding_loss(logits, known), expected)


def test_grade_and_site_are_learnt_from_pictures() -> None:
    torch.manual_seed(0)
    maps = torch.rand(40, 1, 8, 5, 5) * 0.1
    grade = torch.arange(40) % GRADES
    loops = torch.arange(40) // GRADES % 2
    maps[:, 0, 0] += grade[:, None, None] / 3
    maps[:, 0, 1, 2, 2] += loops * 2.0
    known = torch.stack([grade, 1 - loops, loops], dim=1)[:, None]
    known[grade == 0, :, 1:] = UNKNOWN
    head = BindingHead(8)
    optimizer = torch.optim.Adam(head.parameters(), 1e-2)
    for _ in range(300):
        optimizer.zero_grad()
        binding_loss(head(maps), known).backward()
        optimizer.step()
    said = head(maps)[:, 0]
    assert (said[:, :GRADES].argmax(dim=1) == grade).float().mean() > 0.9
    shown = grade > 0
    assert ((said[shown, GRADES + 1] > 0) == loops[shown].bool()).all()
