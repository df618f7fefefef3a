"""What one process reads and another one goes on with: a file of arrays and plain text."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from stemedx.ingest.contents import Contents
from stemedx.ingest.photons import Photons
from stemedx.ingest.signals import Axis, Signal

TEXT = "text"
ENTRIES = ("pixels", "channels", "counts", "frames", "detectors")
TOLD = ("shape", "n_frames", "names")
PLAIN = (
    "title", "is_eels", "stage_deg", "beam_keV", "resolution_eV", "elements", "beam_nA",
    "live_s", "real_s",
)  # fmt: skip


def write_contents(path: Path, contents: Contents) -> None:
    """Write `contents` as the file `path`, ``*.npz``, whole or not at all."""
    arrays: dict[str, np.ndarray] = {}
    signals = [_described(n, one, arrays) for n, one in enumerate(contents.signals)]
    text = json.dumps({"said": contents.said, "signals": signals})
    partial = path.with_name(f"partial_{path.name}")
    np.savez(partial, allow_pickle=False, **{TEXT: np.array(text)}, **arrays)
    partial.rename(path)


def read_handed(path: Path, file: Path) -> Contents:
    """Return what `write_contents` has written of the raw file `file`."""
    with np.load(path, allow_pickle=False) as arrays:
        found = json.loads(str(arrays[TEXT]))
        signals = [_signal(n, one, arrays, file) for n, one in enumerate(found["signals"])]
    return Contents(signals, found["said"])


def _described(n: int, signal: Signal, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return what is plain of a signal; put its arrays to the others."""
    for m, axis in enumerate(signal.axes):
        arrays[f"{n}_axis_{m}"] = axis.values
    plain = {name: getattr(signal, name) for name in PLAIN}
    plain["axes"] = [[axis.name, axis.units] for axis in signal.axes]
    if not isinstance(signal.values, Photons):
        arrays[f"{n}_values"] = np.asarray(signal.values)
        return plain
    for name in ENTRIES:
        if (values := getattr(signal.values, name)) is not None:
            arrays[f"{n}_{name}"] = values
    return plain | {"photons": {name: getattr(signal.values, name) for name in TOLD}}


def _signal(n: int, plain: dict[str, Any], arrays: Any, file: Path) -> Signal:
    axes = tuple(
        Axis(name, units, arrays[f"{n}_axis_{m}"])
        for m, (name, units) in enumerate(plain.pop("axes"))
    )
    told = plain.pop("photons", None)
    if told is None:
        values = arrays[f"{n}_values"]
    else:
        entries = {name: arrays[f"{n}_{name}"] for name in ENTRIES if f"{n}_{name}" in arrays}
        told |= {"shape": tuple(told["shape"]), "names": tuple(told["names"])}
        values = Photons(**entries, **told)
    return Signal(file, values=values, axes=axes, **plain | {"elements": tuple(plain["elements"])})
