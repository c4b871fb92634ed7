"""Clean-up of predicted maps on maps small enough to see what should come out."""

import pytest
import torch
from torch import Tensor

from benchmark.errors import InputError
from benchmark.label_subsets import NO_LABEL
from benchmark.victims.deployment.postprocessing import (
    FillHoles,
    LargestComponent,
    RemoveSmall,
    Step,
    postprocess,
    steps,
)


def drawn(*rows: str) -> Tensor:
    return torch.tensor([[int(digit) for digit in row] for row in rows])[None]


CASES = {
    "largest": (LargestComponent(), ("1100020", "1100222", "0000000", "1022000"), ("1100020", "1100222", "0", "0")),
    "diagonal is one": (LargestComponent(), ("100", "010", "000", "001"), ("100", "010", "000", "001")),
    "first of equals": (LargestComponent(), ("101", "101"), ("100", "100")),
    "small": (RemoveSmall(3), ("1100020", "1000222", "0000000", "1022000"), ("1100020", "1000222", "0", "0")),
    "holes": (FillHoles(), ("111110", "101210", "111110"), ("111110", "111210", "111110")),
    "open": (FillHoles(), ("1011", "1011", "1111"), ("1011", "1011", "1111")),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_step_leaves(case: str) -> None:
    step, before, after = CASES[case]
    maps = drawn(*before)
    width = len(before[0])
    expected = drawn(*(row.ljust(width, "0") for row in after))
    if case == "diagonal is one":
        expected[0, 3, 2] = 0  # not connected to the other two
    found = postprocess(maps, [step], classes=3, background=0)
    assert found.tolist() == expected.tolist()
    assert found.dtype == torch.int64
    assert torch.equal(maps, drawn(*before)), "the maps given stay"


def test_each_label_that_overlaps_is_changed_as_if_it_were_alone() -> None:
    # Label 0 is one component; label 1, which lies in it (value 3) and beside it (value 2), is two.
    found = postprocess(drawn("1111000", "1331002", "1111000"), [LargestComponent()], classes=4, background=NO_LABEL)
    assert found.tolist() == drawn("1111000", "1331000", "1111000").tolist()
    filled = postprocess(drawn("222", "212", "222"), [FillHoles()], classes=4, background=NO_LABEL)
    assert filled.tolist() == drawn("222", "232", "222").tolist()


def test_steps_follow_each_other_image_by_image() -> None:
    maps = torch.cat([drawn("11101", "10100", "11100"), drawn("00000", "00000", "00011")])
    found = postprocess(maps, [LargestComponent(), FillHoles()], classes=2, background=0)
    expected = torch.cat([drawn("11100", "11100", "11100"), drawn("00000", "00000", "00011")])
    assert found.tolist() == expected.tolist()


def test_another_background() -> None:
    found = postprocess(drawn("0112", "1111"), [RemoveSmall(2)], classes=3, background=1)
    assert found.tolist() == drawn("1111", "1111").tolist()


def test_every_step_has_a_name_of_its_own() -> None:
    assert len(steps()) == len(Step.__subclasses__())
    assert {"largest_component", "remove_small", "fill_holes"} <= steps().keys()


def test_too_few_pixels() -> None:
    with pytest.raises(InputError, match="remove_small: pixels=0: must be at least 1"):
        RemoveSmall(0)
