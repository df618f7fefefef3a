import pytest

from stemedx.methods import check_learned_from, left_out
from stemedx.params import RunConfig
from stemedx.sheet import SheetRow

FLAT = SheetRow(specimen="flat", raw="x", elements="Se,S", kind="map")
SHEET = {
    name: SheetRow(specimen=name, raw="x", elements=elements)
    for name, elements in (("a", "Se_La,S"), ("b", "Se,S"), ("c", "S,Se"), ("rod", "Au"))
}


def config(*specimens, **more):
    return RunConfig(
        methods=("sirt", "end_to_end"), train_end_to_end={"specimens": specimens, **more}
    )


def test_a_network_is_left_out_where_the_elements_are_others():
    found = left_out(config("a"), SHEET)
    assert [(one["specimen"], one["method"]) for one in found] == [
        ("c", "end_to_end"),
        ("rod", "end_to_end"),
    ]
    assert found[1]["reason"] == (
        "T is trained on Se, S in this order (train_end_to_end.specimens), this specimen has Au"
    )


def test_nothing_is_left_out_where_nobody_asked_for_it():
    assert left_out(RunConfig(train_end_to_end={"specimens": ["a"]}), SHEET) == []


@pytest.mark.parametrize("named", [("a", "lost"), ("lost",)])
def test_a_specimen_that_is_not_in_the_sheet_cannot_be_learned_from(named):
    with pytest.raises(ValueError, match="no specimen 'lost' in samples.tsv; it has a, b, c, rod"):
        check_learned_from(config(*named), SHEET)


def test_nor_can_it_be_held_out():
    with pytest.raises(ValueError, match="no specimen 'lost'"):
        check_learned_from(config("a", held_out=["lost"]), SHEET)


def test_a_map_has_no_volume():
    found = left_out(RunConfig(methods=("sirt", "two_step")), {**SHEET, "flat": FLAT})
    assert [(one["specimen"], one["method"], one["reason"]) for one in found] == [
        ("flat", method, "a 2-D map has no volume") for method in ("sirt", "two_step")
    ]


def test_networks_learn_from_specimens_of_their_kind():
    sheet = {**SHEET, "flat": FLAT}
    with pytest.raises(
        ValueError, match="train_end_to_end: .* kind series, found 'flat' of kind map"
    ):
        check_learned_from(config("flat"), sheet)
    published = RunConfig(train_denoiser={**PUBLISHED, "specimens": ["a"]})
    with pytest.raises(ValueError, match="train_denoiser: .* kind map, found 'a' of kind series"):
        check_learned_from(published, sheet)
    check_learned_from(RunConfig(train_denoiser={**PUBLISHED, "specimens": ["flat"]}), sheet)


def test_a_denoiser_of_the_batch_serves_specimens_of_its_elements():
    run = RunConfig(
        methods=("sirt", "two_step"), train_denoiser={**PUBLISHED, "specimens": ["flat"]}
    )
    found = left_out(run, {**SHEET, "flat": FLAT})
    assert [(one["specimen"], one["method"]) for one in found] == [
        ("c", "two_step"),
        ("rod", "two_step"),
        ("flat", "sirt"),
        ("flat", "two_step"),
    ]
    assert found[0]["reason"].startswith("Q^D is trained on Se, S in this order (train_denoiser.s")


PUBLISHED = {"method": "paper", "n_levels": 3, "crop_px": 16}


def test_fusion_needs_no_phases():
    sheet = {**SHEET, "c": SHEET["c"].model_copy(update={"phases": ("ZnSe",)})}
    assert left_out(RunConfig(methods=("sirt", "fusion")), sheet) == []
