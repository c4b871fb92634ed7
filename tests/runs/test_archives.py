"""Archives of strangers are refused before anything in them is read."""

import io
import struct
import time
import zipfile

import pytest
import torch

from benchmark.runs.archives import check_archive


def _archive(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file


def test_what_torch_writes_is_taken() -> None:
    file = io.BytesIO()
    torch.save({"a": torch.zeros(1000), "b": [1, 2]}, file)
    check_archive(file)
    assert file.tell() == 0


def test_an_archive_that_grows_is_refused() -> None:
    with pytest.raises(ValueError, match="bytes would become 100000000"):
        check_archive(_archive({"a": bytes(10**8)}, zipfile.ZIP_DEFLATED))


def test_members_that_share_their_bytes_are_refused() -> None:
    """The list of members is repeated, so that one member stands for many."""
    content = _archive({"a": bytes(10**6)}).getvalue()
    start = content.index(b"PK\1\2")
    end = content.index(b"PK\5\6")
    entry, tail = content[start:end], content[end:]
    times = 20
    tail = tail[:8] + struct.pack("<2HL", times, times, len(entry) * times) + tail[16:]
    with pytest.raises(ValueError, match=r"bytes would become 20000000|[Oo]verlap"):
        check_archive(io.BytesIO(content[:start] + entry * times + tail))


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "a/../../b", "..\\a"])
def test_names_that_leave_the_folder_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no file that torch writes"):
        check_archive(_archive({name: b""}))


def test_very_many_members_are_refused_before_they_are_listed() -> None:
    content = bytearray(_archive({"a": b"1"}).getvalue())
    end = content.index(b"PK\5\6")
    content[end + 12 : end + 16] = struct.pack("<L", 2**30)
    began = time.monotonic()
    with pytest.raises(ValueError, match="an archive of 1 members"):
        check_archive(io.BytesIO(bytes(content)))
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"PK\5\6" + bytes(18), b"x" * 100_000])
def test_what_is_no_archive(content: bytes) -> None:
    if content.startswith(b"PK\5\6"):
        check_archive(io.BytesIO(content))  # an empty one
        return
    with pytest.raises(ValueError, match="not a zip file"):
        check_archive(io.BytesIO(content))
