"""What may be opened as a file."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.regular_files import file_sha256, folder_outside, open_regular

NOT_FILES: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a socket": lambda path: socket.socket(socket.AF_UNIX).bind(str(path)),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "nothing": lambda path: None,
}


@pytest.mark.parametrize("inside", [False, True], ids=["anywhere", "inside"])
@pytest.mark.parametrize("make", NOT_FILES.values(), ids=NOT_FILES)
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, make: Callable[[Path], object], inside: bool) -> None:
    make(tmp_path / "x")
    with pytest.raises(OSError, match=r"Not a regular|Is a folder|Too many levels|No such file|a link out of"):
        open_regular(tmp_path / "x", tmp_path if inside else None)


def test_links_may_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    run, other = tmp_path / "run", tmp_path / "run2"
    for folder in (run, other):
        folder.mkdir()
        (folder / "a.png").write_bytes(b"abc")
    (run / "inner.png").symlink_to("a.png")
    (run / "outer.png").symlink_to("../run2/a.png")
    (run / "pictures").symlink_to(other)
    (tmp_path / "latest").symlink_to(run)
    for name in ("a.png", "inner.png"):
        assert open_regular(run / name, run).read() == b"abc"
        assert open_regular(tmp_path / "latest" / name, tmp_path / "latest").read() == b"abc"
    for name in ("outer.png", "pictures/a.png", "../run2/a.png"):
        assert open_regular(run / name).read() == b"abc"
        with pytest.raises(OSError, match="a link out of the folder"):
            open_regular(run / name, run)


def test_a_name_with_a_nul_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="null byte"):
        open_regular(tmp_path / "a\0b")


def test_the_hash_is_of_the_files_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert file_sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_folder_that_is_a_link_outside_is_found(tmp_path: Path) -> None:
    run, other = tmp_path / "run", tmp_path / "other"
    for folder in (run / "pictures" / "clean", other):
        folder.mkdir(parents=True)
    (run / "latest").symlink_to("pictures")
    (run / "nowhere").symlink_to("none")
    (tmp_path / "by_link").symlink_to(run)
    assert folder_outside(run) is None
    assert folder_outside(tmp_path / "by_link") is None
    (run / "pictures" / "truth").symlink_to(other)
    assert folder_outside(run) == run / "pictures" / "truth"
