"""Reading in a process of its own: the same contents, and every end told in one line."""

import os
import time
from dataclasses import fields

import numpy as np
import pytest

from stemedx.ingest import apart
from stemedx.ingest.apart import reading_apart
from stemedx.ingest.contents import Contents, read_contents
from stemedx.ingest.handover import read_handed, write_contents
from stemedx.ingest.photons import Photons
from stemedx.ingest.signals import Axis, Signal


def assert_alike(one, other):
    assert one.said == other.said
    assert len(one.signals) == len(other.signals)
    for left, right in zip(one.signals, other.signals, strict=True):
        for name in (field.name for field in fields(Signal)):
            if name not in ("values", "axes"):
                assert getattr(left, name) == getattr(right, name), name
        for axis, same in zip(left.axes, right.axes, strict=True):
            assert (axis.name, axis.units) == (same.name, same.units)
            assert (axis.values == same.values).all()
        assert type(left.values) is type(right.values)
        if not isinstance(left.values, Photons):
            assert left.values.dtype == right.values.dtype
            assert (left.values == right.values).all()
            continue
        for name in (field.name for field in fields(Photons)):
            assert np.array_equal(getattr(left.values, name), getattr(right.values, name)), name


def test_contents_come_through_a_file(tmp_path):
    photons = Photons(
        np.array([1, 1, 5], np.uint32), np.array([2, 3, 0], np.uint16),
        np.array([1, 7, 2], np.uint32), (2, 3, 4), np.array([0, 1, 1], np.uint16),
        np.array([1, 0, 0], np.uint8), 2, ("SDD 1", "SDD 2"),
    )  # fmt: skip
    axes = tuple(Axis(n, u, np.arange(2.0 + m)) for m, (n, u) in enumerate(["yµ", "xµ", "Ee"]))
    told = (False, -12.5, 200.0, None, ("Fe", "Pt"), 0.3, None, 9.0)
    file = tmp_path / "a.emd"
    contents = Contents(
        [Signal(file, "EDX", photons, axes, *told),
         Signal(file, "HAADF", np.full((2, 3), 1j), axes[:2], True, *([None] * 3))],
        ["odd axis"],
    )  # fmt: skip
    write_contents(tmp_path / "answer.npz", contents)
    assert_alike(read_handed(tmp_path / "answer.npz", file), contents)


def test_a_file_reads_the_same_apart(tmp_path, write_spectra):
    write_spectra(tmp_path / "a.hspy", tilt=-12.5)
    with reading_apart() as read:
        assert_alike(read(tmp_path / "a.hspy"), read_contents(tmp_path / "a.hspy"))


def test_a_fault_is_told_as_it_would_be_here(tmp_path, write_spectra):
    """And the next file is read as if nothing had happened."""
    write_spectra(tmp_path / "b.hspy")
    (tmp_path / "a.bcf").write_bytes(b"NotTodayNotTodayNotT")
    (tmp_path / "a.xyz").touch()
    with reading_apart() as read:
        with pytest.raises(ValueError, match=r"a.bcf: expected a raw file .*not SFS") as told:
            read(tmp_path / "a.bcf")
        with pytest.raises(ValueError, match=r"a.xyz: .* no reader"):
            read(tmp_path / "a.xyz")
        assert len(read(tmp_path / "b.hspy").signals) == 1
    with pytest.raises(ValueError, match="not SFS") as here:
        read_contents(tmp_path / "a.bcf")
    assert str(told.value) == str(here.value)


READERS = {
    "crash": ("import os; os.abort()", r"the reader failed \(the reader crashed"),
    "leave": ("import os; os._exit(0)", r"the reader failed \(done\)"),
    "large": ("bytearray(2 ** 40)", "it needs more than 4.0 GB of memory"),
    "slow": ("import time; time.sleep(60)", "the reader did not end within 1 s"),
    "busy": ("while True: pass", "the reader did not end within 1 s"),
    "wrong": ("raise KeyError('no')", r"the reader failed \(KeyError: 'no'\)"),
}


@pytest.mark.parametrize("kind", READERS)
def test_what_a_reader_does_to_its_process_is_told(tmp_path, monkeypatch, kind):
    """A reader of RosettaSciIO is replaced, in the server, by one that misbehaves."""
    code, message = READERS[kind]
    path = tmp_path / "a.hspy"
    path.touch()
    misbehave = f"import rsciio.hspy\ndef file_reader(*_, **__):\n    {code}\n"
    misbehave += "rsciio.hspy.file_reader = file_reader\n"
    monkeypatch.setattr(apart, "CODE", misbehave + apart.CODE)
    start = time.monotonic()
    with (
        reading_apart(1.0, 4 * 2**30) as read,
        pytest.raises(ValueError, match=f"a.hspy: .*{message}.*copy it again"),
    ):
        read(path)
    assert time.monotonic() - start < 30  # a start of Python, and the second that it may take


def test_a_server_that_ended_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(apart, "CODE", "")
    with (
        reading_apart() as read,
        pytest.raises(ValueError, match="the process that reads files has ended"),
    ):
        read(tmp_path / "a.hspy")


def test_no_process_stays(tmp_path, write_spectra):
    write_spectra(tmp_path / "a.hspy")
    with reading_apart() as read:
        read(tmp_path / "a.hspy")
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
