import pandas as pd
import pytest

from stemedx import tables


def test_a_table_comes_back_as_it_was(tmp_path):
    table = pd.DataFrame({"specimen": ["NA", "007"], "mean_nm": [1.25, float("nan")]})
    tables.write(tmp_path / "t/a.csv", table)
    again = tables.read(tmp_path / "t/a.csv", ("specimen", "mean_nm"))
    pd.testing.assert_frame_equal(again, table)
    assert [path.name for path in (tmp_path / "t").iterdir()] == ["a.csv"]


def test_a_missing_column_is_named(tmp_path):
    tables.write(tmp_path / "a.csv", pd.DataFrame({"specimen": ["b"]}))
    with pytest.raises(ValueError, match="expected the columns specimen, element, found specimen"):
        tables.read(tmp_path / "a.csv", ("specimen", "element"))
