"""Masks with grey outlines: refused with a key that the data set has, and read by a threshold that is declared."""

import re
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

from benchmark.config.groups import names
from benchmark.data.encodings import declared_encoding, threshold
from benchmark.data.folder import Folder
from benchmark.data.isic import ISIC
from benchmark.data.masks import read_mask
from benchmark.data.medsegbench import MedSegBench
from benchmark.data.ph2 import PH2
from benchmark.errors import InputError
from benchmark.targets.mask_file import MaskFile

GREYS = np.arange(256, dtype=np.uint8).reshape(16, 16)
FRACTIONS = (0.5, 0.25, 0.25)


def soften(path: Path) -> None:
    Image.fromarray(GREYS).resize(Image.open(path).size).save(path)


@pytest.mark.parametrize(
    ("declared", "level"),
    [("threshold", 128), ({"threshold": 128}, 128), ({"threshold": 1}, 1), ({"threshold": 255}, 255)],
)
def test_values_from_the_level_on_are_class_1(folder: Path, declared, level: int) -> None:
    Image.fromarray(GREYS).save(folder / "masks" / "case0.png")
    Image.new("RGB", (16, 16)).save(folder / "images" / "case0.png")
    source = Folder(folder, encoding=declared, fractions=(0, 0, 1))
    assert np.array_equal(source.read("test", "case0").mask, level <= GREYS)
    assert (source.classes, source.class_names) == (2, ("class 0", "class 1"))
    assert source.fingerprint() != Folder(folder, fractions=(0, 0, 1)).fingerprint()


def test_an_ignored_value_is_no_class(folder: Path) -> None:
    Image.fromarray(GREYS).save(folder / "masks" / "case0.png")
    Image.new("RGB", (16, 16)).save(folder / "images" / "case0.png")
    mask = Folder(folder, encoding="threshold", ignore=7, fractions=(0, 0, 1)).read("test", "case0").mask
    assert np.argwhere(mask == 255).tolist() == [[0, 7]]


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ("treshold", "is no mapping, did you mean threshold?"),
        ({"treshold": 128}, "must be integers, did you mean threshold?"),
        *(
            ({"threshold": level}, "must be a whole number from 1 to 255")
            for level in (0, 256, -1, 0.5, "x", None, True)
        ),
        ({"threshold": 128, 0: 0}, "must be integers"),
    ],
)
def test_what_is_no_threshold(folder: Path, declared, message: str) -> None:
    with pytest.raises(InputError, match=rf"\Adata\.encoding=.*{re.escape(message)}\Z"):
        Folder(folder, encoding=declared)


def test_grey_masks_are_refused_with_that_key(folder: Path) -> None:
    Image.fromarray(GREYS).save(folder / "masks" / "case0.png")
    with pytest.raises(InputError, match=r"or give data\.encoding=threshold, by which values from 128 on are class 1"):
        read_mask(folder / "masks" / "case0.png", {0: 0, 255: 1}, "data.encoding")


@pytest.mark.parametrize(
    ("values", "encoding"), [([0, 1], {0: 0, 255: 1}), ([0, 9, 85, 255], {0: 0, 85: 1, 255: 2}), ([17], {0: 0, 255: 1})]
)
def test_other_values_are_no_case_for_it(tmp_path: Path, values, encoding) -> None:
    Image.fromarray(np.array([values], np.uint8)).save(tmp_path / "m.png")
    with pytest.raises(InputError, match=r"are not in the declared encoding") as raised:
        read_mask(tmp_path / "m.png", encoding, "data.encoding")
    assert "threshold" not in str(raised.value)


def test_a_published_set_whose_masks_were_resampled(isic: Path) -> None:
    soften(isic / "ISIC2018_Task1_Test_GroundTruth" / "ISIC_0000006_segmentation.png")
    with pytest.raises(
        InputError, match=r"restore the published file, or declare them in data=folder, or give data\.encoding=thresh"
    ):
        ISIC(isic, 2018).read("test", "ISIC_0000006")
    mask = ISIC(isic, 2018, encoding="threshold").read("test", "ISIC_0000006").mask
    assert np.unique(mask).tolist() == [0, 1]


