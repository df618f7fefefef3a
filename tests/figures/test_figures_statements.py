import numpy as np
import pytest

from stemedx.figures.statements import crowther_nm, elongation, warnings

TILTS = [float(tilt) for tilt in range(-60, 61, 10)]
FACTS = {"tilt_deg": TILTS, "signal": "counts", "made_by": {"sirt": None, "two_step": None}}
FACTS |= {"kind": "series", "denoised_by": {"method": "thinning", "learned_from": []}}


def resolution(status="resolved"):
    row = {"element": "Se", "method": "sirt", "threshold": "0.5", "status": status}
    return [row, {**row, "element": "S", "status": "resolved"}]


def shell(**changes):
    row = {"particle": "1", "method": "sirt", "diameter_nm": "9.0", "touches_edge": "False"}
    row |= {"element": "S", "mean_nm": "1.5", "uncovered_percent": "2.25"}
    return [{**row, **changes}]


def test_crowther_is_diameter_times_the_largest_step():
    assert crowther_nm(9.0, TILTS) == pytest.approx(np.pi / 2, rel=1e-12)  # 9 times 10 degrees
    assert crowther_nm(9.0, [-40.0, 0.0, 30.0]) == pytest.approx(2 * np.pi, rel=1e-12)


def test_elongation_has_its_published_values():
    assert elongation(TILTS) == pytest.approx(1.55, abs=0.005)  # two decimals are published
    assert elongation([-70.0, 0.0, 70.0]) == pytest.approx(1.31, abs=0.005)
    assert elongation([-90.0, 0.0, 90.0]) == pytest.approx(1.0, rel=1e-12)  # no wedge


def said(facts=FACTS, methods=None, resolved=None, shells=None):
    return "\n".join(warnings(facts, methods or [], resolved or [], shells or []))


@pytest.mark.parametrize(
    ("gains", "warned"), [(("-0.2", "", "0.0"), True), (("-0.2", "0.1"), False)]
)
def test_methods_that_predict_nothing_are_told(gains, warned):
    text = said(methods=[{"gain_nat_per_hit": gain} for gain in gains])
    assert ("No method predicts photons" in text) == warned


def test_resolution_is_explained_or_said_to_be_missing():
    assert "independent half of the photons" in said(resolved=resolution())
    assert "No resolved signal" not in said(resolved=resolution())
    text = said(resolved=resolution("no resolved signal"))
    assert "No resolved signal: Se by sirt." in text
    assert "resolution was not measured" in said()


def test_the_taste_of_a_penalty_is_told():
    assert "sharp edges" not in said()
    assert "A gradual transition" in said({**FACTS, "made_by": {"poisson_tv": None}})


def test_tilts_limit_what_can_be_known():
    text = said(shells=shell())
    assert "particle of 9.0 nm everywhere only down to 1.57 nm" in text
    assert "No tilt saw 60° of 180°" in text
    assert "missing wedge" not in said({**FACTS, "tilt_deg": [-90.0, 0.0, 90.0]})


def test_the_error_against_a_simulated_truth_is_told():
    truth = shell(method="truth", mean_nm="1.75", uncovered_percent="7")
    text = said(shells=[*shell(), *shell(particle="2", mean_nm="9"), *truth])
    assert "sirt, S: 1.50 nm (truth 1.75), uncovered 2.2 % (truth 7.0)." in text
    assert "9.00 nm" not in text
    assert "against the truth" not in said(shells=shell())


def test_thickness_is_not_believed_blindly():
    text = said(shells=shell())
    assert "uncovered share is biased" in text
    assert "two_step shows views that a network has made up" in text
    assert "two_step" not in said({**FACTS, "made_by": {"sirt": None}})
    assert "particle 1 (sirt)" in said(shells=shell(touches_edge="True"))


@pytest.mark.parametrize(
    ("signal", "text"),
    [("intensity", "not independent (resampled)"), ("hits", "clipped to 0 or 1")],
)
def test_signals_that_are_no_counts_are_told(signal, text):
    assert text in said({**FACTS, "signal": signal})
    assert text not in said()


@pytest.mark.parametrize(
    ("specimen", "place"), [("a", "this specimen among them"), ("c", "this specimen is none")]
)
def test_a_network_of_the_batch_is_told_with_what_it_has_learned_from(specimen, place):
    origin = {"trained_on": ["a", "b"], "warnings": ["it has 5 tilts"]}
    text = said({**FACTS, "specimen": specimen, "made_by": {"end_to_end": origin}})
    assert f"two_step volumes of a, b ({place}" in text
    assert "Its resolution is not measured" in text
    assert "end_to_end: it has 5 tilts." in text


def test_what_a_method_found_wrong_with_its_data_is_told():
    made_by = {"fusion": {"warnings": ["a phase is missing"]}, "sirt": {}, "haadf": None}
    assert "fusion: a phase is missing." in said({**FACTS, "made_by": made_by})
    assert "a phase is missing" not in said()


@pytest.mark.parametrize("kind", ["series", "map"])
@pytest.mark.parametrize(
    ("learned_from", "told"),
    [(["flat", "thin"], "kernels of flat, thin"), ([], "the specimen's own photons")],
)
def test_what_the_published_denoiser_has_learned_from_is_told(kind, learned_from, told):
    origin = {"method": "paper", "learned_from": learned_from}
    assert told in said({**FACTS, "kind": kind, "denoised_by": origin})
    assert "published network" not in said({**FACTS, "kind": kind})


def test_of_a_map_nothing_is_said_about_volumes():
    assert said({**FACTS, "kind": "map", "tilt_deg": [0.0]}) == ""
