"""Every stage has its parameters, rule, script and test, and nothing else has."""

import ast
import re
import sys
from pathlib import Path

import pytest
import yaml
from rattler import MatchSpec

from stemedx.code_digest import closure
from stemedx.params import METHODS, RECONSTRUCT_METHODS, RunConfig

ROOT = Path(__file__).parents[1]
STAGES = {path.stem for path in (ROOT / "stemedx/stages").glob("[a-z]*.py")}
NOT_STAGES = {"samples", "results", "device", "seed", "methods"}
RULES = [path for path in (ROOT / "rules").glob("*.smk") if path.stem != "common"]
ENVS = sorted((ROOT / "envs").glob("*.yaml"))
# Name of the import -> name of the conda-forge package, where they differ.
PACKAGES = {
    "astra": "astra-toolbox",
    "hyperspy": "hyperspy-base",
    "matplotlib": "matplotlib-base",
    "ome_zarr_models": "ome-zarr-models",
    "rsciio": "rosettasciio-base",
    "skimage": "scikit-image",
    "torch": "pytorch",
}


def rule_names(path):
    return re.findall(r"^(?:rule|checkpoint) (\w+):", path.read_text(), re.M)


def test_every_stage_is_wired_up():
    rules = {name for path in RULES for name in rule_names(path)}
    scripts = {path.stem for path in (ROOT / "workflow_scripts").glob("*.py")}
    params = set(RunConfig.model_fields) - NOT_STAGES
    tests = {path.stem[11:] for path in (ROOT / "tests").glob("test_stage_*.py")}
    assert rules == scripts == params == tests == STAGES


def test_a_rule_file_holds_the_rule_of_its_name():
    assert all(rule_names(path) == [path.stem] for path in RULES)


def test_every_rule_file_is_included():
    included = set(re.findall(r'include: "rules/(\w+)\.smk"', (ROOT / "Snakefile").read_text()))
    assert included == STAGES | {"common"}


def test_the_snakefile_holds_little_more_than_a_line_for_each_stage():
    assert len((ROOT / "Snakefile").read_text().splitlines()) <= len(STAGES) + 20


@pytest.mark.parametrize("path", sorted(RULES), ids=lambda path: path.stem)
def test_a_rule_tells_its_log_benchmark_environment_settings_and_code(path):
    text = path.read_text()
    for part in ("log:", "benchmark:", "conda:", "settings=", "code=", f"{path.stem}.py"):
        assert part in text, part


@pytest.mark.parametrize("path", sorted((ROOT / "workflow_scripts").glob("*.py")), ids=str)
def test_workflow_scripts_hold_no_logic(path):
    source = path.read_text()
    assert len(source.splitlines()) <= 35
    assert not re.search(r"^\s*(if|for|while|def|class)\b", source, re.M)


def test_every_method_of_reconstruct_has_a_module_and_parameters():
    modules = {path.stem for path in (ROOT / "stemedx/reconstruct").glob("[a-z]*.py")}
    assert set(RECONSTRUCT_METHODS) <= modules
    assert set(METHODS) - {"two_step", "end_to_end"} <= set(RECONSTRUCT_METHODS)


def test_no_library_file_is_longer_than_300_lines():
    allowed = {"params.py"}  # one sentence per parameter; splitting it would hide the schema
    long = [
        path
        for path in (ROOT / "stemedx").rglob("*.py")
        if len(path.read_text().splitlines()) > 300 and path.name not in allowed
    ]
    assert not long


def environment_of(stage):
    text = (ROOT / "rules" / f"{stage}.smk").read_text()
    return ROOT / "envs" / re.search(r"envs/(\w+\.yaml)", text).group(1)


def packages(env):
    """Names that an environment provides, read as conda reads them, strictly."""
    lines = yaml.safe_load(env.read_text())["dependencies"]
    return {MatchSpec(line, strict=True).name.normalized for line in lines}


@pytest.mark.parametrize("env", ENVS, ids=lambda env: env.stem)
def test_every_environment_is_pinned_and_conda_can_read_it(env):
    content = yaml.safe_load(env.read_text())
    assert content["channels"] == ["conda-forge", "nodefaults"]
    for line in content["dependencies"]:
        spec = MatchSpec(line, strict=True)
        assert re.fullmatch(r"\d+\.\d+(\.\d+)?(\.\*)?", str(spec.version)), line


def test_torch_and_astra_are_gpu_builds():
    lines = [line for env in ENVS for line in yaml.safe_load(env.read_text())["dependencies"]]
    heavy = {line for line in lines if line.startswith(("pytorch", "astra-toolbox"))}
    assert len(heavy) == 2
    assert all(str(MatchSpec(line, strict=True).build).startswith("cuda") for line in heavy)


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_a_stage_imports_nothing_that_its_environment_lacks(stage):
    own = [f"workflow_scripts.{stage}"]
    if stage == "reconstruct":
        own += [f"stemedx.reconstruct.{method}" for method in RECONSTRUCT_METHODS]
    assert packages_of(own) <= packages(environment_of(stage))


def packages_of(modules):
    """Packages that modules and what they import of ours need."""
    left_out = ["stemedx.params", "stemedx.sheet", "stemedx.arrays", "stemedx.logs"]
    wanted = {name for module in [*closure(tuple(modules)), *left_out] for name in imports(module)}
    return {PACKAGES.get(name, name) for name in wanted}


def imports(module):
    """Third-party packages that a module of ours imports, wherever in the file."""
    base = ROOT.joinpath(*module.split("."))
    path = base.with_suffix(".py") if base.with_suffix(".py").is_file() else base / "__init__.py"
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - {"stemedx"}


def test_pins_of_conda_and_of_the_lock_agree():
    lock = (ROOT / "requirements.lock").read_text()
    torch = re.search(r"^TORCH = torch==(\S+)", (ROOT / "Makefile").read_text(), re.M).group(1)
    renamed = {"rosettasciio-base": "rosettasciio", "hyperspy-base": "hyperspy"}
    renamed["matplotlib-base"] = "matplotlib"
    for env in ENVS:
        for line in yaml.safe_load(env.read_text())["dependencies"]:
            name, version = re.match(r"([a-z0-9-]+)[= ]([\d.]*\d)", line).groups()
            if name == "python":
                continue
            pinned = re.findall(rf"^{renamed.get(name, name)}==(\S+)", lock, re.M)
            pinned = [torch] if name == "pytorch" else pinned
            assert any(pin.startswith(f"{version}.") or pin == version for pin in pinned), line
