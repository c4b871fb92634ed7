"""Label maps as files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.errors import InputError
from benchmark.images.label_maps import CLASS_COLOURS, VOID, colour_of, load_map, save_map


def test_a_map_is_read_back_as_it_was(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 256, (9, 5))
    save_map(labels, tmp_path / "a" / "map.png")
    assert np.array_equal(load_map(tmp_path / "a" / "map.png", inside=tmp_path), labels)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["map.png"]


def test_whoever_opens_the_file_sees_the_classes_in_their_colours(tmp_path: Path) -> None:
    save_map(np.array([[0, 1, 2, VOID]]), tmp_path / "map.png")
    with Image.open(tmp_path / "map.png") as picture:
        seen = np.array(picture.convert("RGBA"))[0].tolist()
    expected = [CLASS_COLOURS[0], CLASS_COLOURS[1], "#999999"]
    assert ["#{:02X}{:02X}{:02X}".format(*pixel[:3]) for pixel in seen[1:]] == expected
    assert [pixel[3] for pixel in seen] == [0, 255, 255, 255]
    assert colour_of(1 + len(CLASS_COLOURS)) == colour_of(1)


@pytest.mark.parametrize("content", [None, b"half"])
def test_a_map_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "map.png").write_bytes(content)
    with pytest.raises(InputError, match=r"map\.png: cannot be read .*; attack the image again"):
        load_map(tmp_path / "map.png", inside=tmp_path)
