import numpy as np
import pytest

from stemedx import store
from stemedx.params import DenoiseParams, TrainDenoiserParams
from stemedx.stages import denoise, train_denoiser

AXES = ("element", "tilt", "y", "x")
TRAINING = TrainDenoiserParams(
    min_updates=1, n_epochs=4, batch=2, base_channels=4, n_levels=2, crop_px=16
)
PARAMS = DenoiseParams(n_thinnings=4)
ATTRS = {"tilt_deg": [-40.0, 0.0, 40.0], "pixel_nm": 0.8, "elements": ["Se", "S"]}


@pytest.fixture
def counts(rng):
    return rng.poisson(2.0, size=(2, 3, 10, 14)).astype(np.uint16)


def write_maps(path, maps, signal="counts", variance_to_mean=(1.0, 1.0), **changes):
    units = "intensity" if signal == "intensity" else "count"
    more = {"signal": signal, "variance_to_mean": list(variance_to_mean)}
    store.write(path, maps, axes=AXES, units=units, **{**ATTRS, **more, **changes})


@pytest.fixture
def files(tmp_path, counts):
    files = {
        "element_maps": tmp_path / "element_maps.zarr",
        "tilt_series": None,
        "weights": tmp_path / "networks" / "denoiser.safetensors",
    }
    write_maps(files["element_maps"], counts)
    losses = tmp_path / "networks" / "denoiser.csv"
    train_denoiser.run(TRAINING, device="cpu", checkpoint=tmp_path / "kept", losses=losses, **files)
    return {**files, "denoised": tmp_path / "denoised.zarr"}


def test_rates_say_what_they_are(files, counts):
    denoise.run(PARAMS, device="cpu", **files)
    rates, attrs = store.read(files["denoised"], axes=AXES, units="count")
    assert (rates.shape, rates.dtype) == (counts.shape, np.float32)
    assert rates.min() > 0
    # 5 standard errors of four thinnings at a share of 0.9 of 840 photons: 3 %
    assert rates.sum((1, 2, 3)) == pytest.approx(counts.sum((1, 2, 3)), rel=0.03)
    assert {key: attrs[key] for key in ATTRS} == ATTRS
    assert attrs["signal"] == "counts"
    assert attrs["made_by"]["parameters"] == {"seed": 0, "n_thinnings": 4, "share": 0.9}
    assert attrs["made_by"]["device"] == "cpu"
    assert set(attrs["made_by"]["inputs"]) == {"element_maps", "weights"}


def test_same_code_same_numbers(files):
    """If this fails and it should: the numbers of users change; say so in the changelog."""
    denoise.run(PARAMS, device="cpu", **files)
    rates, _ = store.read(files["denoised"], axes=AXES, units="count")
    # convolutions are summed in an order that differs between processors
    assert rates.std(dtype=np.float64) == pytest.approx(0.306002, rel=1e-3)


def test_intensities_come_back_in_their_unit(files, counts):
    factors = np.array([0.25, 8.0])
    intensities = (counts * factors[:, None, None, None]).astype(np.float32)
    write_maps(files["element_maps"], intensities, "intensity", factors)
    denoise.run(PARAMS, device="cpu", **files)
    rates, attrs = store.read(files["denoised"], axes=AXES, units="intensity")
    assert attrs["signal"] == "intensity"
    # a wrong unit is off by 4; four epochs do not teach to fill holes to better than this
    assert rates.sum((1, 2, 3)) == pytest.approx(intensities.sum((1, 2, 3)), rel=0.2)


def test_the_same_seed_gives_the_same_rates_and_another_does_not(files):
    written = []
    for seed in (3, 3, 4):
        params = PARAMS.model_copy(update={"seed": seed})
        denoise.run(params, device="cpu", **files)
        written.append(store.read(files["denoised"], axes=AXES, units="count")[0])
    assert np.array_equal(written[0], written[1])
    assert not np.array_equal(written[0], written[2])


def test_weights_of_other_elements_are_refused(files, counts):
    write_maps(files["element_maps"], counts, elements=["Se", "Zn"])
    with pytest.raises(ValueError, match=r"denoiser of Se, Zn, found the denoiser of Se, S\."):
        denoise.run(PARAMS, device="cpu", **files)
    assert not files["denoised"].exists()


def test_a_network_is_applied_with_the_guides_that_it_learned_with(files, tmp_path, rng):
    series = tmp_path / "tilt_series.zarr"
    layers = {"haadf": store.Layer(rng.random((3, 10, 14), np.float32), AXES[1:], "arb. unit")}
    store.write_group(series, layers)
    guided = {**files, "tilt_series": series}
    with pytest.raises(ValueError, match="guided by 1 images of each tilt, found one guided by 0"):
        denoise.run(PARAMS, device="cpu", **guided)
    train = {name: guided[name] for name in ("element_maps", "tilt_series", "weights")}
    kept, losses = tmp_path / "kept", tmp_path / "losses.csv"
    train_denoiser.run(TRAINING, device="cpu", checkpoint=kept, losses=losses, **train)
    written = []
    for image in (layers["haadf"].values, layers["haadf"].values[:, ::-1]):
        store.write_group(series, {"haadf": store.Layer(image, AXES[1:], "arb. unit")})
        denoise.run(PARAMS, device="cpu", **guided)
        written.append(store.read(files["denoised"], axes=AXES, units="count")[0])
    assert np.abs(written[0] - written[1]).max() > 0.01


def test_a_missing_gpu_is_told(files, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValueError, match="expected a CUDA device"):
        denoise.run(PARAMS, device="cuda", **files)
