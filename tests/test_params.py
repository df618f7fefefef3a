"""config.yaml: what is accepted, what is refused, and in which words."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from stemedx.params import LATER_STAGES, RunConfig, check_config

ROOT = Path(__file__).parents[1]


def test_the_default_configuration_is_valid():
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    assert check_config(config, "config.yaml").samples == "samples.tsv"


def test_the_default_configuration_lists_every_key_with_its_default():
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    wanted = RunConfig(simulate=config["simulate"]).model_dump(mode="json")
    assert without_seeds(check_config(config, "c").model_dump(mode="json")) == without_seeds(wanted)
    listed = {key for key in keys(config) if not key.startswith("simulate.")}
    assert {key for key in keys(without_seeds(wanted)) if not key.startswith("simulate.")} == listed


def without_seeds(config):
    """Leave the seeds of stages out: they follow that of the run."""
    return {
        key: without_seeds({k: v for k, v in value.items() if k != "seed"})
        if isinstance(value, dict)
        else value
        for key, value in config.items()
    }


def keys(config, prefix=""):
    for key, value in config.items():
        if isinstance(value, dict):
            yield from keys(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_other_configurations_are_valid(path):
    check_config(yaml.safe_load(path.read_text()), path.name)


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ({"align": {"max_shift": 3}}, "c.yaml: align.max_shift = 3: unknown key"),
        ({"seed": "x"}, "c.yaml: seed = 'x': Input should be a valid integer"),
        ({"align": {"max_shift_px": -3}}, "c.yaml: align.max_shift_px = -3: .*equal to 0"),
        ({"device": "tpu"}, "c.yaml: device = 'tpu': .*'auto', 'cpu' or 'cuda'"),
        ({"methods": []}, r"c.yaml: methods = \[\]: .*at least 1"),
        ({"methods": "sirt"}, "methods = 'sirt': Input should be a valid list"),
        ({"reconstruct": {"sirt": None}}, "sirt = None: expected keys below it"),
        ({"results": "/"}, "results = '/': expected a folder"),
        ({"results": "{dose}"}, "results = '{dose}': expected a folder, without any of"),
        ({"resolution": {"thresholds": []}}, r"thresholds = \[\]: List should have at least 1"),
        ({"resolution": {"thresholds": [0.5, 50]}}, "thresholds.1 = 50: .*less than 1"),
        ({"align": {"max_shift_px": float("inf")}}, "max_shift_px = inf: .*finite number"),
        ({"element_maps": {"fit_from_keV": 9, "fit_to_keV": 2}}, "must be below fit_to_keV"),
        ({"simulate": {"phantoms": {"../x": {"shape": "rod"}}}}, "expected letters, digits"),
        ({"simulate": {"phantoms": {"truth": {"shape": "rod"}}}}, "'truth': the name is taken"),
        ({"methods": ["sort"]}, "unknown method 'sort'; known: fbp, sirt"),
        ({"methods": ["sirt", "sirt"]}, "listed twice"),
        ({"reconstruct": {"sirt": {"filter_px": 10}}}, "sirt.filter_px = 10: must be odd"),
        ({"reconstruct": {"phases": {"ZnS": {"zn": 1}}}}, "phase 'ZnS': 'zn' is no element symbol"),
        ({"reconstruct": {"phases": {"ZnS": {"Zn": 0}}}}, "phases.ZnS.Zn = 0: .*greater than 0"),
        ({"train_denoiser": {"share_min": 0.95}}, "share_min must not exceed share_max"),
        (
            {"train_denoiser": {"method": "paper", "crop_px": 256, "guide": "haadf"}},
            "guide: the network of method paper sees element maps alone",
        ),
        ({"methods": ["end_to_end"]}, "list some of the sheet under train_end_to_end.specimens"),
        (
            {"train_end_to_end": {"specimens": ["a", "b"], "held_out": ["b"]}},
            "b cannot be both in specimens and in held_out",
        ),
        ({"train_end_to_end": {"specimens": ["a", "a"]}}, "a specimen is listed twice"),
        ({"train_end_to_end": {"patch_px": 24}}, "patch_px = 24: .*multiple of 16"),
    ],
)
def test_a_fault_is_named_with_key_value_bounds_and_file(config, line):
    with pytest.raises(ValueError, match=line):
        check_config(config, "c.yaml")


def test_every_fault_has_its_line():
    with pytest.raises(ValueError, match="seed") as caught:
        check_config({"seed": -1, "device": "tpu"}, "c.yaml")
    assert len(str(caught.value).splitlines()) == 2


def test_a_slash_at_the_end_of_results_changes_nothing():
    assert check_config({"results": "/data/out/"}, "c.yaml").results == "/data/out"


@pytest.mark.parametrize("stage", LATER_STAGES)
def test_a_stage_of_a_later_version_is_refused_as_such(stage):
    with pytest.raises(ValueError, match=f"section '{stage}': this stage is not part"):
        check_config({stage: {}}, "c.yaml")


def test_no_stage_is_known_and_unknown_at_once():
    assert not set(RunConfig.model_fields) & set(LATER_STAGES)


@given(st.integers(0, 2**31))
def test_the_seed_of_the_run_reaches_the_stages_that_draw(seed):
    run = check_config({"seed": seed}, "c.yaml")
    assert run.settings("split")["seed"] == seed
    assert "seed" not in run.settings("align")


def test_a_seed_of_its_own_stays_with_the_stage():
    run = check_config({"seed": 3, "split": {"seed": 5}}, "c.yaml")
    assert (run.settings("split")["seed"], run.settings("denoise")["seed"]) == (5, 3)


def test_settings_are_plain_data_that_the_schema_reads_back():
    run = check_config({"align": {"smooth_px": 1.5}}, "c.yaml")
    again = check_config({"align": run.settings("align")}, "c.yaml")
    assert again.align == run.align
