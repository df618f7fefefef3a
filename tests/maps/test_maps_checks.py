import numpy as np
import pytest

from stemedx.maps.checks import insist_counts_or_rates, to_integers

AXES = ("tilt", "y", "x")


def faulty(value, dtype=np.float32):
    values = np.zeros((2, 3, 4), dtype)
    values[1, 2, 3] = value
    return values


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(value):
    with pytest.raises(ValueError, match=r"Se.hspy: expected finite.*at tilt 1, y 2, x 3 \(1 such"):
        insist_counts_or_rates(faulty(value), "Se.hspy", AXES)


def test_negative_values_are_refused():
    with pytest.raises(ValueError, match="S: expected values >= 0, found -2 at tilt 1, y 2, x 3"):
        insist_counts_or_rates(faulty(-2, np.int16), "S", AXES)


def test_complex_values_are_refused():
    with pytest.raises(ValueError, match="found complex numbers .complex64.*Fourier"):
        insist_counts_or_rates(faulty(1j, np.complex64), "S", AXES)


def test_text_is_refused():
    with pytest.raises(ValueError, match="S: expected numbers, found <U1"):
        insist_counts_or_rates(np.full((2, 3, 4), "a"), "S", AXES)


def test_counts_pass_and_become_integers():
    for values in (faulty(True, bool), faulty(7, np.uint8), faulty(7.0), faulty(7, np.int64)):
        insist_counts_or_rates(values, "S", AXES)
        counts = to_integers(values)
        assert counts.dtype == np.uint16
        assert (counts == values).all()
    assert to_integers(faulty(70_000.0)).dtype == np.uint32
    assert to_integers(faulty(0.5)) is None
