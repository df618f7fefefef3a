"""Fixtures that every test may use."""

import os
from pathlib import Path

import numpy as np
import pytest

DATA = Path(os.environ.get("STEMEDX_TEST_DATA", Path(__file__).parents[2] / "shared/data"))


@pytest.fixture
def rng():
    return np.random.default_rng(20240229)


@pytest.fixture
def data():
    """Folder of the real measurements; the test is skipped where there is none."""
    if not DATA.is_dir():
        pytest.skip(f"no real measurements at {DATA} (set STEMEDX_TEST_DATA)")
    return DATA
