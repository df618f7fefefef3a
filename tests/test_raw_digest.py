import os

from stemedx.raw_digest import raw_digest


def test_new_content_gives_a_new_digest_and_a_new_time_does_not(tmp_path):
    raw, memory = tmp_path / "raw", tmp_path / "memory.json"
    raw.mkdir()
    (raw / "-10.bcf").write_text("abc")
    first = raw_digest([str(raw)], memory)
    os.utime(raw / "-10.bcf", (1, 1))
    assert raw_digest([str(raw / "*.bcf")], memory) == first
    (raw / "-10.bcf").write_text("abd")
    assert raw_digest([str(raw)], memory) != first


def test_an_added_file_gives_a_new_digest(tmp_path):
    memory = tmp_path / "memory.json"
    (tmp_path / "0.bcf").write_text("abc")
    first = raw_digest([f"{tmp_path}/*.bcf"], memory)
    (tmp_path / "10.bcf").write_text("abc")
    assert raw_digest([f"{tmp_path}/*.bcf"], memory) != first


def test_a_known_file_is_not_read_again(tmp_path):
    file, memory = tmp_path / "0.bcf", tmp_path / "memory.json"
    file.write_text("abc")
    state = file.stat()
    first = raw_digest([str(file)], memory)
    file.write_text("xyz")  # same size, and the time is put back: as if it were unread
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert raw_digest([str(file)], memory) == first


def test_nothing_found_has_a_digest_too(tmp_path):
    assert raw_digest([str(tmp_path / "none")], tmp_path / "memory.json")
