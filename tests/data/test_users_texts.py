"""Split lists as users' editors write them."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.data.folder import Folder
from benchmark.errors import InputError

IDS = ["a0", "a1", "é2", "a b3", "a4", "a5"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("images", "masks", "splits"):
        (tmp_path / name).mkdir()
    for id in IDS:
        for name in ("images", "masks"):
            Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / name / f"{id}.png")
    for split, ids in (("train", IDS[:4]), ("val", IDS[4:5]), ("test", IDS[5:])):
        (tmp_path / "splits" / f"{split}.txt").write_text("\n".join(ids), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "  \t\n\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks_and_line_ends_are_understood(root: Path, encoding: str, end: str) -> None:
    (root / "splits" / "train.txt").write_bytes(end.join([*IDS[:4], ""]).encode(encoding))
    assert Folder(root).splits()["train"] == IDS[:4]


@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-32-be"])
def test_the_marks_of_the_other_byte_order_too(root: Path, encoding: str) -> None:
    (root / "splits" / "train.txt").write_bytes(("\ufeff" + "\n".join(IDS[:4])).encode(encoding))
    assert Folder(root).splits()["train"] == IDS[:4]


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf\n \r\n", b""])
def test_an_empty_list_is_a_split_without_images(root: Path, content: bytes) -> None:
    (root / "splits" / "train.txt").write_bytes(content)
    source = Folder(root)
    assert source.splits()["train"] == []
    assert "train.txt: lists no images; write one file stem per line" in source.why_empty["train"]


def test_an_accent_may_be_one_character_or_two(root: Path) -> None:
    (root / "splits" / "train.txt").write_text("a0\ne\u03012\n", encoding="utf-8")
    assert Folder(root).splits()["train"] == ["a0", "é2"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a0\né2".encode("latin-1"), r"train\.txt: the split file is not UTF-8 \(byte 3, line 2\); save it as UTF-8"),
        ("a0\na1".encode("utf-16-le"), r"train\.txt: .* holds NUL characters, as UTF-16 without .*; save it as UTF-8"),
        (b"\xff\xfea\0\0", r"train\.txt: the split file is not UTF-16 \(byte \d, line 1\); save it as UTF-8"),
        (b"a0.png\n", r"lists 'a0\.png' but .*images has no image of that stem; write a0"),
        (b"a9\n", r"lists 'a9' but .* correct the list"),
    ],
)
def test_what_is_wrong_with_a_list_is_one_line_with_its_cure(root: Path, content: bytes, message: str) -> None:
    (root / "splits" / "train.txt").write_bytes(content)
    with pytest.raises(InputError, match=rf"\A[^\n]*{message}[^\n]*\Z"):
        Folder(root)


@pytest.mark.parametrize(("make", "reason"), [(os.mkfifo, "Not a regular file"), (os.mkdir, "Is a folder")])
def test_what_is_no_file_is_named(root: Path, make, reason: str) -> None:
    path = root / "splits" / "train.txt"
    path.unlink()
    make(path)
    with pytest.raises(InputError, match=rf"train\.txt: .*{reason}"):
        Folder(root)
