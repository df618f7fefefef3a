"""Energies of X-ray lines: the door to exspy's table, which is HyperSpy's."""

import logging
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

# K lines above this are too weakly excited and detected to be preferred.
K_UP_TO_KEV = 10.0
OVERVOLTAGE = 0.9  # share of the beam energy below which a line is excited
# Of an unresolved alpha doublet: share of the weaker line, and the two levels whose
# binding energies differ as the lines do (the table has the stronger line only).
DOUBLETS = {"Ka": (1 / 3, "L2", "L3"), "La": (0.114 / 1.114, "M4", "M5")}
# Which lines are of one vacancy, so that their ratio is that of one atom.
VACANCY = {
    "Kb": "K beta",
    "La": "L3", "Ll": "L3", "Lb2": "L3",
    "Lb1": "L2", "Ln": "L2", "Lg1": "L2",
    "Lb3": "L1", "Lb4": "L1", "Lg3": "L1",
    "Mb": "M4", "Mg": "M3", "M3O4": "M3", "M3O5": "M3", "M2N4": "M2", "Mz": "M zeta",
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """An X-ray line: its name as in ``Se_La``, and its energy."""

    name: str
    energy_keV: float  # noqa: N815

    @property
    def symbol(self) -> str:
        """Symbol of its element."""
        return self.name.split("_")[0]


@dataclass(frozen=True)
class Family:
    """Lines of one element whose ratios are known: energies (keV) and shares, sum 1.

    `vacancy` names the part of a shell whose lines these are; empty for a whole shell.
    """

    symbol: str
    shell: str
    vacancy: str
    lines: tuple[tuple[float, float], ...]
    weight: float

    @property
    def name(self) -> str:
        """Such as ``Fe K`` or ``Pt M4``."""
        return f"{self.symbol} {self.vacancy or self.shell}"


def families_of(
    symbol: str,
    from_keV: float,  # noqa: N803
    to_keV: float,  # noqa: N803
    beam_keV: float | None,  # noqa: N803
    split: frozenset[str],
) -> list[Family]:
    """Return the families of lines of an element that a range of energies shows.

    Parameters
    ----------
    symbol
        Of the element.
    from_keV, to_keV
        Range of energies. A family of which less than 2 % lie in it is left out.
    beam_keV
        Beam energy; None if the files do not say.
    split
        Shells such as ``Pt M`` that come as one family per vacancy.

    Raises
    ------
    ValueError
        If there is no such element.
    """
    groups: dict[tuple[str, str], list[tuple[str, float]]] = {}
    for name, energy in _table(symbol).items():
        vacancy = VACANCY.get(name, "") if f"{symbol} {name[0]}" in split else ""
        groups.setdefault((name[0], vacancy), []).append((name, energy))
    highest = min(to_keV, OVERVOLTAGE * beam_keV) if beam_keV else to_keV
    found = []
    for (shell, vacancy), members in groups.items():
        lines = [line for name, energy in members for line in _doublet(symbol, name, energy)]
        weight = sum(share for _, share in lines)
        seen = sum(share for energy, share in lines if from_keV <= energy <= highest)
        if weight > 0 and seen >= 0.02 * weight:
            shares = tuple((energy, share / weight) for energy, share in lines)
            found.append(Family(symbol, shell, vacancy, shares, weight))
    return found


def _doublet(symbol: str, name: str, energy: float) -> list[tuple[float, float]]:
    """Return energy and weight of a line, or of both lines of an alpha doublet."""
    weight = float(_elements()[symbol]["Atomic_properties"]["Xray_lines"][name]["weight"])
    edges = _elements()[symbol]["Atomic_properties"].get("Binding_energies", {})
    share, *levels = DOUBLETS.get(name, (0.0, "", ""))
    if not all(level in edges for level in levels):
        return [(energy, weight)]
    upper, lower = (float(edges[level]["onset_energy (eV)"]) / 1e3 for level in levels)
    return [(energy, (1 - share) * weight), (energy - (upper - lower), share * weight)]


def lines_near(energy_keV: float, within_keV: float) -> list[str]:  # noqa: N803
    """Return the main lines of any element near an energy, nearest first."""
    found = [
        (abs(energy - energy_keV), f"{symbol}_{name}")
        for symbol, properties in _elements().items()
        if isinstance(properties, dict) and "Atomic_properties" in properties
        for name, energy in _table(symbol).items()
        if name in ("Ka", "La", "Ma") and abs(energy - energy_keV) <= within_keV
    ]
    return [name for _, name in sorted(found)]


def choose_line(
    wanted: str,
    from_keV: float,  # noqa: N803
    to_keV: float,  # noqa: N803
    beam_keV: float | None,  # noqa: N803
) -> Line:
    """Return the line that the sheet names, or the best one of an element.

    The best is Ka up to 10 keV, else La, else Ma, else a higher Ka, of those that the
    beam excites and the energy axis shows.

    Parameters
    ----------
    wanted
        ``Se_La`` or ``Se``.
    from_keV, to_keV
        Energies that the spectra hold.
    beam_keV
        Beam energy; None if the files do not say.

    Raises
    ------
    ValueError
        If there is no such element or line, or it is not within the energies.
    """
    symbol, _, name = wanted.partition("_")
    table = _table(symbol)
    if name and name not in table:
        raise ValueError(
            f"elements: expected an X-ray line of {symbol}, found {wanted!r}. Choose one of "
            f"{', '.join(sorted(table))}."
        )
    known = {name: table[name]} if name else {n: table[n] for n in _by_merit(table)}
    highest = min(to_keV, OVERVOLTAGE * beam_keV) if beam_keV else to_keV
    for found, energy in known.items():
        if from_keV <= energy <= highest:
            return Line(f"{symbol}_{found}", energy)
    lines = ", ".join(f"{symbol}_{n} at {energy:.3f} keV" for n, energy in known.items())
    raise ValueError(
        f"elements: expected a line of {wanted} between {from_keV:.2f} and {highest:.2f} keV, "
        f"which the spectra hold and the beam excites, found only {lines or 'none'}. Take "
        f"{wanted} from the column elements of the sheet, or lower ingest.min_keV."
    )


def _by_merit(table: dict[str, float]) -> list[str]:
    """Return the main lines of an element, best first."""
    order = ["Ka", "La", "Ma"]
    if table.get("Ka", 0.0) > K_UP_TO_KEV:
        order = ["La", "Ma", "Ka"]
    return [name for name in order if name in table]


@cache
def _table(symbol: str) -> dict[str, float]:
    """Return the energies of the lines of an element, keV.

    Raises
    ------
    ValueError
        If there is no such element.
    """
    elements = _elements()
    if symbol not in elements:
        raise ValueError(
            f"elements: expected the symbol of an element, found {symbol!r}. Correct the column "
            "elements of the sheet."
        )
    lines = elements[symbol]["Atomic_properties"].get("Xray_lines", {})
    return {name: float(line["energy (keV)"]) for name, line in lines.items()}


@cache
def _elements() -> dict[str, Any]:
    """Return exspy's table; its import takes a second, and warns of its own future."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from exspy.material import elements  # noqa: PLC0415
    finally:
        logging.disable(disabled)
    return elements.as_dictionary()
