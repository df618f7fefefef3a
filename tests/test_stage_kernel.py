import numpy as np
import pytest
import torch
from torch import nn

from stemedx import store
from stemedx.learn.kernel import make_kernel
from stemedx.learn.weights import write_weights
from stemedx.params import KernelParams, TrainKernelParams
from stemedx.stages import kernel

AXES = ("element", "frame", "y", "x")
DRAWN = [[0, 1, 2], [1, 3, 4], [0, 2, 4]]
PARAMS = TrainKernelParams(base_channels=2)


def write_kernel(path, elements=("Se", "S")):
    """Write networks that add nothing, and an aggregation that takes the mean."""
    kernels = nn.ModuleDict()
    for element, n_channels in zip(elements, (1, 2), strict=True):
        kernels[element] = one = make_kernel(n_channels, 3, PARAMS, torch.device("cpu"))
        nn.init.zeros_(one.regression.last.weight)
        for layer in one.aggregation.layers:
            nn.init.zeros_(layer.weight)
        nn.init.constant_(one.aggregation.layers[-1].bias, 1 / 3)
    architecture = {"network": "kernel", "elements": list(elements), "base_channels": 2}
    architecture |= {"n_channels": [1, 2], "drawn": DRAWN, "label": "other_frames"}
    write_weights(path, kernels, architecture, {})


@pytest.fixture
def maps(rng):
    """A bright patch in vacuum, twice as bright in the second element."""
    rate = np.zeros((2, 5, 36, 51))
    rate[:, :, 8:17, 20:42] = 0.5
    rate[1] *= 2
    return rng.poisson(rate).astype(np.uint8)


@pytest.fixture
def files(tmp_path, maps):
    scanned = np.ones((5, 36, 51), np.uint8)
    scanned[2, -1] = 0
    layers = {
        "maps": store.Layer(maps, AXES, "count"),
        "scanned": store.Layer(scanned, AXES[1:], "1"),
    }
    files = {name: tmp_path / f"{name}.zarr" for name in ("drift", "kernel")}
    files["weights"] = tmp_path / "kernel.safetensors"
    store.write_group(files["drift"], layers, lines=["Se_La", "S"], pixel_nm=0.8)
    write_kernel(files["weights"])
    return files


def test_networks_that_add_nothing_leave_the_smoothed_mean_of_the_bootstraps(files, maps):
    kernel.run(KernelParams(), device="cpu", **files)
    rates = store.read_layer(files["kernel"], "rates", axes=("element", "y", "x"), units="count")
    assert rates.shape == (2, 35, 51)
    means = maps[:, :, :-1].mean(axis=1)
    np.testing.assert_allclose(rates.sum((1, 2)), means.sum((1, 2)), rtol=1e-5)
    seen = np.mean([maps[1, one].mean(axis=0) for one in DRAWN], axis=0)
    expected = seen[9:12, 29:32].mean()
    factor = rates[1, 10, 30] / expected  # the mean of all frames has other counts
    assert factor == pytest.approx(means[1].sum() / seen.sum(), rel=1e-4)


def test_the_counts_are_kept_beside_the_rates(files, maps):
    kernel.run(KernelParams(), device="cpu", **files)
    counts = store.read_layer(files["kernel"], "counts", axes=AXES, units="count")
    np.testing.assert_array_equal(counts, maps[:, :, :-1])
    attrs = store.read_attrs(files["kernel"])
    assert (attrs["n_frames"], attrs["label"], attrs["elements"]) == (
        5,
        "other_frames",
        ["Se", "S"],
    )


def test_weights_of_other_elements_are_refused(files):
    write_kernel(files["weights"], ("Se", "Zn"))
    with pytest.raises(ValueError, match="expected weights of the kernel of Se, S, found"):
        kernel.run(KernelParams(), device="cpu", **files)
    assert not files["kernel"].exists()
