import numpy as np
import pandas as pd
import pytest

from stemedx import store
from stemedx.params import ResolutionParams
from stemedx.project.blocks import block_to_maps, volumes_to_block
from stemedx.project.geometry import Geometry
from stemedx.project.projector import projector
from stemedx.stages import resolution

TILTS = [-50.0, -20.0, 0.0, 30.0]
N_Y, N_X = 34, 30
SHIFT = np.array([[1.0, -2.0], [0.5, 1.0], [-1.5, 0.0], [0.0, 1.0]])
PARAMS = ResolutionParams()


def textured_ball(rng):
    shape = (N_X, N_Y, N_X)
    offset = np.indices(shape) - np.array([17, 14, 13])[:, None, None, None]
    inside = np.linalg.norm(offset, axis=0) < 9
    return (inside * rng.uniform(0.5, 1.5, (2, *shape)) * 0.2).astype(np.float32)


def write_half(folder, volumes, counts, signal="counts", units="count"):
    store.write_volumes(
        folder / "sirt.ome.zarr", volumes, elements=["Se", "S"], pixel_nm=0.8, units="count/nm"
    )
    store.write(
        folder / "element_maps.zarr",
        counts,
        axes=("element", "tilt", "y", "x"),
        units=units,
        elements=["Se", "S"],
        tilt_deg=TILTS,
        pixel_nm=0.8,
        signal=signal,
        variance_to_mean=[0.5, 0.25] if units == "intensity" else [1.0, 1.0],
    )


def write_alignment(path, rotation_deg, shift_px):
    layers = {
        "rotation_deg": store.Layer(np.full(4, rotation_deg), ("tilt",), "deg"),
        "shift_px": store.Layer(shift_px, ("tilt", "axis"), "pixel"),
    }
    store.write_group(path, layers, tilt_deg=TILTS, map_shape=[N_Y, N_X])


@pytest.fixture
def alignment(tmp_path):
    path = tmp_path / "alignment.zarr"
    write_alignment(path, 3.0, SHIFT)
    return path


@pytest.fixture
def rates(rng):
    """Volumes, and the counts expected of them in the measured frame."""
    volumes = textured_ball(rng)
    geometry = Geometry(np.array(TILTS), N_Y, N_X, np.full(4, 3.0), SHIFT)
    operator = projector(geometry, 2)
    return volumes, block_to_maps(operator.forward(volumes_to_block(0.8 * volumes)))


def run(tmp_path, alignment, n_splits=1):
    pairs = [tmp_path / f"{n}{ab}" for n in range(n_splits) for ab in "ab"]
    resolution.run(
        PARAMS,
        halves=[folder / "sirt.ome.zarr" for folder in pairs],
        maps=[folder / "element_maps.zarr" for folder in pairs],
        alignment=alignment,
        curves=tmp_path / "sirt.csv",
        crossings=tmp_path / "sirt_crossings.csv",
        held_out=tmp_path / "sirt_held_out.csv",
    )
    kinds = ("", "_crossings", "_held_out")
    return [pd.read_csv(tmp_path / f"sirt{kind}.csv") for kind in kinds]


def test_tables_say_what_they_are(tmp_path, alignment, rates, rng):
    volumes, rate = rates
    for half in ("0a", "0b", "1a", "1b"):
        noise = 0.02 * rng.standard_normal(volumes.shape, np.float32)
        write_half(tmp_path / half, volumes + noise, rng.poisson(rate).astype(np.uint16))
    curves, crossings, held_out = run(tmp_path, alignment, n_splits=2)
    assert list(curves.columns) == list(resolution.CURVES)
    assert curves.groupby(["split", "element"]).size().tolist() == [15, 15, 15, 15]
    assert curves.frequency_per_nm.max() == pytest.approx(0.5 / 0.8)
    assert list(crossings.columns) == list(resolution.CROSSINGS)
    assert crossings.threshold.tolist() == 4 * [0.5, 0.143]
    # A signal ten times the noise, up to the pixel.
    assert crossings.status.unique().tolist() == ["resolved"]
    assert crossings.resolution_nm.tolist() == pytest.approx(8 * [1.6])
    assert crossings.limited_by.unique().tolist() == ["pixel"]
    assert crossings.note.isna().all()
    assert held_out[["split", "element"]].values.tolist() == [
        [split, element] for split in (0, 1) for element in ("Se", "S")
    ]
    assert held_out.independent.all()


