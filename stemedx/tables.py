"""CSV tables between stages and for users."""

from pathlib import Path

import pandas as pd


def write(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    table.to_csv(partial, index=False, lineterminator="\n")
    partial.replace(path)


def read(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """Read a table, and insist on its columns.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    # a specimen may be called 007
    table = pd.read_csv(
        path, keep_default_na=False, na_values=["", "nan"], dtype={"specimen": str, "group": str}
    )
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise ValueError(
            f"{path}: expected the columns {', '.join(columns)}, found "
            f"{', '.join(table.columns)}. Delete it and run the workflow again."
        )
    return table
