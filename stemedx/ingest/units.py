"""Units as the vendors spell them."""

import numpy as np

NM = {
    "pm": 1e-3,
    "å": 0.1,
    "a": 0.1,
    "ang": 0.1,
    "angstrom": 0.1,
    "angstroms": 0.1,
    "nm": 1.0,
    "nanometer": 1.0,
    "nanometre": 1.0,
    "um": 1e3,
    "micron": 1e3,
    "microns": 1e3,
    "micrometer": 1e3,
    "micrometre": 1e3,
    "mm": 1e6,
    "m": 1e9,
}
KEV = {"kev": 1.0, "ev": 1e-3}
DEG = {"deg": 1.0, "degree": 1.0, "degrees": 1.0, "°": 1.0, "rad": float(np.rad2deg(1.0))}


def to_nm(units: str) -> float | None:
    """Return the nanometers in one unit of length; None where it is none."""
    return NM.get(_plain(units))


def to_keV(units: str) -> float | None:  # noqa: N802
    """Return the keV in one unit of energy; None where it is none."""
    plain = _plain(units)
    return KEV.get(plain.removeprefix("energy(").removesuffix(")"))


def to_deg(units: str) -> float | None:
    """Return the degrees in one unit of angle; None where it is none."""
    return DEG.get(_plain(units))


def _plain(units: str) -> str:
    """Return a unit in lower case, without brackets, underscores and kinds of mu."""
    plain = units.lower().translate(str.maketrans("µμ", "uu", " []_"))
    return plain.strip()
