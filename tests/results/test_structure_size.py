from typing import Any

import numpy as np
import pytest

from benchmark.results.structure_size import by_size
from tests.example_rows import row


def _sized(image: str, foreground: int, **changes: Any) -> dict[str, Any]:
    """An image of 200 valid pixels, so many of them labelled 1."""
    return row(image, clean_confusion_truth=[150, 50 - foreground, foreground - 1, 1] if foreground else
               [150, 50, 0, 0]) | changes  # fmt: skip


def test_strata_are_shares_of_the_valid_pixels() -> None:
    pixels = {"empty": 0, "1/200": 1, "9/200": 9, "5 %": 10, "15 %": 30, "31/200": 31}
    found = by_size([_sized(image, foreground) for image, foreground in pixels.items()])
    assert {size: stratum["images"] for size, stratum in found.items()} == {
        "none": 1,
        "small": 2,
        "medium": 2,
        "large": 1,
    }
    assert list(found) == ["none", "small", "medium", "large"]


def test_each_stratum_has_its_own_numbers() -> None:
    found = by_size(
        [
            _sized("a", 4, norm="inf", linf=0.3, adv8_linf=0.1, l2=7.0, adv8_iou_target=1.0, adv8_iou_truth=0.0),
            _sized("b", 4, norm="inf", linf=0.1, adv8_linf=0.3, l2=7.0, adv8_iou_target=0.5, adv8_iou_truth=0.5),
            _sized("c", 4, norm="inf", linf=0.9, success8=False, adv8_iou_target=0.0, adv8_iou_truth=1.0),
            _sized("d", 4, norm="inf", linf=0.0, success_clean=True, adv8_iou_target=0.0, adv8_iou_truth=1.0),
            _sized("e", 100, norm="inf", success8=False),
        ]
    )
    small = found["small"]
    assert (small["images"], small["attacked"], small["norm"]) == (4, 3, "linf")
    assert small["success8_rate"] == pytest.approx(2 / 3)
    assert small["success8_rate_ci95"][0] < 2 / 3 < small["success8_rate_ci95"][1]
    assert small["median_norm"] == pytest.approx(0.2)
    assert (small["adv8_iou_target"], small["adv8_iou_truth"]) == (0.375, 0.625)
    assert small["median_norm_all"] == pytest.approx(0.3)
    assert found["large"]["median_norm"] is None
    assert found["large"]["median_norm_all"] == np.inf
    assert found["large"]["success8_rate"] == 0


def test_the_background_is_the_class_declared() -> None:
    counts = {"classes": 3, "clean_confusion_truth": [2, 0, 0, 0, 95, 0, 0, 0, 3]}
    assert list(by_size([row("a", background=1, **counts)])) == ["medium"]
    assert list(by_size([row("a", background=0, **counts)])) == ["large"]
    assert by_size([row("a", background=None, **counts)]) == {}


def test_nothing_attacked_has_no_rate() -> None:
    found = by_size([_sized("a", 4, success_clean=True)])
    assert [found["small"][name] for name in ("success8_rate", "median_norm", "median_norm_all")] == [None] * 3