def test_half_the_photons_are_predicted_where_they_were_measured(tmp_path, alignment, rates, rng):
    """With the alignment, the prediction is better than without."""
    volumes, rate = rates
    for half in ("0a", "0b"):
        write_half(tmp_path / half, volumes, rng.poisson(rate).astype(np.uint16))
    _, _, aligned = run(tmp_path, alignment)
    write_alignment(alignment, 0.0, 0 * SHIFT)
    _, _, not_aligned = run(tmp_path, alignment)
    # The information of the true rate, within five standard errors of one per photon.
    mean = rate.mean(axis=(2, 3), keepdims=True, dtype=np.float64)
    information = np.sum(rate * np.log(np.maximum(rate / mean, 1e-4)), axis=(1, 2, 3))
    expected = information / rate.sum(axis=(1, 2, 3))
    assert np.all(np.abs(aligned.gain_nat_per_hit - expected) < 5 / np.sqrt(aligned.hits))
    assert np.all(aligned.gain_nat_per_hit > not_aligned.gain_nat_per_hit)


def test_volumes_whose_method_moved_tilts_are_seen_where_it_found_them(
    tmp_path, alignment, rates, rng
):
    volumes, rate = rates
    for half in ("0a", "0b"):
        write_half(tmp_path / half, volumes, rng.poisson(rate).astype(np.uint16))
    _, _, aligned = run(tmp_path, alignment)
    write_alignment(alignment, 3.0, 0 * SHIFT)
    _, _, not_aligned = run(tmp_path, alignment)
    for half in ("0a", "0b"):
        store.write_volumes(tmp_path / half / "sirt.ome.zarr", volumes, elements=["Se", "S"],
                            pixel_nm=0.8, units="count/nm", moved_px=SHIFT.tolist())  # fmt: skip
    _, _, moved = run(tmp_path, alignment)
    gain = [table.gain_nat_per_hit.to_numpy() for table in (aligned, not_aligned, moved)]
    # which rays the field covers is asked of the alignment, for all methods alike
    assert gain[2] == pytest.approx(gain[0], rel=0.05)
    assert np.all(gain[0] > 1.1 * gain[1])


def test_hits_are_taken_as_hits(tmp_path, alignment, rates, rng):
    volumes, rate = rates
    half = [np.minimum(rng.poisson(0.2 * rate), 1).astype(np.uint8) for _ in "ab"]
    gains = []
    for signal in ("hits", "counts"):
        for name, counts in zip(("0a", "0b"), half, strict=True):
            write_half(tmp_path / name, volumes, counts, signal=signal)
        gains.append(run(tmp_path, alignment)[2].gain_nat_per_hit)
    assert np.all(gains[0] > 0)
    assert not np.allclose(gains[0], gains[1])


def test_intensities_are_counted_in_photons_and_marked(tmp_path, alignment, rates, rng):
    volumes, rate = rates
    photons = [rng.poisson(rate) for _ in "ab"]
    of_one = np.array([0.5, 0.25], np.float32)[:, None, None, None]
    for name, counts in zip(("0a", "0b"), photons, strict=True):
        write_half(tmp_path / name, volumes, counts * of_one, "intensity", "intensity")
    _, _, held_out = run(tmp_path, alignment)
    assert not held_out.independent.any()
    assert held_out.hits.tolist() == sum(photons).sum(axis=(1, 2, 3)).tolist()


def test_what_halves_share_is_told(tmp_path, alignment, rates, rng):
    volumes, rate = rates
    for half in ("0a", "0b"):
        write_half(tmp_path / half, volumes, rng.poisson(rate).astype(np.uint16))
        path = tmp_path / half / "sirt.ome.zarr"
        store.write_volumes(path, volumes, elements=["Se", "S"], pixel_nm=0.8, units="count/nm",
                            shared_by_halves="HAADF")  # fmt: skip
    _, crossings, _ = run(tmp_path, alignment)
    assert crossings.note.unique().tolist() == ["HAADF-assisted, not independent"]


def test_noise_has_no_resolution(tmp_path, alignment, rng):
    for half in ("0a", "0b"):
        volumes = rng.standard_normal((2, N_X, N_Y, N_X), np.float32)
        write_half(tmp_path / half, volumes, rng.poisson(0.2, (2, 4, N_Y, N_X)).astype(np.uint16))
    _, crossings, _ = run(tmp_path, alignment)
    assert crossings.status.unique().tolist() == ["no resolved signal"]
    assert crossings.resolution_nm.isna().all()
