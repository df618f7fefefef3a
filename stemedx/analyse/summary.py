"""What several splits of one data set say together."""

import numpy as np
import pandas as pd

CROSSING_COLUMNS = ("split", "element", "threshold", "resolution_nm", "status")
SUMMARY_COLUMNS = (
    "element", "threshold", "resolution_nm", "n_splits", "status", "limited_by", "note",
)  # fmt: skip
RESOLVED = "resolved"
UNRESOLVED = "no resolved signal"


def median_crossings(crossings: pd.DataFrame) -> pd.DataFrame:
    """Return the median resolution of each element at each threshold.

    A split without a crossing counts as coarser than any other, so that it cannot
    flatter the median.

    Parameters
    ----------
    crossings
        `CROSSING_COLUMNS`, a row for each split, element and threshold; perhaps
        ``limited_by`` and ``note``, which are told if they hold of any split.

    Returns
    -------
    summary
        `SUMMARY_COLUMNS`, elements and thresholds in the order in which they came.
    """
    rows = []
    for (element, threshold), part in crossings.groupby(["element", "threshold"], sort=False):
        nm = part["resolution_nm"].where(part["status"] == RESOLVED, np.inf).astype(float)
        median = _upper_median(nm.to_numpy())
        status = RESOLVED if np.isfinite(median) else UNRESOLVED
        nm_or_none = median if np.isfinite(median) else np.nan
        limited_by, note = (
            _first_text(part, column) if status == RESOLVED else None
            for column in ("limited_by", "note")
        )
        rows.append((element, threshold, nm_or_none, len(part), status, limited_by, note))
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))


def _first_text(part: pd.DataFrame, column: str) -> object:
    texts = part[column].dropna() if column in part else part.iloc[:0]
    return texts.iloc[0] if len(texts) else None


def _upper_median(values: np.ndarray) -> float:
    """Return the median; infinite if either of the two middle values is."""
    ordered = np.sort(values)
    return float((ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2)


def limit_text(limited_by: object) -> str:
    """Return what to say after a resolution that something else than the data limits."""
    return f" (limited by the {limited_by})" if isinstance(limited_by, str) and limited_by else ""
