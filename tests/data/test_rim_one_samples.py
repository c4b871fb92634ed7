"""The two RIM-ONE pictures of the ASMA paper's public code: the cut, the threshold, the offset."""

from pathlib import Path

import numpy as np
import pytest

from benchmark.data.datamodule_factory import datamodule_for
from benchmark.data.rim_one_samples import SIDE, RimOneSamples
from benchmark.errors import InputError
from tests.fundus_miniatures import rim_one_samples
from tests.miniature_drawing import picture, save


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rim_one_samples(tmp_path)
    return tmp_path


def test_the_middle_388_pixels_are_rows_80_to_468_and_columns_20_to_408(root: Path) -> None:
    """What the network shows of the cut, by the paper's arithmetic: 572 - 184 = 388, and (408 - 388) / 2 = 10."""
    rows, columns = np.mgrid[:569, :428]
    place = np.stack([rows // 256, rows % 256, columns % 256], 2).astype(np.uint8)
    save(root / "image_samples" / "G_1_L_1.png", place)
    image = RimOneSamples(root).read("test", "G_1_L_1").image
    assert image.shape == (408, 408, 3)
    centre = image[10:-10, 10:-10].astype(int)
    assert (256 * centre[0, 0, 0] + centre[0, 0, 1], centre[0, 0, 2]) == (80, 20)
    assert (256 * centre[-1, -1, 0] + centre[-1, -1, 1], centre[-1, -1, 2] + 256) == (467, 407)


def test_an_offset_moves_masks_down_against_their_pictures(root: Path) -> None:
    as_they_are, moved = RimOneSamples(root), RimOneSamples(root, mask_offset=10)
    one, other = (source.read("test", "G_2_R_1") for source in (as_they_are, moved))
    assert np.array_equal(one.image, other.image)
    assert np.array_equal(one.mask[:-10], other.mask[10:])
    assert one.mask.any()
    assert as_they_are.fingerprint() != moved.fingerprint()


def test_all_images_are_in_all_splits_unless_fractions_are_given(root: Path) -> None:
    assert set(RimOneSamples(root).splits()["test"]) == set(RimOneSamples(root).splits()["train"])
    for number in range(3, 6):
        save(root / "image_samples" / f"G_{number}.png", picture(number, np.zeros((569, 428), np.uint8)))
        save(root / "mask_samples" / f"G_{number}.png", np.zeros((569, 428), np.uint8))
    splits = RimOneSamples(root, fractions=[0.6, 0.2, 0.2]).splits()
    assert sorted(id for ids in splits.values() for id in ids) == sorted(RimOneSamples(root).splits()["test"])


def test_the_real_ones_as_the_public_code_cuts_them(rim_one_root: Path) -> None:
    """The disc's rows and columns, seen in the files themselves, less the cut's 70 and 10."""
    data = datamodule_for(RimOneSamples)(root=rim_one_root, size=SIDE)
    data.setup("test")
    found = {}
    for item in (data.test_dataloader().dataset[i] for i in range(2)):
        rows, columns = item["mask"].nonzero().unbind(1)
        found[item["id"]] = [int(n) for n in (rows.min(), rows.max(), columns.min(), columns.max())]
    assert found == {
        "G_14_R_1": [191 - 70, 370 - 70, 130 - 10, 272 - 10],
        "G_5_R_1": [201 - 70, 286 - 70, 99 - 10, 197 - 10],
    }


@pytest.mark.parametrize("offset", [-71, 71])
def test_an_offset_beyond_the_picture(root: Path, offset: int) -> None:
    with pytest.raises(InputError, match=f"data.mask_offset={offset}: must be from -70 to 70 rows"):
        RimOneSamples(root, mask_offset=offset)


def test_pictures_of_another_size(root: Path) -> None:
    save(root / "image_samples" / "G_1_L_1.png", picture(1, np.zeros((600, 428), np.uint8)))
    save(root / "mask_samples" / "G_1_L_1.png", np.zeros((600, 428), np.uint8))
    with pytest.raises(InputError, match=r"G_1_L_1.png: has 428 x 600 pixels; .* use data=folder"):
        RimOneSamples(root).read("test", "G_1_L_1")


def test_a_folder_without_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no folder image_samples"):
        RimOneSamples(tmp_path)
