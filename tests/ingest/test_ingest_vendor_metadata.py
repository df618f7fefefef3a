from stemedx.ingest.vendor import mapped, number, symbols, velox_current_nA, velox_seconds


def test_what_a_velox_file_says_of_its_beam():
    optics = {"LastMeasuredScreenCurrent": "6.6946e-010"}
    assert round(velox_current_nA({"Optics": optics}), 5) == 0.66946
    for silent in ({}, None, {"Optics": {"LastMeasuredScreenCurrent": "0"}}, {"Optics": ""}):
        assert velox_current_nA(silent) is None
    scan = {"Scan": {"DwellTime": "0.064", "FrameTime": "16.4"}}
    assert velox_seconds(scan, 256, 2) == 0.064 * 256 * 2
    assert velox_seconds({}, 256, 2) is None


def test_numbers_of_metadata():
    assert [number(one) for one in ("1.5e-3", 2, (3,))] == [0.0015, 2.0, 3.0]
    assert [number(one) for one in ("n/a", None, (1, 2), {})] == [None] * 4


def test_only_what_the_mapping_places_is_taken():
    mapping = {"Stage.Tilt": ("a.tilt_alpha", lambda tilt: 2 * tilt), "X": ("a.x", None)}
    found = {"original_metadata": {"Stage": {"Tilt": 7.5}, "X": 1}, "mapping": mapping}
    assert mapped(found) == {"tilt_alpha": 15.0}
    assert mapped({}) == {}


def test_elements_that_a_file_names():
    assert symbols({"elements": ["Pt", "Fe"], "xray_lines": ["S_Ka", "?"]}) == ("Fe", "Pt", "S")
    assert symbols({}) == ()
