import numpy as np
import pandas as pd

from stemedx.figures.drawings import draw_denoised, draw_losses, draw_maps

ATTRS = {
    "tilt_deg": [-40.0, -30.0, -10.0, 0.0, 20.0, 30.0, 50.0],
    "elements": ["Se", "S"],
    "pixel_nm": 0.8,
    "units": "count",
    "signal": "hits",
}


def test_some_maps_are_shown_and_all_are_summed(rng):
    maps = rng.poisson(0.4, (2, 7, 5, 9)).astype(np.uint16)
    some, sums = draw_maps(maps, ATTRS)
    assert some.numbers["panel"].unique().tolist() == ["-40", "-10", "0", "20", "50"]
    assert "5 of 7 tilts" in some.caption
    assert some.title == "Measured maps: hits (counts clipped to 0 or 1) per pixel"
    np.testing.assert_array_equal(sums.numbers["S"], maps[1].sum(axis=(1, 2)))


def test_denoised_maps_set_the_scale(rng):
    maps = rng.poisson(0.1, (2, 7, 15, 19)).astype(np.uint16)
    rates = np.full(maps.shape, 0.125, np.float32)
    (drawn,) = draw_denoised(maps, rates, ATTRS)
    assert "0°" in drawn.title  # the tilt nearest to 0
    assert {panel.images[0].get_clim() for panel in drawn.figure.axes[:6]} == {(0.0, 0.125)}
    assert drawn.numbers["panel"].unique().tolist() == ["measured", "mean", "denoised"]


def test_a_single_map_has_no_tilt_to_tell(rng):
    maps = rng.poisson(0.1, (2, 1, 15, 19)).astype(np.uint16)
    (drawn,) = draw_denoised(maps, maps.astype(np.float32), {**ATTRS, "tilt_deg": [0.0]})
    assert drawn.title == "Denoising"


def test_captions_tell_if_something_was_held_out():
    losses = pd.DataFrame({"step": [1, 2], "loss": [0.5, 0.25]})
    assert "Nothing was held out" in draw_losses("enhancer", losses)[0].caption
    held_out = losses.assign(held_out_loss=[np.nan, 0.5])
    assert "memorised noise" in draw_losses("denoiser", held_out)[0].caption
