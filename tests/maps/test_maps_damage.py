import numpy as np
import pytest

from stemedx.maps.damage import relative_change


def test_a_loss_is_found_without_bias(rng):
    """Tilts of different length and dose, each of which loses 20 %."""
    tilts = [(12, 300.0), (5, 80.0), (1, 5000.0)]
    found = np.array([
        relative_change([rng.poisson(rate * (1 - 0.2 * np.linspace(-0.5, 0.5, n)))
                         for n, rate in tilts])
        for _ in range(300)
    ])  # fmt: skip
    changes, spreads = found.T
    assert changes.mean() == pytest.approx(-0.2, abs=3 * changes.std() / np.sqrt(300))
    assert spreads.mean() == pytest.approx(changes.std(), rel=0.15)  # 300 draws: 4 %


def test_one_frame_tells_nothing():
    assert np.isnan(relative_change([np.array([7])])).all()
    assert np.isnan(relative_change([np.zeros(4)])).all()


def test_a_straight_line_is_met():
    assert relative_change([np.array([90.0, 100.0, 110.0])])[0] == pytest.approx(0.2)
