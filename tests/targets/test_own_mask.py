"""The image's own mask, moved, scaled, eroded, dilated, erased."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmark.errors import InputError
from benchmark.images.label_maps import VOID
from benchmark.targets import Split, Target
from benchmark.targets.erased import Erased
from benchmark.targets.outline import Dilated, Eroded
from benchmark.targets.scaled import Scaled
from benchmark.targets.shifted import Shifted

SIZE = 80
EVERYWHERE = torch.ones(SIZE, SIZE, dtype=torch.bool)


def disc(radius: float, right: float = 40, down: float = 40, size: int = SIZE) -> Tensor:
    """(size, size) bool."""
    rows, columns = torch.meshgrid(torch.arange(size) + 0.5, torch.arange(size) + 0.5, indexing="ij")
    return (rows - down) ** 2 + (columns - right) ** 2 < radius**2


def draws(target: Target, truth: Tensor, valid: Tensor | None = None, background: int = 0) -> list[Any]:
    target.prepare(Split(["a"], lambda _: truth, background))
    return list(target.draws("a", truth, torch.ones_like(truth, dtype=torch.bool) if valid is None else valid))


def centre(mask: Tensor) -> list[float]:
    return (mask != 0).nonzero().double().mean(0).tolist()


def test_a_shift_moves_the_whole_map_as_far_as_it_says() -> None:
    truth = disc(12).long() + disc(5).long()
    result = draws(Shifted(0.25, seed=1), truth)
    assert len({one.name for one in result}) == len(result) == 20
    for one in result:
        right, down = (int(part) for part in one.name.removeprefix("shifted:").split(","))
        assert math.hypot(right, down) == pytest.approx(0.25 * SIZE, abs=1)
        assert torch.equal(one.mask, torch.roll(truth, (down, right), (0, 1)))


def test_directions_that_push_most_of_the_structure_out_are_passed_over() -> None:
    result = draws(Shifted(0.25), disc(10, right=11).long())
    assert 5 < len(result) < 20
    # Half of the disc is out where it has gone eleven to the left.
    assert all(int(one.name.split(":")[1].split(",")[0]) >= -11 for one in result)


def test_where_every_direction_pushes_it_out_the_one_that_leaves_most_is_taken() -> None:
    truth = disc(10).long()
    (result,) = draws(Shifted(0.7), truth)
    assert 0 < int(result.mask.sum()) < 0.5 * int(truth.sum())
    assert int(result.mask.sum()) == max(int(one.mask.sum()) for one in _far_shifts(truth))


def _far_shifts(truth: Tensor) -> list[Any]:
    target = Shifted(0.7)
    target.prepare(Split(["a"], lambda _: truth, 0))
    return list(target.changes("a", truth))


def test_images_and_seeds_have_directions_of_their_own() -> None:
    truth = disc(10).long()
    target, other = Shifted(seed=0), Shifted(seed=1)
    for one in (target, other):
        one.prepare(Split(["a", "b"], lambda _: truth, 0))
    firsts = {next(one.draws(name, truth, EVERYWHERE)).name for one in (target, other) for name in "ab"}
    assert len(firsts) == 4


def test_what_is_not_known_moves_along() -> None:
    truth, valid = disc(10).long(), ~disc(3)
    for one in draws(Shifted(), truth, valid):
        right, down = (int(part) for part in one.name.removeprefix("shifted:").split(","))
        assert torch.equal(one.mask == VOID, torch.roll(~valid, (down, right), (0, 1)))


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.5])
def test_scaling_keeps_the_centre_and_scales_the_area(factor: float) -> None:
    truth = disc(12, 30, 44).long() + disc(6, 28, 44).long()
    result = draws(Scaled(factor), truth)
    assert [one.name for one in result] == [f"scaled:{factor**power:g}" for power in (1, 2, 3, 4)]
    first, second = result[:2]
    for one, by in ((first, factor), (second, factor**2)):
        assert int((one.mask > 0).sum()) == pytest.approx(int((truth > 0).sum()) * by**2, rel=0.08)
        assert centre(one.mask) == pytest.approx(centre(truth), abs=0.5)
    assert int((first.mask == 2).sum()) == pytest.approx(int((truth == 2).sum()) * factor**2, rel=0.15)


def test_a_ring_that_would_shrink_to_nothing_is_passed_over() -> None:
    ring = (disc(12) & ~disc(10)).long()
    # From a tenth on the ring is thinner than a pixel.
    assert [one.name for one in draws(Scaled(0.1), ring)] == ["scaled:0.1"]


@pytest.mark.parametrize("size", [SIZE, 2 * SIZE])
def test_erosion_and_dilation_move_the_outline_by_a_share_of_the_radius(size: int) -> None:
    radius = size / 5
    truth = disc(radius, size / 2, size / 2, size).long()
    for kind, sign in ((Eroded, -1), (Dilated, 1)):
        result = draws(kind(0.25), truth)
        assert [one.name for one in result] == [f"{kind.kind}:{share:g}" for share in (0.25, 0.5, 0.75)]
        for one, share in zip(result, (0.25, 0.5, 0.75), strict=True):
            found_radius = math.sqrt(int(one.mask.sum()) / math.pi)
            assert found_radius == pytest.approx(radius * (1 + sign * share), abs=0.6)
            assert (truth.bool() >= one.mask.bool()).all() if sign < 0 else (truth.bool() <= one.mask.bool()).all()


def test_erosion_leaves_classes_inside_as_they_are_and_dilation_extends_the_nearest() -> None:
    truth = disc(20).long() + disc(10).long()
    eroded = draws(Eroded(0.25), truth)[0].mask
    assert torch.equal(eroded == 2, truth == 2)
    assert 0 < int((eroded == 1).sum()) < int((truth == 1).sum())
    halves = disc(15).long()
    halves[:, 40:] *= 2
    dilated = draws(Dilated(0.25), halves)[0].mask
    assert set(dilated[:, :40].unique().tolist()) == {0, 1}
    assert set(dilated[:, 40:].unique().tolist()) == {0, 2}
    assert (dilated > 0).sum() > (halves > 0).sum()


def test_beyond_the_border_there_is_no_structure() -> None:
    full = torch.ones(20, 20).long()
    eroded = draws(Eroded(0.5), full)[0].mask
    # The depth is 9.5 pixels, in the middle; what is more than half of it from the border stays.
    assert int(eroded.sum()) == 10 * 10
    assert eroded[5:15, 5:15].all()


@pytest.mark.parametrize("kind", [Shifted, Scaled, Eroded, Dilated, Erased])
def test_nothing_can_be_done_to_an_image_without_structure(kind: type[Target]) -> None:
    empty = torch.zeros(8, 8).long()
    (result,) = draws(kind(), empty)
    assert torch.equal(result.mask, empty)
    target = kind()
    target.prepare(Split(["a"], lambda _: empty, 0))
    assert target.choose("a", empty, torch.ones(8, 8, dtype=torch.bool)).too_close


def test_a_pixel_cannot_be_eroded() -> None:
    truth = torch.zeros(8, 8).long()
    truth[3, 3] = 1
    assert all(torch.equal(one.mask, truth) for one in draws(Eroded(), truth))
    assert [int(one.mask.sum()) for one in draws(Dilated(), truth)] == [5, 5, 5]


def test_an_erased_target_is_background_whatever_that_is() -> None:
    truth = disc(10).long()
    (result,) = draws(Erased(), truth, background=1)
    assert result.name == "erased"
    assert (result.mask == 1).all()


def test_what_the_victim_does_not_see_counts_as_erased_already() -> None:
    truth = disc(10).long()
    target = Erased()
    target.prepare(Split(["a"], lambda _: truth, 0))
    assert not target.choose("a", truth, EVERYWHERE, truth).too_close
    assert target.choose("a", truth, EVERYWHERE, torch.zeros_like(truth)).too_close


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (Shifted, {"distance": 0}, "distance=0: must be between 0 and 1"),
        (Shifted, {"distance": 1}, "distance=1: must be between 0 and 1"),
        (Scaled, {"factor": 0}, "factor=0: must be positive and not 1"),
        (Scaled, {"factor": 1}, "factor=1: must be positive and not 1"),
        (Eroded, {"share": 0}, "share=0: must be between 0 and 1"),
        (Dilated, {"share": 1.0}, r"share=1\.0: must be between 0 and 1"),
    ],
)
def test_parameters_that_change_nothing_are_refused(kind: type, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=rf"target\.{message}"):
        kind(**options)
