"""The share of spike-like tiles against the density of spikes, without any slide."""

import numpy as np
import pytest

from benchmarks.quality.spike_density import Measurements, by_case, table

PATIENTS = np.array(["a", "a", "b", "b", "c", "c", "d", "d"])
DENSITY = np.array([0.0, 10, 20, 30, 40, 50, 60, 70])
TILES = np.array([10, 30, 10, 10, 10, 10, 20, 20])


def test_a_case_has_the_mean_density_of_its_glomeruli_and_the_share_of_all_their_tiles():
    cases = by_case(PATIENTS, DENSITY, np.array([4, 0, 1, 2, 3, 4, 5, 6]), TILES)
    assert cases.patients.tolist() == ["a", "b", "c", "d"]
    assert cases.density.tolist() == [5, 25, 45, 65]
    assert cases.fraction == pytest.approx([4 / 40, 3 / 20, 7 / 20, 11 / 40])


@pytest.mark.parametrize(("fraction", "rho"), [(DENSITY**2, "1.00"), (-DENSITY, "-1.00")])
def test_what_rises_or_falls_with_density_has_a_correlation_of_one_whatever_its_shape(fraction, rho):
    assert Measurements(PATIENTS, DENSITY, fraction).rho() == f"{rho} ({rho} to {rho})"


def test_of_one_patient_nothing_is_said_of_others():
    assert Measurements(np.array(["a"] * 8), DENSITY, DENSITY).rho() == "1.00"


def test_the_table_tells_of_all_of_spiked_ones_and_of_cases():
    glomeruli = Measurements(PATIENTS, DENSITY, DENSITY / 100)
    rows = table(glomeruli, by_case(PATIENTS, DENSITY, np.arange(8), TILES)).splitlines()
    assert [row.split(" | ")[:2] for row in rows[2:]] == [
        ["| all glomeruli", "8"],
        ["| glomeruli with spikes", "7"],
        ["| cases", "4"],
    ]
