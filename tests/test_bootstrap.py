"""Intervals over patients, against every draw there is and against theory."""

from itertools import product

import numpy as np
import pytest

from glomspike.metrics import bootstrap
from glomspike.metrics.bootstrap import Rows, intervals


def always(rows: Rows) -> bool:
    return True


def test_the_interval_of_a_mean_is_that_of_theory() -> None:
    values = np.random.default_rng(1).normal(5, 2, 200)
    patients = np.array([f"p{i}" for i in range(200)])
    (interval,) = intervals(patients, lambda rows: [values[rows].mean()], always)
    error = 1.96 * values.std() / np.sqrt(200)
    assert interval == pytest.approx((values.mean() - error, values.mean() + error), abs=0.03)


def test_a_patient_is_drawn_with_all_rows_and_as_many_are_drawn_as_there_are() -> None:
    patients, drawn = np.array(["b", "a", "b", "c"]), set()

    def noted(rows: Rows) -> list[float]:
        drawn.add(tuple(sorted(rows.tolist())))
        return [0.0]

    assert intervals(patients, noted, always) == [(0.0, 0.0)]
    rows_of = {"a": (1,), "b": (0, 2), "c": (3,)}
    assert drawn == {tuple(sorted(sum(map(rows_of.get, names), ()))) for names in product("abc", repeat=3)}


def test_each_statistic_has_its_interval_and_it_is_the_same_each_time() -> None:
    values, patients = np.arange(12.0), np.repeat(["a", "b", "c", "d"], 3)

    def ends(rows: Rows) -> list[float]:
        return [values[rows].min(), values[rows].max()]

    # One draw in 16 has neither a nor b, but only one in 256 is all d; and so from the other end.
    assert intervals(patients, ends, always) == [(0.0, 6.0), (5.0, 11.0)]
    assert intervals(patients, ends, always) == intervals(patients, ends, always)


def test_unusable_draws_are_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "DRAWS", 50)
    patients, counted = np.array(["a", "b"]), []

    def share(rows: Rows) -> list[float]:
        counted.append(len(rows))
        return [float(np.mean(rows == 0))]

    assert intervals(patients, share, lambda rows: len(set(rows.tolist())) == 2) == [(0.5, 0.5)]
    assert len(counted) == 50


@pytest.mark.parametrize(
    ("patients", "usable"), [(["a", "a", "a"], True), (["a", "b", "c"], False)], ids=["one", "unusable"]
)
def test_what_says_nothing_of_other_patients_has_no_interval(patients: list[str], usable: bool) -> None:
    assert intervals(np.array(patients), lambda _: [1.0, 2.0], lambda _: usable) == [None, None]
