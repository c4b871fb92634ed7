from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from benchmark.errors import InputError
from benchmark.records import file_name
from benchmark.targets import MaskFile, OtherImage, differs

ALL = torch.ones(2, 3, dtype=torch.bool)


def own_masks(ids: list[str]) -> dict[str, Tensor]:
    """A different mask for each id."""
    return {name: torch.arange(6).view(2, 3) + 10 * i for i, name in enumerate(ids)}


def paired(ids: list[str], seed: int, masks: dict[str, Tensor]) -> dict[str, str]:
    target = OtherImage(seed)
    target.prepare(ids)
    drawn = {name: target.draw(name, masks[name], ALL, masks.__getitem__) for name in ids}
    for image in drawn.values():
        assert torch.equal(image.mask, masks[image.name.removeprefix("other_image:")])
    return {name: image.name.removeprefix("other_image:") for name, image in drawn.items()}


@settings(deadline=None)
@given(st.lists(st.text(), min_size=2, max_size=12, unique=True), st.integers(0, 9), st.randoms())
def test_every_mask_is_used_once_and_never_by_its_own_image(ids: list[str], seed: int, random: object) -> None:
    masks = own_masks(ids)
    pairs = paired(ids, seed, masks)
    assert sorted(pairs.values()) == sorted(ids)
    assert all(name != other for name, other in pairs.items())
    shuffled = list(ids)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert paired(shuffled, seed, masks) == pairs


def test_the_seed_changes_the_pairing() -> None:
    ids = [str(i) for i in range(20)]
    assert paired(ids, 0, own_masks(ids)) != paired(ids, 1, own_masks(ids))


def test_masks_equal_to_the_images_own_are_passed_over() -> None:
    ids = ["a", "b", "c", "d"]
    masks = own_masks(["a"]) | dict.fromkeys(["b", "c", "d"], torch.zeros(2, 3).long())
    pairs = paired(ids, 0, masks)
    assert {pairs["b"], pairs["c"], pairs["d"]} == {"a"}
    assert pairs["a"] in {"b", "c", "d"}


def test_a_difference_where_nothing_counts_is_none() -> None:
    target = OtherImage()
    target.prepare(["a", "b"])
    mask = torch.zeros(2, 3).long()
    other = mask.clone()
    other[0, 0] = 1
    valid = ALL.clone()
    valid[0, 0] = False
    assert differs(mask, other, ALL)
    with pytest.raises(InputError, match="image a: every mask of the split equals its own; choose another target"):
        target.draw("a", mask, valid, lambda _: other)


@pytest.mark.parametrize("ids", [[], ["a"], ["a", "a"]])
def test_one_image_has_no_other(ids: list[str]) -> None:
    target = OtherImage()
    with pytest.raises(InputError, match=f"needs at least 2 images in the split, found {len(set(ids))}"):
        target.prepare(ids)


def save(path: Path, values: list[list[int]]) -> Path:
    Image.fromarray(np.array(values, np.uint8)).save(path)
    return path


ENCODING = {0: 0, 255: 1, 7: 255}
TRUTH = torch.zeros(4, 4).long()
VALID = torch.ones(4, 4, dtype=torch.bool)


def no_masks(_: str) -> Tensor:
    raise AssertionError("a mask file needs no masks of the split")


def test_one_file_serves_all_images_resized_to_the_nearest(tmp_path: Path) -> None:
    target = MaskFile(str(save(tmp_path / "square.png", [[0, 255], [255, 255]])), ENCODING)
    target.prepare(["a", "b"])
    drawn = target.draw("a", TRUTH, VALID, no_masks)
    assert drawn.mask.tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]
    assert drawn.mask.dtype == torch.int64
    assert drawn.name == "mask_file:square.png"
    assert torch.equal(target.draw("b", TRUTH, VALID, no_masks).mask, drawn.mask)


def test_a_folder_holds_one_file_for_each_image(tmp_path: Path) -> None:
    for name, value in (("a", 255), ("b/c", 0)):
        save(tmp_path / f"{file_name(name)}.png", [[value, 255]])
    target = MaskFile(str(tmp_path), ENCODING)
    target.prepare(["a", "b/c"])
    assert target.draw("a", TRUTH, VALID, no_masks).mask.unique().tolist() == [1]
    other = target.draw("b/c", TRUTH, VALID, no_masks)
    assert other.mask[0].tolist() == [0, 0, 1, 1]
    assert other.name == "mask_file:b%2Fc.png"


def test_missing_files_are_counted_before_anything_runs(tmp_path: Path) -> None:
    save(tmp_path / "a.png", [[255]])
    target = MaskFile(str(tmp_path), ENCODING)
    with pytest.raises(InputError, match=r"b\.png: no such target mask \(2 of 3 missing\)"):
        target.prepare(["a", "b", "c"])


def test_a_path_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"target\.path=.*nothing: no such file or folder; give a mask file"):
        MaskFile(str(tmp_path / "nothing"), ENCODING)


def test_a_target_equal_to_the_images_own_mask(tmp_path: Path) -> None:
    target = MaskFile(str(save(tmp_path / "m.png", [[0, 255]])), ENCODING)
    own = torch.tensor([[0, 0, 1, 1]]).expand(4, 4)
    with pytest.raises(InputError, match=r"m\.png: equals the mask of image a, so there is nothing to attack"):
        target.draw("a", own, VALID, no_masks)


def test_values_nobody_declared(tmp_path: Path) -> None:
    target = MaskFile(str(save(tmp_path / "m.png", [[0, 128]])), ENCODING)
    with pytest.raises(InputError, match=r"m\.png: mask values 128 are not in the declared encoding"):
        target.draw("a", TRUTH, VALID, no_masks)
