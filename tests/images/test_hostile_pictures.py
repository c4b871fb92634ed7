"""Pictures that were made to harm the program that opens them."""

import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.data.images import FORMATS, read_image
from benchmark.errors import InputError
from benchmark.images.image_files import load_picture

NOT_NAMED = ("EPS", "PDF", "PCX", "SGI", "ICO", "TGA", "DDS", "IM")


def png(path: Path, *, width: int = 4, height: int = 4, chunks: bytes = b"", depth: int = 8, kind: int = 0) -> None:
    """A PNG whose header says any size; its data are those of 4 x 4 grey pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    data = zlib.compress(b"\0\1\2\3\4" * 4)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunks + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


BOMB = zlib.compress(bytes(2**28), 9)
HOSTILE: dict[str, Callable[[Path], object]] = {
    "60000 x 60000": lambda path: png(path, width=60000, height=60000),
    "wide": lambda path: png(path, width=2**31 - 1, height=1),
    "of no width": lambda path: png(path, width=0),
    "a text of 256 MiB": lambda path: png(path, chunks=chunk(b"zTXt", b"bits\0\0" + BOMB)),
    "an international text of 256 MiB": lambda path: png(path, chunks=chunk(b"iTXt", b"bits\0\1\0\0\0" + BOMB)),
    "a colour profile of 256 MiB": lambda path: png(path, chunks=chunk(b"iCCP", b"x\0\0" + BOMB)),
    "an unknown colour type": lambda path: png(path, kind=5),
    "cut": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
    "empty": Path.touch,
    "another's text": lambda path: path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n"),
    "a TIFF that points to itself": lambda path: path.write_bytes(struct.pack("<2sHIHI", b"II", 42, 8, 0, 8)),
    "a folder": Path.mkdir,
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_picture_is_refused_in_one_line(tmp_path: Path, make: Callable[[Path], object]) -> None:
    path = tmp_path / "x.png"
    make(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for read in (read_image, lambda path: load_picture(path, inside=path.parent)):
            with pytest.raises(
                InputError, match=r"x\.png: cannot be read .*; (replace the file|attack the image)"
            ) as e:
                read(path)
            assert "\n" not in str(e.value)


@pytest.mark.parametrize("kind", NOT_NAMED)
def test_formats_that_are_not_named_are_not_tried(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.png"
    Image.new("RGB", (16, 16)).save(path, format=kind)
    assert kind not in FORMATS
    with pytest.raises(InputError, match=r"x\.png: cannot be read as an image"):
        read_image(path)


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG"])
def test_a_file_of_several_pictures_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.png"
    frames = [Image.fromarray(np.full((8, 8), 80 * k, np.uint8)) for k in range(3)]
    frames[0].save(path, format=kind, save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match="holds 3 pictures; save the one that is meant"):
        read_image(path)


def test_a_picture_of_a_run_has_one_frame_and_lies_in_it(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "secret.png")
    (tmp_path / "run" / "x.png").symlink_to("../secret.png")
    with pytest.raises(InputError, match=r"x\.png: cannot be read \(a link out of the folder\)"):
        load_picture(tmp_path / "run" / "x.png", inside=tmp_path / "run")
    assert load_picture(tmp_path / "run" / "x.png", inside=tmp_path).shape == (3, 4, 4)