@pytest.mark.parametrize("encoding", [{0: 0, 255: 1}, "thresh", 5])
def test_a_published_set_takes_no_other_encoding(isic: Path, encoding) -> None:
    with pytest.raises(InputError, match=r"data\.encoding=.*: of this data set it is null, as published, or threshold"):
        ISIC(isic, 2018, encoding=encoding)


def test_keys_that_messages_name_are_keys_of_the_configuration() -> None:
    import benchmark.data.cvc_clinicdb as cvc
    import benchmark.data.rim_one_dl as dl
    import benchmark.data.rim_one_r3 as r3

    by_target = {str(OmegaConf.load(path).get("_target_")): path for path in names("data").values()}
    for kind in (Folder, ISIC, PH2, cvc.CVCClinicDB, dl.RimOneDL, r3.RimOneR3):
        config = OmegaConf.load(by_target[f"{kind.__module__}.{kind.__name__}"])
        assert (kind.encoding_key or kind.threshold_key) == "data.encoding"
        assert "encoding" in config


def test_target_files_and_arrays_take_it_too(tmp_path: Path) -> None:
    Image.fromarray(GREYS).save(tmp_path / "t.png")
    target = MaskFile(str(tmp_path / "t.png"), encoding="threshold")
    assert target._encoding == threshold(128)
    arrays = {
        f"{split}_{what}": np.repeat(GREYS[None], 2, 0)
        for split in ("train", "val", "test")
        for what in ("images", "label")
    }
    np.savez(tmp_path / "toy_128.npz", **arrays)
    source = MedSegBench(
        tmp_path, "toy", resolution=128, category=None, encoding={"threshold": 100}, class_names=None, background=0
    )
    assert np.array_equal(source.read("val", source.splits()["val"][0]).mask, GREYS >= 100)


def test_nothing_is_assumed() -> None:
    assert declared_encoding(None, 2, {0: 0, 255: 1}) == {0: 0, 255: 1}
    with pytest.raises(InputError, match="is no mapping"):
        declared_encoding(None, 2)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize(
    ("values", "declared", "classes"),
    [
        ([0, 65535], "threshold", [0, 1]),
        ([0, 32767, 32768, 65535], "threshold", [0, 0, 1, 1]),
        ([127 * 257, 128 * 257], "threshold", [0, 1]),
        ([0, 200, 25599, 25600], {"threshold": 100}, [0, 0, 0, 1]),
        ([0, 127, 128, 255], "threshold", [0, 0, 1, 1]),
        ([300, 65535], {"threshold": 1}, [1, 1]),
    ],
)
def test_deeper_masks_are_brought_to_8_bit_levels(tmp_path: Path, suffix, values, declared, classes) -> None:
    Image.fromarray(np.array([values], np.uint16)).save(tmp_path / f"m{suffix}")
    encoding = declared_encoding(declared, 2)
    assert read_mask(tmp_path / f"m{suffix}", encoding, "data.encoding").tolist() == [classes]


@pytest.mark.parametrize("ignored", [65535, 7])
def test_a_folder_of_16_bit_masks(folder: Path, ignored: int) -> None:
    mask = np.full((24, 32), 30000, np.uint16)
    mask[0, :3] = [65534, 65535, 7 * 256]
    Image.fromarray(mask).save(folder / "masks" / "case0.png")
    source = Folder(folder, encoding="threshold", ignore=ignored, fractions=(0, 0, 1))
    expected = {65535: [1, 255, 0], 7: [1, 1, 255]}[ignored]
    assert source.read("test", "case0").mask[0, :4].tolist() == [*expected, 0]


def test_a_published_set_of_16_bit_masks(isic: Path) -> None:
    path = isic / "ISIC2018_Task1_Test_GroundTruth" / "ISIC_0000006_segmentation.png"
    before = ISIC(isic, 2018).read("test", "ISIC_0000006").mask
    Image.fromarray(np.asarray(Image.open(path)).astype(np.uint16) * 257).save(path)
    assert np.array_equal(ISIC(isic, 2018, encoding="threshold").read("test", "ISIC_0000006").mask, before)


def test_declared_levels_are_no_threshold(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 300]], np.uint16)).save(tmp_path / "m.png")
    with pytest.raises(InputError, match=r"mask values 300 are not in the declared encoding"):
        read_mask(tmp_path / "m.png", {value: value // 128 for value in range(256)}, "data.encoding")
