import numpy as np
import pytest

from stemedx import store
from stemedx.params import SynthesizeParams
from stemedx.project.projector import project
from stemedx.stages import synthesize

PIXEL_NM = 0.8
TILT_DEG = np.arange(0, 360, 6.0)
AXES = ("element", "tilt", "y", "x")


@pytest.fixture
def truth():
    volumes = np.zeros((2, 18, 4, 18), np.float32)
    volumes[0, 3:10, 1:3, 8:14] = 0.5
    return volumes


@pytest.fixture
def stores(tmp_path, truth):
    enhanced = project(truth, TILT_DEG)
    layers = {
        "projected": store.Layer(np.zeros_like(enhanced), AXES, "intensity"),
        "enhanced": store.Layer(enhanced, AXES, "intensity"),
    }
    projections = tmp_path / "projections_360.zarr"
    attrs = {"elements": ["Se", "S"], "tilt_deg": TILT_DEG.tolist(), "pixel_nm": PIXEL_NM}
    store.write_group(projections, layers, **attrs)
    return {"projections": projections, "volume": tmp_path / "volumes" / "two_step.ome.zarr"}


def test_the_full_circle_gives_the_density_back_per_nm(stores, truth):
    synthesize.run(SynthesizeParams(), **stores)
    volumes, attrs = store.read_volumes(stores["volume"])
    core = volumes[0, 5:8, 1:3, 10:12]
    assert core.mean() == pytest.approx(0.5 / PIXEL_NM, rel=0.03)  # Hann blurs the edges
    assert volumes.min() == 0
    assert not volumes[1].any()
    assert (attrs["units"], attrs["method"]) == ("intensity/nm", "two_step")
    assert (attrs["elements"], attrs["pixel_nm"]) == (["Se", "S"], PIXEL_NM)
    assert attrs["tilt_deg"] == TILT_DEG.tolist()
    assert set(attrs["made_by"]["inputs"]) == {"projections"}


def test_same_code_same_numbers(stores):
    """If this fails and it should: the numbers of users change; say so in the changelog."""
    synthesize.run(SynthesizeParams(), **stores)
    volumes, _ = store.read_volumes(stores["volume"])
    assert volumes.std(dtype=np.float64) == pytest.approx(0.093677959, rel=1e-4)  # float32


def test_a_store_without_enhanced_views_is_refused(stores):
    store.write_group(stores["projections"], {}, elements=["Se"], pixel_nm=PIXEL_NM, tilt_deg=[0.0])
    with pytest.raises(ValueError, match="expected an array 'enhanced'"):
        synthesize.run(SynthesizeParams(), **stores)
