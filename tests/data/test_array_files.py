"""Arrays in .npz files that others have made."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmark.data.array_files import array_names, load_array
from tests.pickled_call import PickledCall


def npz(path: Path, member: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", member)
    return path


def header(shape: tuple[int, ...], kind: str = "|u1", data: bytes = b"") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})
    return file.getvalue() + data


def test_arrays_are_read_by_name(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", b=np.arange(6).reshape(2, 3), a=np.zeros(0))
    assert array_names(tmp_path / "x.npz") == ["a", "b"]
    assert load_array(tmp_path / "x.npz", "b").tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (header((10**6, 10**6)), "does not hold so much"),
        (header((2**62, 4)), "does not hold so much"),
        (header((4,), data=b"123"), "does not hold so much|EOF"),
        (header((-3,)), "."),
        (b"", "."),
        (b"\x93NUMPY\x01\0\xff\xff{", "."),
        (b"\x93NUMPY\x01\0\x08\0{'descr'", "."),
    ],
)
def test_what_is_no_array_is_an_error_of_one_kind(tmp_path: Path, member: bytes, message: str) -> None:
    with pytest.raises(OSError, match=message):
        load_array(npz(tmp_path / "x.npz", member), "a")


def test_pickled_objects_are_not_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.array([PickledCall(os.mkdir, str(tmp_path / "called"))], dtype=object))
    with pytest.raises(OSError, match="holds Python objects"):
        load_array(tmp_path / "x.npz", "a")
    assert not (tmp_path / "called").exists()


def test_an_array_larger_than_memory_is_not_allocated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "x.npz", a=np.zeros(2**20, np.uint8))
    monkeypatch.setattr(os, "sysconf", lambda name: 1024)
    with pytest.raises(OSError, match=r"a takes 0\.0 GiB; at most 0\.0 GiB are read here"):
        load_array(tmp_path / "x.npz", "a")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.npz")
    with pytest.raises(OSError, match="Not a regular file"):
        array_names(tmp_path / "x.npz")
