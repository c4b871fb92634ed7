"""What can be converted faithfully is; everything else is one line with file, value and cure."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image, TiffImagePlugin

from benchmark.data.encodings import check_encoding, threshold
from benchmark.data.images import check_size, read_image
from benchmark.data.masks import read_mask, read_values
from benchmark.errors import InputError

BINARY = {0: 0, 255: 1}
RAMP = np.arange(48, dtype=np.uint8).reshape(6, 8)
COLOUR = np.stack([RAMP, RAMP + 60, RAMP + 120], axis=2)


def _save(array: np.ndarray, path: Path, **options) -> Path:
    Image.fromarray(array).save(path, **options)
    return path


def test_rgb_is_read_as_it_is(tmp_path):
    assert np.array_equal(read_image(_save(COLOUR, tmp_path / "a.png")), COLOUR)


def test_gray_is_repeated_over_the_channels(tmp_path):
    assert np.array_equal(read_image(_save(RAMP, tmp_path / "a.png")), np.stack([RAMP] * 3, axis=2))


def test_one_bit_images_become_black_and_white(tmp_path):
    read = read_image(_save(RAMP > 20, tmp_path / "a.png"))
    assert np.array_equal(read[:, :, 1], np.where(RAMP > 20, 255, 0))


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_tiffs_whose_zero_is_white_are_read_as_they_look(tmp_path, compression, orientation) -> None:
    tags = {TiffImagePlugin.PHOTOMETRIC_INTERPRETATION: 0, ExifTags.Base.Orientation: orientation}
    wide = RAMP.astype(np.uint16) * 257
    path = _save(wide, tmp_path / "a.tif", tiffinfo=tags, compression=compression)
    with Image.open(path) as picture:
        assert picture.tag_v2[TiffImagePlugin.PHOTOMETRIC_INTERPRETATION] == 0
    turned = np.rot90(65535 - wide, {1: 0, 3: 2, 6: 3}[orientation])
    assert np.array_equal(read_image(path)[:, :, 0], turned // 257)
    assert np.array_equal(read_image(path, bits=16)[:, :, 0], turned)
    assert np.array_equal(read_values(path), turned)


def test_opaque_alpha_is_dropped(tmp_path):
    opaque = np.dstack([COLOUR, np.full_like(RAMP, 255)])
    assert np.array_equal(read_image(_save(opaque, tmp_path / "a.png")), COLOUR)


def test_transparent_pixels_are_an_error(tmp_path):
    path = _save(np.dstack([COLOUR, RAMP + 200]), tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png: is partly transparent \(alpha down to 200\).*flatten"):
        read_image(path)


def test_palette_colours_are_looked_up(tmp_path):
    picture = Image.new("P", (8, 6))
    picture.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    picture.putdata((RAMP % 3).ravel().tolist())
    picture.save(tmp_path / "a.png")
    table = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90]], np.uint8)
    assert np.array_equal(read_image(tmp_path / "a.png"), table[RAMP % 3])


def test_palette_with_a_transparent_colour_in_use_is_an_error(tmp_path):
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([0, 0, 0, 9, 9, 9])
    picture.save(tmp_path / "a.png", transparency=1)
    with pytest.raises(InputError, match=r"a\.png: is partly transparent"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("stored", [RAMP.astype(np.uint16), RAMP.astype(np.uint16) * 257], ids=["8-bit", "times 257"])
def test_sixteen_bit_gray_is_converted_where_nothing_is_lost(tmp_path, stored):
    assert np.array_equal(read_image(_save(stored, tmp_path / "a.png")), np.stack([RAMP] * 3, axis=2))


def test_sixteen_bit_gray_with_more_levels_is_an_error(tmp_path):
    path = _save(RAMP.astype(np.uint16) * 80, tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png: 16-bit gray levels 0\.\.3760 do not fit.*window"):
        read_image(path)


def test_sixteen_bit_colour_is_not_silently_cut_to_eight(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), COLOUR.astype(np.uint16) * 200)
    with pytest.raises(InputError, match=r"a\.png: has 16 bits per colour channel; convert"):
        read_image(tmp_path / "a.png")


def test_cmyk_is_an_error(tmp_path):
    Image.new("CMYK", (4, 4)).save(tmp_path / "a.jpg")
    with pytest.raises(InputError, match=r"a\.jpg: colour mode CMYK has no exact"):
        read_image(tmp_path / "a.jpg")


def test_several_frames_are_an_error(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "a.tif", save_all=True, append_images=[Image.new("L", (4, 4), 9)])
    with pytest.raises(InputError, match=r"a\.tif: holds 2 pictures"):
        read_image(tmp_path / "a.tif")


def test_exif_orientation_turns_image_and_mask(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise by 90 degrees to view
    image = read_image(_save(COLOUR, tmp_path / "a.png", exif=exif))
    mask = read_mask(_save(RAMP, tmp_path / "m.png", exif=exif), {v: v % 2 for v in range(48)})
    assert np.array_equal(image, np.rot90(COLOUR, -1))
    assert np.array_equal(mask, np.rot90(RAMP % 2, -1))


def test_truncated_file_is_an_error(tmp_path):
    path = _save(np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8), tmp_path / "a.png")
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(InputError, match=r"a\.png: cannot be read as an image \(.*\); replace"):
        read_image(path)


def test_text_named_png_is_one_line(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("not\na picture")
    with pytest.raises(InputError, match=r"\A[^\n]*a\.png: cannot be read as an image[^\n]*\Z"):
        read_image(path)


def test_mask_follows_its_encoding(tmp_path):
    values = np.array([[0, 128, 255], [255, 128, 7]], np.uint8)
    mask = read_mask(_save(values, tmp_path / "m.png"), {255: 0, 128: 1, 0: 2, 7: 255})
    assert mask.dtype == np.uint8
    assert mask.tolist() == [[2, 1, 0], [0, 1, 255]]


def test_one_bit_mask_is_0_and_255(tmp_path):
    assert np.array_equal(read_mask(_save(RAMP > 20, tmp_path / "m.png"), BINARY), RAMP > 20)


def test_palette_mask_gives_indices(tmp_path):
    picture = Image.new("P", (3, 1))
    picture.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])
    picture.putdata([0, 1, 2])
    picture.save(tmp_path / "m.png")
    assert read_mask(tmp_path / "m.png", {0: 0, 1: 1, 2: 1}).tolist() == [[0, 1, 1]]
    with pytest.raises(InputError, match=r"m\.png: mask values 1, 2 are not in .*palette indices"):
        read_mask(tmp_path / "m.png", BINARY)


def test_sixteen_bit_mask_values_are_kept(tmp_path):
    path = _save(np.array([[0, 1000]], np.uint16), tmp_path / "m.png")
    assert read_mask(path, {0: 0, 1000: 1}).tolist() == [[0, 1]]


def test_rgb_mask_of_equal_channels_is_one_channel(tmp_path):
    gray = np.where(RAMP > 20, 255, 0).astype(np.uint8)
    assert np.array_equal(read_mask(_save(np.dstack([gray] * 3), tmp_path / "m.png"), BINARY), RAMP > 20)


def test_coloured_mask_is_an_error(tmp_path):
    path = _save(COLOUR, tmp_path / "m.png")
    with pytest.raises(InputError, match=r"m\.png: mask is coloured"):
        read_mask(path, BINARY)


def test_transparent_mask_is_an_error(tmp_path):
    path = _save(np.dstack([RAMP, RAMP, RAMP, RAMP]), tmp_path / "m.png")
    with pytest.raises(InputError, match=r"m\.png: mask is partly transparent"):
        read_mask(path, BINARY)


def test_undeclared_values_are_named_not_guessed(tmp_path):
    path = _save(np.array([[0, 255, 254, 3]], np.uint8), tmp_path / "m.png")
    with pytest.raises(InputError, match=r"m\.png: mask values 3, 254 are not in the declared encoding .*JPEG"):
        read_mask(path, BINARY)


def test_mask_of_another_size_names_both_files(tmp_path):
    image, mask = np.zeros((6, 8, 3), np.uint8), np.zeros((8, 6), np.uint8)
    with pytest.raises(InputError, match=r"m\.png: mask is 6x8 .* its image .*a\.png is 8x6"):
        check_size(image, tmp_path / "a.png", mask, tmp_path / "m.png")


def test_encoding_takes_strings():
    assert check_encoding({"0": 0, "255": "1"}, 2) == BINARY


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ({0: 0, 1: 2}, "1 -> 2 is out of range"),
        ({70000: 0}, "70000 -> 0 is out of range"),
        ({"a": 0}, "must be integers"),
        ({0: 0.5}, "must be integers"),
    ],
)
def test_bad_encoding_is_an_error(encoding, message):
    with pytest.raises(InputError, match=re.escape(message)):
        check_encoding(encoding, 2)


def test_a_threshold_is_an_encoding():
    assert [threshold(128)[value] for value in (0, 127, 128, 255)] == [0, 0, 1, 1]
    assert sorted(threshold(1)) == list(range(256))


def test_a_gray_jpeg_of_three_channels_is_its_luminance(tmp_path):
    gray = np.full((16, 16), 200, np.uint8)
    tinted = np.dstack([gray, gray + 3, gray - 2])
    path = _save(tinted, tmp_path / "m.jpg", quality=100, subsampling=0)
    assert np.ptp(read_image(path), axis=2).max() > 0
    assert np.all(np.abs(read_values(path).astype(int) - 201) <= 2)
    assert np.all(read_mask(path, threshold(128)) == 1)


def test_a_coloured_jpeg_is_no_mask(tmp_path):
    path = _save(np.full((16, 16, 3), (200, 150, 100), np.uint8), tmp_path / "m.jpg")
    with pytest.raises(InputError, match="mask is coloured"):
        read_values(path)


def test_the_same_in_a_lossless_file_is_coloured(tmp_path):
    path = _save(np.full((16, 16, 3), (200, 203, 198), np.uint8), tmp_path / "m.png")
    with pytest.raises(InputError, match="mask is coloured"):
        read_values(path)
