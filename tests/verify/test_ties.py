"""Predictions where classes tie: what every way of deciding the ties could give, and nothing where none do."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmark import metrics
from benchmark.criterion import Criterion
from benchmark.past_runs.mismatch import Interval
from benchmark.verify.ties import possible_predictions, spread

EPS = torch.finfo(torch.float32).eps


def _all_decisions(levels: Tensor) -> list[Tensor]:
    """Every prediction of logits 0 or 1 (K, h, w), whose ties are exact."""
    pixels = levels.flatten(1).T
    choices = [[k for k, level in enumerate(pixel.tolist()) if level == max(pixel.tolist())] for pixel in pixels]
    return [torch.tensor(decided).view(levels.shape[1:]) for decided in itertools.product(*choices)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=4, max_size=4), st.data())
def test_two_classes_have_exactly_the_extremes_of_all_decisions(pixels: list[tuple[bool, ...]], data: st.DataObject):
    levels = torch.tensor(pixels, dtype=torch.float32)[:, :2].T.reshape(2, 2, 2)
    reference = torch.tensor(pixels)[:, 2].long().reshape(2, 2)
    judge = Criterion(data.draw(st.sampled_from(["iou", "dice", "apsr"])), "truth")

    def scored(preds: Tensor) -> dict[str, object]:
        counts = metrics.confusion(preds[None], reference[None], None, 2)[0]
        score = judge.score(preds[None], {"truth": reference[None]}, torch.ones(1, 2, 2, dtype=torch.bool), 2, 0)
        return {"score": score.item(), "counts": counts.flatten().tolist()}

    found = spread([scored(preds) for preds in possible_predictions(levels, [reference])])
    assert found == spread([scored(preds) for preds in _all_decisions(levels)])


def test_three_classes_have_the_extremes_where_two_tie() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(0, 3, (2, 3), generator=generator)
    levels = torch.ones(3, 2, 3)
    levels.scatter_(0, torch.randint(0, 3, (1, 2, 3), generator=generator), 0)

    def scored(preds: Tensor) -> dict[str, object]:
        counts = metrics.confusion(preds[None], truth[None], None, 3)[0]
        return {"counts": counts.flatten().tolist(), "accuracy": metrics.pixel_accuracy(counts).item()}

    assert spread([scored(p) for p in possible_predictions(levels, [truth])]) == spread(
        [scored(p) for p in _all_decisions(levels)]
    )


@pytest.mark.parametrize(("gap", "undecided"), [(2**8 * EPS, True), (2**10 * EPS, False)])
def test_a_tie_is_relative_to_the_largest_logit_of_the_image(gap: float, undecided: bool) -> None:
    for scale in (1e-3, 1.0, 100.0):
        logits = torch.tensor([[[0.5, 1.0]], [[0.5 - gap, -1.0]]]) * scale
        assert (len(possible_predictions(logits, [])) > 1) is undecided


def test_one_reading_where_nothing_ties() -> None:
    logits = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(0))
    (preds,) = possible_predictions(logits, [torch.zeros(8, 8, dtype=torch.int64)])
    assert torch.equal(preds, logits.argmax(0))


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
def test_what_is_not_finite_makes_no_ties(odd: float) -> None:
    logits = torch.tensor([[[odd, 1.0]], [[0.0, -1.0]]])
    (preds,) = possible_predictions(logits, [])
    assert preds.tolist() == [[0, 0]]


def test_what_all_readings_share_is_a_value() -> None:
    assert spread([{"a": 1.0, "b": [1, 2], "c": True}]) == {"a": 1.0, "b": [1, 2], "c": True}
    assert spread([{"a": 1.0, "b": [1, 2], "c": True}, {"a": 0.5, "b": [0, 3], "c": False}]) == {
        "a": Interval(0.5, 1.0),
        "b": Interval([0, 2], [1, 3]),
        "c": Interval(False, True),
    }
