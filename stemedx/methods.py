"""Which methods a specimen can have, as configuration and sheet tell before a run.

Light on purpose: the Snakefile imports it on every start.
"""

from stemedx.params import RunConfig
from stemedx.sheet import SheetRow


def learned_from(run: RunConfig) -> tuple[str, ...]:
    """Return the specimens that T learns from, then those held out for its loss."""
    return (*run.train_end_to_end.specimens, *run.train_end_to_end.held_out)


def check_learned_from(run: RunConfig, sheet: dict[str, SheetRow]) -> None:
    """Refuse a network of the batch that learns from what is not in the sheet.

    Raises
    ------
    ValueError
        If a specimen that T is to learn from is unknown.
    """
    for name in learned_from(run):
        if name not in sheet:
            raise ValueError(
                f"train_end_to_end: no specimen {name!r} in {run.samples}; it has "
                f"{', '.join(sheet)}."
            )


def left_out(run: RunConfig, sheet: dict[str, SheetRow]) -> list[dict[str, str]]:
    """Return the methods that specimens cannot have: specimen, method, reason."""
    return [
        {"specimen": specimen, "method": "end_to_end", "reason": reason}
        for specimen, row in sheet.items()
        if "end_to_end" in run.methods and (reason := _other_elements(run, sheet, row))
    ]


def _other_elements(run: RunConfig, sheet: dict[str, SheetRow], row: SheetRow) -> str:
    first = sheet[run.train_end_to_end.specimens[0]]
    if row.symbols == first.symbols:
        return ""
    return (
        f"T is trained on {', '.join(first.symbols)} in this order (train_end_to_end.specimens), "
        f"this specimen has {', '.join(row.symbols)}"
    )
