import json

import numpy as np
import pytest

from stemedx.align.by_hand import parse_by_hand, read_by_hand

GIVEN = {"rotation_deg": [8, 9.5, 5], "shift_x_px": [10, 0, -5], "shift_y_px": [27, 10, 11.5]}


def parse(**changes):
    given = {key: value for key, value in {**GIVEN, **changes}.items() if value != "absent"}
    return parse_by_hand(json.dumps(given), 3, "hand.json")


def test_shifts_are_rows_then_columns():
    rotation, shift = parse()
    assert rotation.tolist() == [8.0, 9.5, 5.0]
    assert shift.tolist() == [[27.0, 10.0], [10.0, 0.0], [11.5, -5.0]]


def test_without_rotation_nothing_is_rotated():
    rotation, _ = parse(rotation_deg="absent")
    assert np.array_equal(rotation, np.zeros(3))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shift_x_px": "absent"}, "shift_x_px: expected a list of 3 numbers.*found none"),
        ({"shift_y_px": 4}, "shift_y_px: expected a list of 3 numbers.*found 4"),
        ({"shift_y_px": [1, 2]}, r"shift_y_px: .*found 2\. Give one entry per tilt"),
        ({"rotation_deg": [1, 2, 3, 4]}, r"rotation_deg: .*found 4\. Give one entry"),
        ({"shift_x_px": [1, float("nan"), 2]}, "shift_x_px: .*found nan at entry 2"),
        ({"shift_x_px": [1, 2, "3"]}, "shift_x_px: .*found '3' at entry 3"),
        ({"shift_x_px": [1, True, 3]}, "shift_x_px: .*found True at entry 2"),
    ],
)
def test_a_fault_is_named_with_file_key_and_counts(changes, message):
    with pytest.raises(ValueError, match=f"^hand.json: {message}"):
        parse(**changes)


def test_what_is_not_json_is_refused():
    with pytest.raises(ValueError, match="hand.json: expected JSON, found .*Correct the file"):
        parse_by_hand("{", 3, "hand.json")


def test_a_list_is_refused():
    with pytest.raises(ValueError, match="hand.json: expected an object with the lists"):
        parse_by_hand("[1, 2, 3]", 3, "hand.json")


def test_a_file_is_read_or_refused(tmp_path):
    path = tmp_path / "hand.json"
    with pytest.raises(ValueError, match="hand.json: expected an alignment .* no such file"):
        read_by_hand(path, 3)
    path.write_text("\ufeff" + json.dumps(GIVEN), encoding="utf-8")
    assert read_by_hand(path, 3)[1].tolist() == [[27.0, 10.0], [10.0, 0.0], [11.5, -5.0]]
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="hand.json: expected JSON in UTF-8"):
        read_by_hand(path, 3)
