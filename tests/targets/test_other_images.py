"""Masks of other images: in a seeded pairing, from the nearest on, from the farthest on."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from torch import Tensor

from benchmark.config.build import instantiate
from benchmark.errors import InputError
from benchmark.images.label_maps import VOID
from benchmark.targets import OtherImage, Split
from benchmark.targets.by_overlap import SIDE, ByOverlap, Farthest, Nearest
from tests.targets.random_splits import foreground_iou, random_split

ALL = torch.ones(2, 3, dtype=torch.bool)


def own_masks(ids: list[str]) -> dict[str, Tensor]:
    """A different mask for each id."""
    return {name: torch.arange(6).view(2, 3) + 10 * i for i, name in enumerate(ids)}


def paired(ids: list[str], seed: int, masks: dict[str, Tensor]) -> dict[str, str]:
    target = OtherImage(seed)
    target.prepare(Split(ids, masks.__getitem__, None))
    chosen = {name: target.choose(name, masks[name], ALL) for name in ids}
    for image in chosen.values():
        assert torch.equal(image.mask, masks[image.name.removeprefix("other_image:")])
    return {name: image.name.removeprefix("other_image:") for name, image in chosen.items()}


@settings(deadline=None)
@given(st.lists(st.text(), min_size=2, max_size=12, unique=True), st.integers(0, 9))
def test_every_mask_is_used_once_and_never_by_its_own_image(ids: list[str], seed: int) -> None:
    pairs = paired(ids, seed, own_masks(ids))
    assert sorted(pairs.values()) == sorted(ids)
    assert all(name != other for name, other in pairs.items())


def test_the_seed_changes_the_pairing() -> None:
    ids = [str(i) for i in range(20)]
    assert paired(ids, 0, own_masks(ids)) != paired(ids, 1, own_masks(ids))


def test_masks_equal_to_the_images_own_are_passed_over_and_counted() -> None:
    ids = ["a", "b", "c", "d"]
    masks = own_masks(["a"]) | dict.fromkeys(["b", "c", "d"], torch.zeros(2, 3).long())
    pairs = paired(ids, 0, masks)
    assert {pairs["b"], pairs["c"], pairs["d"]} == {"a"}
    assert pairs["a"] in {"b", "c", "d"}
    target = OtherImage(0)
    target.prepare(Split(ids, masks.__getitem__, None))
    assert sorted(target.choose(name, masks[name], ALL).draws for name in "bcd") == [1, 2, 3]


def test_a_difference_where_nothing_counts_is_none() -> None:
    mask, valid = torch.zeros(2, 3).long(), ALL.clone()
    valid[0, 0] = False
    other = mask.clone()
    other[0, 0] = 1
    target = OtherImage()
    target.prepare(Split(["a", "b"], {"a": mask, "b": other}.__getitem__, 0))
    assert target.choose("a", mask, valid).too_close
    assert not target.choose("a", mask, ALL).too_close


@pytest.mark.parametrize("kind", [OtherImage, Nearest, Farthest])
@pytest.mark.parametrize("ids", [[], ["a"], ["a", "a"]])
def test_one_image_has_no_other(ids: list[str], kind: type[OtherImage]) -> None:
    with pytest.raises(
        InputError, match=f"target={kind.kind} needs at least 2 images in the split, which has {len(set(ids))}"
    ):
        kind().prepare(Split(ids, {}.__getitem__, 0))


@pytest.mark.parametrize(("kind", "sign"), [(Nearest, -1), (Farthest, 1)])
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_others_come_in_the_order_of_their_overlap(kind: type[ByOverlap], sign: int, seed: int) -> None:
    data = random_split(seed, count=8)
    target = kind(seed)
    target.prepare(data.split())
    for image_id in data.masks:
        _, truth, valid = data.item(image_id)
        draws = list(target.draws(image_id, truth, valid))
        assert sorted(one.name.split(":")[1] for one in draws) == sorted(set(data.masks) - {image_id})
        ious = [sign * foreground_iou(one.mask, truth, valid & (one.mask != VOID), data.background) for one in draws]
        assert ious == pytest.approx(sorted(ious))


def discs(centres: dict[str, int], size: int) -> dict[str, Tensor]:
    """A square of a quarter of the side for each id, so far from the left."""
    masks = {}
    for name, left in centres.items():
        masks[name] = torch.zeros(size, size).long()
        masks[name][:, left : left + size // 4] = 1
    return masks


@pytest.mark.parametrize("size", [64, 4 * SIDE])
def test_the_nearest_is_the_nearest_that_is_not_too_near(size: int) -> None:
    step = size // 64
    masks = discs({"own": 0, "twin": 0, "close": step, "near": 6 * step, "far": 30 * step}, size)
    masks["empty"] = torch.zeros(size, size).long()
    split, everywhere = Split(list(masks), masks.__getitem__, 0), torch.ones(size, size, dtype=torch.bool)
    target = Nearest()
    target.prepare(split)
    # IoUs are 1, 15/17, 10/22, 0 and 0.
    chosen = target.choose("own", masks["own"], everywhere)
    assert (chosen.name, chosen.draw) == ("nearest:near", 3)
    target.max_iou = 0.4
    assert target.choose("own", masks["own"], everywhere).name == "nearest:far"
    farthest = Farthest()
    farthest.prepare(split)
    assert [one.name.split(":")[1] for one in farthest.draws("own", masks["own"], everywhere)] == [
        *("far", "empty", "near", "close", "twin")
    ]


def test_equally_far_masks_are_spread_over_the_images() -> None:
    masks = discs({str(i): 8 * i for i in range(4)}, 32)
    split, everywhere = Split(list(masks), masks.__getitem__, 0), torch.ones(32, 32, dtype=torch.bool)
    target = Farthest(0)
    target.prepare(split)
    assert len({target.choose(name, mask, everywhere).name for name, mask in masks.items()}) == 4


def test_masks_are_read_once() -> None:
    read: list[str] = []
    masks = discs({"a": 0, "b": 5, "c": 9}, 32)

    def mask(name: str) -> Tensor:
        read.append(name)
        return masks[name]

    target, everywhere = Nearest(max_iou=None), torch.ones(32, 32, dtype=torch.bool)
    target.prepare(Split(list(masks), mask, 0))
    target.choose("a", masks["a"], everywhere)
    target.choose("b", masks["b"], everywhere)
    # All of them to compare, then each image's target.
    assert len(read) == 3 + 2


def test_configurations_of_older_runs_name_what_is_still_there() -> None:
    assert isinstance(
        instantiate(OmegaConf.create({"_target_": "benchmark.targets.OtherImage", "seed": 1}), "t"), OtherImage
    )
    with pytest.raises(InputError, match="no such file or folder"):
        instantiate(OmegaConf.create({"_target_": "benchmark.targets.MaskFile", "path": "/nowhere"}), "target")
