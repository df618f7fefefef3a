"""All that a raw file holds and a tilt series may need, in memory."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stemedx.ingest.photons import Photons, from_parts
from stemedx.ingest.reader import read_signals
from stemedx.ingest.signals import Signal
from stemedx.ingest.views import is_spectrum_image


@dataclass(frozen=True)
class Contents:
    """The signals of a file, and what its reader warned of.

    Spectrum images come as photons, pictures and maps as arrays; the values of what is
    neither are left out.
    """

    signals: list[Signal]
    said: list[str]


Read = Callable[[Path], Contents]


def read_contents(path: Path) -> Contents:
    """Return what a file holds.

    Raises
    ------
    ValueError
        If it cannot be read, or its spectra are not counts.
    """
    signals, said = read_signals(path)
    return Contents([_in_memory(signal) for signal in signals], said)


def _in_memory(signal: Signal) -> Signal:
    if isinstance(signal.values, Photons):
        return signal
    if is_spectrum_image(signal) and not (signal.energy_axis == 0 and len(signal.axes) == 4):
        return replace(signal, values=_photons(signal))
    may_be_maps = signal.energy_axis is None and not signal.is_eels
    wanted = may_be_maps and len(signal.axes) in (2, 3)
    return replace(signal, values=signal.load() if wanted else np.zeros(0))


def _photons(signal: Signal) -> Photons:
    energy = signal.energy_axis
    assert energy is not None  # only spectrum images come here
    shape = tuple(len(axis.values) for n, axis in enumerate(signal.axes) if n != energy)
    places = [None] if len(shape) == 2 else list(range(shape[0]))
    parts = (part for index in places for part in signal.parts(index, energy))
    return from_parts(parts, (*shape, len(signal.axes[energy].values)), signal.file)
