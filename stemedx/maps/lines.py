"""Energies of X-ray lines: the door to exspy's table, which is HyperSpy's."""

import logging
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

# K lines above this are too weakly excited and detected to be preferred.
K_UP_TO_KEV = 10.0
OVERVOLTAGE = 0.9  # share of the beam energy below which a line is excited


@dataclass(frozen=True)
class Line:
    """An X-ray line: its name as in ``Se_La``, and its energy."""

    name: str
    energy_keV: float  # noqa: N815

    @property
    def symbol(self) -> str:
        """Symbol of its element."""
        return self.name.split("_")[0]


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
