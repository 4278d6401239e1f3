"""Real slides and pictures, which are no part of the checkout: tests that need them are skipped without them.

GLOMSPIKE_TEST_DATA names their folder; without it, it is `shared/data` beside the checkout.
"""

import os
from pathlib import Path

import pytest

VARIABLE = "GLOMSPIKE_TEST_DATA"
DATA = Path(os.environ.get(VARIABLE) or Path(__file__).resolve().parents[2] / "shared" / "data")


def outside(name):
    """A file or folder of real data, where there is one."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not there: set {VARIABLE} to the folder of real data")
    return path
