"""How a store was made: stage, code, parameters, packages, inputs."""

import sys
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stemedx.code_digest import code_digest
from stemedx.params import Model

PACKAGES = ("astra-toolbox", "exspy", "hyperspy", "numpy", "rosettasciio", "scipy", "torch", "zarr")


def made_by(
    stage: str, params: Model, inputs: dict[str, Path], *modules: str, **more: Any
) -> dict[str, Any]:
    """Return the provenance that a store carries in its attributes.

    Parameters
    ----------
    stage
        Name of the stage.
    params
        Its parameters.
    inputs
        Name -> store or file that was read.
    modules
        Modules that the stage imports by name at run time.
    more
        Anything else, such as the device.
    """
    own = f"stemedx.stages.{stage}"
    return {
        "stage": stage,
        "code": code_digest(own, *modules),
        "parameters": params.model_dump(mode="json"),
        "packages": _packages(),
        "inputs": {name: digest(path) for name, path in inputs.items()},
        **more,
    }


def _packages() -> dict[str, str]:
    """Return the versions of the packages loaded now, which are those that were used."""
    loaded = {"astra-toolbox": "astra", "rosettasciio": "rsciio"}
    return {name: version(name) for name in PACKAGES if loaded.get(name, name) in sys.modules}


def digest(path: Path) -> str:
    """Return a digest of the content of a file or of all files of a folder."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    total = sha256()
    for file in files:
        if file.name == ".snakemake_timestamp":
            continue
        total.update(file.relative_to(path).as_posix().encode() if file != path else b"")
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                total.update(block)
    return total.hexdigest()[:16]
