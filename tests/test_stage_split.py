import numpy as np
import pytest

from stemedx import store
from stemedx.params import SplitParams
from stemedx.stages import split

AXES = ("element", "tilt", "y", "x")
ATTRS = {"elements": ["Se", "S"], "tilt_deg": [-20.0, 0.0, 30.0], "pixel_nm": 0.8}


@pytest.fixture
def paths(tmp_path):
    return {
        "element_maps": tmp_path / "element_maps.zarr",
        "a": tmp_path / "halves" / "0a" / "element_maps.zarr",
        "b": tmp_path / "halves" / "0b" / "element_maps.zarr",
    }


@pytest.fixture
def counts(rng):
    return rng.poisson(1.5, (2, 3, 14, 18)).astype(np.uint16)


def write(path, maps, units, factors):
    signal = {"count": "counts", "intensity": "intensity"}[units]
    more = {"lines": ["Se_La", "S_Ka"], "signal": signal, "variance_to_mean": factors}
    store.write(path, maps, axes=AXES, units=units, made_by={"stage": "x"}, **more, **ATTRS)


def halves(paths, units):
    (a, attrs), (b, _) = (store.read(paths[name], axes=AXES, units=units) for name in "ab")
    return a, b, attrs


def test_halves_of_counts_add_up(paths, counts):
    write(paths["element_maps"], counts, "count", [1.0, 1.0])
    split.run(SplitParams(seed=3), split=0, **paths)
    a, b, attrs = halves(paths, "count")
    assert np.array_equal(a + b, counts)
    assert a.dtype == counts.dtype
    # 5 standard errors of a binomial
    assert abs(a.sum(dtype=int) - counts.sum() / 2) < 5 * np.sqrt(counts.sum()) / 2
    assert {key: attrs[key] for key in ATTRS} == ATTRS
    assert attrs["variance_to_mean"] == [1.0, 1.0]
    assert attrs["made_by"]["stage"] == "split"


def test_halves_of_intensities_add_up_on_average(paths, rng):
    factors = np.array([0.02, 0.05])
    maps = (rng.poisson(6.3, (2, 3, 30, 40)) * factors[:, None, None, None]).astype(np.float32)
    write(paths["element_maps"], maps, "intensity", factors.tolist())
    split.run(SplitParams(), split=1, **paths)
    a, b, attrs = halves(paths, "intensity")
    assert a.dtype == np.float32
    # Photons that are not whole are rounded at random: by float32 here, one in thousands.
    assert (a + b).mean(axis=(1, 2, 3)) == pytest.approx(maps.mean(axis=(1, 2, 3)), rel=1e-3)
    spread = (a - b).var(axis=(1, 2, 3)) / (a + b).mean(axis=(1, 2, 3))
    assert spread == pytest.approx(factors, rel=5 * np.sqrt(2 / 3600))  # 5 standard errors
    assert (attrs["signal"], attrs["variance_to_mean"]) == ("intensity", factors.tolist())


def test_what_was_counted_over_the_whole_map_halves(paths, counts):
    more = {"lines": ["Se_La", "S_Ka"], "signal": "counts", "variance_to_mean": [1.0, 1.0]}
    totals = {"background": [[8.0, 4.0, 2.0]] * 2, "net": [[3.0] * 3] * 2, "gain": [[1.0] * 3] * 2}
    store.write(paths["element_maps"], counts, axes=AXES, units="count",
                made_by={"stage": "x"}, **totals, **more, **ATTRS)  # fmt: skip
    split.run(SplitParams(), split=0, **paths)
    attrs = halves(paths, "count")[2]
    assert attrs["background"] == [[4.0, 2.0, 1.0]] * 2
    assert (attrs["net"], attrs["gain"]) == ([[1.5] * 3] * 2, [[1.0] * 3] * 2)


def test_seed_and_split_both_choose_the_draw(paths, counts):
    write(paths["element_maps"], counts, "count", [1.0, 1.0])
    drawn = {}
    for seed, number in ((0, 0), (0, 0), (0, 1), (1, 0)):
        split.run(SplitParams(seed=seed), split=number, **paths)
        a = halves(paths, "count")[0]
        assert np.array_equal(drawn.setdefault((seed, number), a), a)
    assert not np.array_equal(drawn[0, 0], drawn[0, 1])
    assert not np.array_equal(drawn[0, 0], drawn[1, 0])
    assert not np.array_equal(drawn[0, 1], drawn[1, 0])


def test_maps_of_other_axes_are_refused(paths, counts):
    more = {"variance_to_mean": [1.0, 1.0], **ATTRS}
    axes = ("tilt", "element", "y", "x")
    store.write(paths["element_maps"], counts, axes=axes, units="count", **more)
    with pytest.raises(ValueError, match="expected axes"):
        split.run(SplitParams(), split=0, **paths)
    assert not paths["a"].exists()
