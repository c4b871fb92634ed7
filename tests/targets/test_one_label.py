"""Targets about one class, or one of several labels that overlap, leave all others as they are."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from benchmark.errors import InputError
from benchmark.images.label_maps import VOID
from benchmark.label_subsets import NO_LABEL
from benchmark.targets import OtherImage, Split, Target
from benchmark.targets.by_overlap import Farthest, Nearest
from benchmark.targets.erased import Erased
from benchmark.targets.outline import Dilated, Eroded
from benchmark.targets.scaled import Scaled
from benchmark.targets.shape import Shape
from benchmark.targets.shifted import Shifted

SIDE = 24
EVERYWHERE = torch.ones(SIDE, SIDE, dtype=torch.bool)


def square(first: int, last: int) -> Tensor:
    mask = torch.zeros(SIDE, SIDE, dtype=torch.int64)
    mask[first:last, first:last] = 1
    return mask


# Two fundus images: a disc (bit 0) and a cup in it (bit 1), here small and there large.
MASKS = {"a": square(2, 20) + 2 * square(8, 14), "b": square(4, 22) + 2 * square(5, 19)}
SPLIT = Split(list(MASKS), MASKS.__getitem__, NO_LABEL, ("disc", "cup"))
# The same as classes: background, rim of the disc, cup.
CLASSES = {name: torch.where(mask == 3, 2, mask) for name, mask in MASKS.items()}
RIMS = Split(list(CLASSES), CLASSES.__getitem__, 0, ("background", "rim", "cup"))

KINDS: list[Callable[..., Target]] = [Dilated, Eroded, Erased, Farthest, Nearest, OtherImage, Scaled, Shape, Shifted]


def chosen(target: Target, split: Split, prediction: Tensor | None = None) -> Tensor:
    target.prepare(split)
    found = target.choose("a", split.masks("a"), EVERYWHERE, prediction)
    again = target.repeat("a", split.masks("a"), EVERYWHERE, found.draw)
    assert torch.equal(again.mask, found.mask)
    name = "cup" if target.label == 1 else target.label
    assert found.name.startswith(f"{target.kind} {name}")
    return found.mask


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("label", ["disc", "cup", 1])
def test_all_other_labels_stay(kind: Callable[..., Target], label: str | int) -> None:
    bit = 0 if label == "disc" else 1
    mask = chosen(kind(label=label), SPLIT)
    assert torch.equal(mask >> (1 - bit) & 1, MASKS["a"] >> (1 - bit) & 1)
    assert not torch.equal(mask >> bit & 1, MASKS["a"] >> bit & 1)


def test_the_label_alone_is_erased_changed_and_taken_from_another_image() -> None:
    assert torch.equal(chosen(Erased(label="cup"), SPLIT), square(2, 20))
    assert torch.equal(chosen(OtherImage(label="cup"), SPLIT), square(2, 20) + 2 * square(5, 19))
    grown = chosen(Dilated(label="cup", max_iou=None), SPLIT)
    assert int((grown >> 1).sum()) > int((MASKS["a"] >> 1).sum())
    assert torch.equal(grown & 1, square(2, 20))


def test_only_the_label_is_too_close_or_not() -> None:
    erased = Erased(label="cup")
    erased.prepare(SPLIT)
    near = erased.choose("a", MASKS["a"], EVERYWHERE, prediction=square(3, 20))
    assert near.too_close, "the prediction has no cup, as the target"
    far = erased.choose("a", MASKS["a"], EVERYWHERE, prediction=MASKS["a"])
    assert not far.too_close


def test_one_class_of_an_ordinary_head() -> None:
    mask = chosen(Erased(label="cup"), RIMS)
    assert torch.equal(mask, square(2, 20) - square(8, 14)), "where the cup was it leaves the background"
    grown = chosen(OtherImage(label="cup"), RIMS)
    assert torch.equal(grown == 2, square(5, 19) == 1)
    assert torch.equal(grown == 1, (square(2, 20) - square(5, 19)) == 1)


def test_void_stays_void() -> None:
    masks = {name: mask.clone() for name, mask in MASKS.items()}
    masks["b"][0] = VOID
    mask = chosen(OtherImage(label="cup"), SPLIT._replace(masks=masks.__getitem__))
    assert (mask[0] == VOID).all()
    assert (mask[1:] != VOID).all()


@pytest.mark.parametrize(
    ("label", "split", "message"),
    [
        ("cups", SPLIT, r"target\.label=cups: is no class of the data, did you mean cup\?; give one of disc, cup"),
        (2, SPLIT, r"target\.label=2: is no class of the data"),
        ("background", RIMS, r"target\.label=background: is the background; give another class"),
        ("cup", RIMS._replace(background=None), r"target\.label=cup: the data have no background to leave"),
    ],
)
def test_labels_that_there_are_not(label: str | int, split: Split, message: str) -> None:
    for kind in (Erased, OtherImage) if split.background is None else (Erased, Shape, OtherImage):
        with pytest.raises(InputError, match=message):
            kind(label=label).prepare(split)
