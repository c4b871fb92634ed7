"""ISIC 2018 task 1 as it unpacks, and on the real sample where that is at hand."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.data.datamodule_factory import datamodule_for
from benchmark.data.isic import ISIC
from benchmark.errors import InputError

SAMPLE = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "isic2018-mini"


def test_official_splits_without_the_other_files(isic):
    splits = ISIC(isic, 2018).splits()
    assert splits == {
        "train": ["ISIC_0000001", "ISIC_0000002", "ISIC_0000003"],
        "val": ["ISIC_0000004", "ISIC_0000005"],
        "test": ["ISIC_0000006", "ISIC_0000007"],
    }


def test_read_gives_classes_and_rgb(isic):
    sample = ISIC(isic, 2018).read("train", "ISIC_0000002")
    assert sample.image.shape == (24, 32, 3)
    assert np.unique(sample.mask).tolist() == [0, 1]
    assert (sample.id, sample.group) == ("ISIC_0000002", "")


def test_missing_root_says_where_to_get_the_data(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: no such folder; download .*https://"):
        ISIC(tmp_path / "nowhere", 2018)


def test_image_without_mask(isic):
    (isic / "ISIC2018_Task1_Validation_GroundTruth" / "ISIC_0000005_segmentation.png").unlink()
    with pytest.raises(InputError, match=r"ISIC_0000005\.jpg: has no mask in .*Validation_Gro.*data\.on_bad=skip"):
        datamodule_for(ISIC)(root=isic, year=2018, size=16)


def test_mask_without_image(isic):
    for i in (6, 7):
        Image.new("L", (4, 4)).save(isic / "ISIC2018_Task1_Test_GroundTruth" / f"ISIC_000001{i}_segmentation.png")
    with pytest.raises(InputError, match=r"2 of 9 images cannot be used.*data\.on_bad=skip") as raised:
        datamodule_for(ISIC)(root=isic, year=2018, size=16)
    for line, i in zip(str(raised.value).split("\n")[1:], (6, 7), strict=True):
        assert re.search(rf"ISIC_000001{i}_segmentation\.png: has no image in .*Test_Input; add the image", line)


def test_empty_split(isic):
    for path in (isic / "ISIC2018_Task1-2_Test_Input").glob("*.jpg"):
        path.unlink()
    with pytest.raises(InputError, match="Test_Input: holds no images"):
        ISIC(isic, 2018)


def test_grays_between_are_not_thresholded(isic):
    path = isic / "ISIC2018_Task1_Training_GroundTruth" / "ISIC_0000001_segmentation.png"
    mask = np.array(Image.open(path))
    mask[0, 0] = 130
    Image.fromarray(mask).save(path)
    source = ISIC(isic, 2018)
    with pytest.raises(InputError, match=r"ISIC_0000001_segmentation\.png: mask values 130 are not in the declared"):
        source.read("train", "ISIC_0000001")


def test_fingerprint_sees_one_byte_of_image_or_mask_and_the_split(isic):
    prints = [ISIC(isic, 2018).fingerprint()]
    for path in (
        isic / "ISIC2018_Task1-2_Test_Input" / "ISIC_0000006.jpg",
        isic / "ISIC2018_Task1_Training_GroundTruth" / "ISIC_0000003_segmentation.png",
    ):
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        prints.append(ISIC(isic, 2018).fingerprint())
    for folder, name in (("-2_{}_Input", "ISIC_0000001.jpg"), ("_{}_GroundTruth", "ISIC_0000001_segmentation.png")):
        old, new = (isic / f"ISIC2018_Task1{folder.format(part)}" / name for part in ("Training", "Test"))
        old.rename(new)
    prints.append(ISIC(isic, 2018).fingerprint())
    assert len(set(prints)) == 4
    assert ISIC(isic, 2018).fingerprint() == prints[-1]


def test_real_sample():
    if not SAMPLE.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"{SAMPLE} is missing, and CI insists on it")
        pytest.skip(f"{SAMPLE} is not here")
    data = datamodule_for(ISIC)(root=SAMPLE, year=2018, size=64)
    data.setup("test")
    batches = list(data.test_dataloader())
    assert {split: len(ids) for split, ids in data.splits().items()} == {"train": 42, "val": 6, "test": 10}
    assert [id for batch in batches for id in batch["id"]] == data.test_ids() == sorted(data.test_ids())
    areas = [mask.double().mean().item() for batch in batches for mask in batch["mask"]]
    truth = [np.mean(data.source.read("test", id).mask) for id in data.test_ids()]
    assert areas == pytest.approx(truth, abs=0.01)
