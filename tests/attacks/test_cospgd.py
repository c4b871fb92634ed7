import math

import pytest
import torch

from benchmark.attacks.cospgd import CosPGD, Weights
from tests.attacks.two_by_two import assert_weighted_step, softmax, two_by_two


@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize("weights", ["softmax", "sigmoid"])
@pytest.mark.parametrize("counted", [(0, 1, 2, 3), (0, 2, 3)])
def test_loss_and_update_by_hand(targeted: bool, weights: str, counted: tuple[int, ...]) -> None:
    rule = CosPGD(targeted, norm=2, eps=0.1, step_size=0.03, random_start=False, weights=weights)  # type: ignore[arg-type]
    batch = two_by_two(rule, counted)

    def weight(scores: list[float], label: int) -> float:
        shares = softmax(scores) if weights == "softmax" else [1 / (1 + math.exp(-score)) for score in scores]
        cosine = shares[label] / math.sqrt(sum(share * share for share in shares))
        return 1 - cosine if targeted else cosine

    assert_weighted_step(rule, batch, weight, counted)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("weights", ["softmax", "sigmoid"])
def test_scores_that_all_vanish_still_have_an_angle(weights: Weights, dtype: torch.dtype) -> None:
    rule = CosPGD(False, weights=weights)
    batch = two_by_two(rule)
    # sigmoid(-300) is 0 in float32; the first class still outweighs the others by e^100.
    logits = torch.tensor([-300.0, -400.0, -500.0], dtype=dtype).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    batch.labels = torch.tensor([[[0, 1], [2, 0]]])
    misfit = rule.misfit(logits, batch)
    # Cosine 1 and cross-entropy 0; cosine e^-100 and cross-entropy 100.
    assert torch.allclose(misfit, torch.zeros_like(misfit), atol=1e-30)
    # If targeted the weight is 1 − cosine.
    assert CosPGD(True, weights=weights).misfit(logits, batch)[0, 0, 1].item() == pytest.approx(100)
