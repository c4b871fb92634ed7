"""Targets that have nothing to do with the image: from a file, or a shape."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from benchmark.errors import InputError
from benchmark.runs.layout import file_name
from benchmark.targets import MaskFile, Split
from benchmark.targets.shape import Shape

ENCODING = {0: 0, 255: 1, 7: 255}
TRUTH = torch.zeros(4, 4).long()
VALID = torch.ones(4, 4, dtype=torch.bool)


def save(path: Path, values: list[list[int]]) -> Path:
    Image.fromarray(np.array(values, np.uint8)).save(path)
    return path


def no_masks(_: str) -> Tensor:
    raise AssertionError("such a target needs no masks of the split")


def split(*ids: str, background: int | None = 0) -> Split:
    return Split(ids, no_masks, background)


def test_one_file_serves_all_images_resized_to_the_nearest(tmp_path: Path) -> None:
    target = MaskFile(str(save(tmp_path / "square.png", [[0, 255], [255, 255]])), ENCODING)
    target.prepare(split("a", "b"))
    chosen = target.choose("a", TRUTH, VALID)
    assert chosen.mask.tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]
    assert chosen.mask.dtype == torch.int64
    assert chosen.name == "mask_file:square.png"
    assert torch.equal(target.choose("b", TRUTH, VALID).mask, chosen.mask)


def test_a_folder_holds_one_file_for_each_image(tmp_path: Path) -> None:
    for name, value in (("a", 255), ("b/c", 0)):
        save(tmp_path / f"{file_name(name)}.png", [[value, 255]])
    target = MaskFile(str(tmp_path), ENCODING)
    target.prepare(split("a", "b/c"))
    assert target.choose("a", TRUTH, VALID).mask.unique().tolist() == [1]
    other = target.choose("b/c", TRUTH, VALID)
    assert other.mask[0].tolist() == [0, 0, 1, 1]
    assert other.name == "mask_file:b%2Fc.png"


def test_missing_files_are_counted_before_anything_runs(tmp_path: Path) -> None:
    save(tmp_path / "a.png", [[255]])
    target = MaskFile(str(tmp_path), ENCODING)
    with pytest.raises(InputError, match=r"b\.png: no such target mask \(2 of 3 missing\)"):
        target.prepare(split("a", "b", "c"))


def test_a_path_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"target\.path=.*nothing: no such file or folder; give a mask file"):
        MaskFile(str(tmp_path / "nothing"), ENCODING)


def test_a_file_equal_to_the_images_own_mask_is_too_close(tmp_path: Path) -> None:
    target = MaskFile(str(save(tmp_path / "m.png", [[0, 255]])), ENCODING)
    target.prepare(split("a"))
    own = torch.tensor([[0, 0, 1, 1]]).expand(4, 4)
    assert target.choose("a", own, VALID).too_close
    assert not target.choose("a", 1 - own, VALID).too_close


def test_values_nobody_declared(tmp_path: Path) -> None:
    target = MaskFile(str(save(tmp_path / "m.png", [[0, 128]])), ENCODING)
    target.prepare(split("a"))
    with pytest.raises(InputError, match=r"m\.png: mask values 128 are not in the declared encoding"):
        target.choose("a", TRUTH, VALID)


@pytest.mark.parametrize("form", ["disc", "square"])
@pytest.mark.parametrize("area", [0.02, 0.1, 0.5])
def test_a_shape_has_its_area_in_the_middle(form: Any, area: float) -> None:
    target, truth = Shape(form, area), torch.zeros(60, 80).long()
    target.prepare(split("a"))
    first = next(target.draws("a", truth, truth == 0))
    assert first.name == f"shape:{form}@0.500,0.500"
    assert int(first.mask.sum()) == pytest.approx(area * 60 * 80, rel=0.06)
    assert torch.equal(first.mask, first.mask.flip(0))
    assert torch.equal(first.mask, first.mask.flip(1))
    corner = bool(first.mask[30 - int(first.mask.any(1).sum()) // 2, 40 - int(first.mask.any(0).sum()) // 2])
    assert corner == (form == "square")


def test_other_places_keep_the_shape_whole() -> None:
    target, truth = Shape(area=0.1), torch.zeros(60, 80).long()
    target.prepare(split("a", "b"))
    masks = [one.mask for one in target.draws("a", truth, truth == 0)]
    assert len(masks) == 20
    assert {int(mask.sum()) for mask in masks} <= set(range(460, 501))
    assert len({str(mask.tolist()) for mask in masks}) == 20
    others = [one.name for one in target.draws("b", truth, truth == 0)]
    assert len(set(others) & {one.name for one in target.draws("a", truth, truth == 0)}) == 1
    chosen = target.choose("a", masks[0], truth == 0)
    assert (chosen.draw, chosen.too_close) == (2, False)
    assert torch.equal(chosen.mask, masks[1])


@pytest.mark.parametrize(("background", "label", "shown"), [(0, None, 1), (1, None, 0), (0, 2, 2)])
def test_its_class_is_the_first_that_is_an_object_or_the_one_given(
    background: int, label: int | None, shown: int
) -> None:
    target = Shape(label=label)
    target.prepare(split("a", background=background))
    mask = target.choose("a", torch.full((20, 20), 5), torch.ones(20, 20, dtype=torch.bool)).mask
    assert mask[10, 10] == shown
    assert mask[0, 0] == background


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "star"}, "form='star': must be disc or square"),
        ({"area": 0}, "area=0: must be above 0 and at most .5"),
        ({"area": 0.6}, r"area=0\.6: must be above 0 and at most .5"),
        ({"label": -1}, "label=-1: must be a class, from 0"),
        ({"label": 255}, "label=255: must be a class, from 0"),
    ],
)
def test_shapes_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=rf"target\.{message}"):
        Shape(**options)


def test_a_shape_of_background_is_none() -> None:
    with pytest.raises(InputError, match=r"target\.label=0: is the background; give another class"):
        Shape(label=0).prepare(split("a"))
