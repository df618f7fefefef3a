import numpy as np
import pytest
from rsciio.hspy import file_reader

from stemedx.maps.signal import expected_above_one, is_clipped, to_signal

ELEMENTS = ["Se", "S"]


@pytest.fixture
def counts(rng):
    """Photons of a lump on a dim background: about 60 pixels hold two or more."""
    y, x = np.indices((40, 56))
    rate = 0.01 + 0.5 * np.exp(-((y - 17) ** 2 + (x - 31) ** 2) / 60)
    return rng.poisson(rate, (2, 3, 40, 56)).astype(np.uint16)


def test_expected_above_one_is_unbiased(rng):
    """Hits of a known rate, so low that noise in the local mean would double it."""
    rate, shape = 0.02, (2, 5, 80, 120)
    hits = np.minimum(rng.poisson(rate, shape), 1).astype(np.uint16)
    truth = hits.size * (1 - np.exp(-rate) * (1 + rate))
    # pairs of hits within a neighbourhood scatter more than the pixels above 1 would
    assert expected_above_one(hits) == pytest.approx(truth, rel=0.2)


def test_clipped_counts_are_hits(counts):
    clipped = np.minimum(counts, 1)
    above = int((counts > 1).sum())
    assert above > 50
    assert expected_above_one(clipped) == pytest.approx(above, rel=0.35)  # edges of the lump
    assert is_clipped(clipped)
    assert to_signal(clipped, ELEMENTS, None).signal == "hits"
    assert to_signal(counts, ELEMENTS, None).signal == "counts"


def test_few_photons_are_counts(rng):
    """Where no pixel above 1 is expected, clipping cannot be told, nor does it matter."""
    sparse = np.minimum(rng.poisson(0.002, (2, 3, 40, 56)), 1).astype(np.uint16)
    found = to_signal(sparse, ELEMENTS, None)
    assert found.signal == "counts"
    assert found.variance_to_mean == [1.0, 1.0]


def test_whole_floats_become_integers(counts):
    found = to_signal(counts.astype(np.float64), ELEMENTS, None)
    assert found.values.dtype == np.uint16
    assert (found.values == counts).all()


def test_the_sheet_goes_first(counts):
    clipped = np.minimum(counts, 1)
    assert to_signal(clipped, ELEMENTS, "counts").signal == "counts"
    assert to_signal(clipped, ELEMENTS, "hits").signal == "hits"
    found = to_signal(counts, ELEMENTS, "intensity")
    assert found.values.dtype == np.float32
    assert found.variance_to_mean == pytest.approx([1, 1], rel=0.4)  # few bright tiles


def test_hits_above_one_are_refused(counts):
    with pytest.raises(ValueError, match=r"Se: expected hits of 0 or 1.*found [2-9] .*at tilt 0"):
        to_signal(counts, ELEMENTS, "hits")


@pytest.mark.parametrize(
    ("said", "wanted"), [(None, "whole numbers"), ("counts", "counts as the sheet says")]
)
def test_fractions_are_refused_unless_the_sheet_says_intensity(counts, said, wanted):
    maps = counts.astype(np.float32)
    maps[1, 2, 3, 4] = 0.25
    with pytest.raises(ValueError, match=f"S: expected {wanted}.*first at tilt 2, y 3, x 4.*inten"):
        to_signal(maps, ELEMENTS, said)


def test_negative_intensities_are_refused(counts):
    maps = counts.astype(np.float32)
    maps[1, 0, 5, 6] = -1e-3
    with pytest.raises(ValueError, match="S: expected values >= 0, found -0.001 at tilt 0, y 5"):
        to_signal(maps, ELEMENTS, "intensity")


def test_intensities_without_noise_to_tell_name_the_element():
    with pytest.raises(ValueError, match="Se: expected at least 3 tiles"):
        to_signal(np.full((2, 2, 8, 9), 0.5, np.float32), ELEMENTS, "intensity")


@pytest.mark.data
@pytest.mark.parametrize("name", ["sQD1", "sQD2", "cQD"])
def test_real_maps_are_hits(data, name):
    files = [data / f"han2021/{name}/{element}.hspy" for element in ("Se", "S", "Zn")]
    maps = np.stack([file_reader(str(path))[0]["data"] for path in files])
    assert expected_above_one(maps) > 100
    assert to_signal(maps, ["Se", "S", "Zn"], None).signal == "hits"
