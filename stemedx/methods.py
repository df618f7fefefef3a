"""Which methods a specimen can have, as configuration and sheet tell before a run.

Light on purpose: the Snakefile imports it on every start.
"""

from stemedx.params import RunConfig
from stemedx.sheet import SheetRow

DENOISED = ("two_step", "end_to_end")  # methods that read denoised maps
NEED_HAADF = ("fusion",)
NO_HAADF = "the raw files hold no HAADF (column haadf: where it lies in files of its own)"


def learned_from(run: RunConfig) -> tuple[str, ...]:
    """Return the specimens that T learns from, then those held out for its loss."""
    return (*run.train_end_to_end.specimens, *run.train_end_to_end.held_out)


def check_learned_from(run: RunConfig, sheet: dict[str, SheetRow]) -> None:
    """Refuse networks of the batch that learn from what the sheet does not have.

    Raises
    ------
    ValueError
        If a specimen is unknown, or of another kind than the network learns from.
    """
    of_maps = run.train_denoiser.specimens
    for section, kind, names in (
        ("train_end_to_end", "series", learned_from(run)),
        ("train_denoiser", "map", of_maps),
    ):
        for name in names:
            if name not in sheet:
                raise ValueError(
                    f"{section}: no specimen {name!r} in {run.samples}; it has {', '.join(sheet)}."
                )
            if sheet[name].kind != kind:
                raise ValueError(
                    f"{section}: expected specimens of kind {kind}, found {name!r} of kind "
                    f"{sheet[name].kind} in {run.samples}. Take it from the list."
                )


def left_out(run: RunConfig, sheet: dict[str, SheetRow]) -> list[dict[str, str]]:
    """Return the methods that specimens cannot have: specimen, method, reason."""
    found = []
    for specimen, row in sheet.items():
        for method in run.methods:
            reason = _reason(method, row, run, sheet)
            if reason:
                found.append({"specimen": specimen, "method": method, "reason": reason})
    return found


def _reason(method: str, row: SheetRow, run: RunConfig, sheet: dict[str, SheetRow]) -> str:
    """Return why a specimen cannot have a method; empty if it can."""
    if row.kind == "map":
        return "a 2-D map has no volume"
    networks = []
    if method == "end_to_end":
        networks.append(("T", "train_end_to_end", run.train_end_to_end.specimens))
    if method in DENOISED and run.train_denoiser.method == "paper":
        networks.append(("Q^D", "train_denoiser", run.train_denoiser.specimens))
    for network, section, names in networks:
        symbols = sheet[names[0]].symbols if names else row.symbols
        if symbols != row.symbols:
            return (
                f"{network} is trained on {', '.join(symbols)} in this order "
                f"({section}.specimens), "
                f"this specimen has {', '.join(row.symbols)}"
            )
    return ""
