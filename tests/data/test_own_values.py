"""A difference that the program makes, by its libraries or its keys, is not laid at the door of a file."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.data.datamodule import SegmentationData
from benchmark.data.folder import Folder
from benchmark.data.images import check_size, read_image
from benchmark.data.masks import read_mask
from benchmark.errors import InputError

CLASSES = {0: 0, 1: 1, 2: 2, 3: 3}
LEVELS = {0: 0, 85: 1, 170: 2, 255: 3}


def gray_png(path: Path, values: list[list[int]], depth: int) -> Path:
    """A grey PNG of 1, 2 or 4 bits; Pillow can only read these."""
    rows = b""
    for row in values:
        bits = "".join(f"{value:0{depth}b}" for value in row)
        bits += "0" * (-len(bits) % 8)
        rows += b"\0" + bytes(int(bits[k : k + 8], 2) for k in range(0, len(bits), 8))
    header = struct.pack(">IIBBBBB", len(values[0]), len(values), depth, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    parts = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


@pytest.mark.parametrize(
    ("depth", "values", "encoding", "classes"),
    [
        (2, [0, 1, 2, 3], CLASSES, [0, 1, 2, 3]),
        (2, [0, 1, 2, 3], LEVELS, [0, 1, 2, 3]),
        (2, [0, 3, 0, 3], {0: 0, 255: 1}, [0, 1, 0, 1]),
        (2, [0, 3, 1, 1], CLASSES | {255: 255}, [0, 3, 1, 1]),
        (4, [0, 15, 7, 1], {0: 0, 15: 1, 7: 2, 1: 3}, [0, 1, 2, 3]),
        (4, [0, 15, 7, 1], {17 * k: k for k in range(16)}, [0, 15, 7, 1]),
        (1, [0, 1, 1, 0], {0: 0, 1: 1}, [0, 1, 1, 0]),
        (1, [0, 1, 1, 0], {0: 0, 255: 1}, [0, 1, 1, 0]),
        (1, [0, 1, 1, 0], {value: int(value >= 128) for value in range(256)}, [0, 1, 1, 0]),
        (1, [0, 0, 0, 0], {0: 0, 1: 1, 255: 255}, [0, 0, 0, 0]),
    ],
)
def test_a_file_of_few_bits_is_read_as_it_is_declared(
    tmp_path: Path, depth: int, values: list[int], encoding: dict[int, int], classes: list[int]
) -> None:
    assert read_mask(gray_png(tmp_path / "m.png", [values], depth), encoding).tolist() == [classes]


def test_values_that_are_not_declared_are_the_files_own(tmp_path: Path) -> None:
    message = r"m\.png: mask values 1, 2 are not in the declared encoding .* has 2 bits, so that 3 is its white, 255"
    with pytest.raises(InputError, match=message):
        read_mask(gray_png(tmp_path / "m.png", [[0, 1, 2]], 2), {0: 0, 255: 1}, "data.encoding")


def test_a_value_of_two_meanings_is_refused(tmp_path: Path) -> None:
    path = gray_png(tmp_path / "m.png", [[0, 1]], 1)
    with pytest.raises(InputError, match=r"grey file of 1 bits, whose values \[0, 1\] are also read as \[0, 255\]"):
        read_mask(path, {0: 0, 1: 1, 255: 255})


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("turned", ["image", "mask"])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_a_turn_by_exif_is_named(tmp_path: Path, turned: str, orientation: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    paths = {"image": tmp_path / f"a{suffix}", "mask": tmp_path / f"m{suffix}"}
    for name, path in paths.items():
        Image.new("L", (8, 6)).save(path, **({"exif": exif} if name == turned else {}))
    image, mask = read_image(paths["image"]), read_mask(paths["mask"], {0: 0})
    name, other = paths[turned].name, "mask" if turned == "image" else "image"
    message = rf"{name} is shown turned, by its EXIF orientation {orientation}: turn the {other} in the same way, or"
    with pytest.raises(InputError, match=message):
        check_size(image, paths["image"], mask, paths["mask"])


def test_objects_that_vanish_at_the_chosen_size_are_no_fault_of_the_masks(tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    mask = np.zeros((64, 64), np.uint8)
    mask[3, 3] = 255
    for number in range(4):
        Image.fromarray(mask).save(tmp_path / "masks" / f"{number}.png")
        Image.fromarray(np.full((64, 64), number, np.uint8)).save(tmp_path / "images" / f"{number}.png")
    data = SegmentationData(Folder(tmp_path), size=8)
    with pytest.raises(InputError, match=r"shows any foreground; .* in full size: give a larger data\.size than 8"):
        data.setup("test")
    SegmentationData(Folder(tmp_path), size=64).setup("test")
