import math

import pytest
import torch

from benchmark.attacks.cospgd import CosPGD, Weights
from tests.attacks.two_by_two import (
    IMAGE,
    LABELS,
    PIXELS,
    Linear,
    Passes,
    cross_entropy_gradient,
    logits_at,
    softmax,
    square,
)
from tests.attacks.two_by_two import two_by_two as make


@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize("weights", ["softmax", "sigmoid"])
@pytest.mark.parametrize("counted", [(0, 1, 2, 3), (0, 2, 3)])
def test_loss_and_update_by_hand(targeted: bool, weights: str, counted: tuple[int, ...]) -> None:
    rule = CosPGD(targeted, norm=2, eps=0.1, step_size=0.03, random_start=False, weights=weights)  # type: ignore[arg-type]
    batch = make(rule, counted)

    def weight(scores: list[float], label: int) -> float:
        shares = softmax(scores) if weights == "softmax" else [1 / (1 + math.exp(-score)) for score in scores]
        cosine = shares[label] / math.sqrt(sum(share * share for share in shares))
        return 1 - cosine if targeted else cosine

    query = Passes(Linear(), batch)
    found = rule.step(batch, query)
    sense = -1 if targeted else 1
    loss = 0.0
    for p in counted:
        scores = logits_at(IMAGE)[p]
        loss -= weight(scores, LABELS[p]) * math.log(softmax(scores)[LABELS[p]]) / len(counted)
    assert query.losses.item() == pytest.approx(sense * loss, abs=1e-12)
    # The weights are held fixed: their own gradient would add to this one.
    gradient = cross_entropy_gradient(IMAGE, weight, counted)
    expected = [IMAGE[j] + sense * 0.03 * gradient[j] / math.hypot(*gradient) for j in PIXELS]
    assert torch.allclose(found, square(expected), rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("weights", ["softmax", "sigmoid"])
def test_scores_that_all_vanish_still_have_an_angle(weights: Weights, dtype: torch.dtype) -> None:
    rule = CosPGD(False, weights=weights)
    batch = make(rule)
    # sigmoid(-300) is 0 in float32; the first class still outweighs the others by e^100.
    logits = torch.tensor([-300.0, -400.0, -500.0], dtype=dtype).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    batch.labels = torch.tensor([[[0, 1], [2, 0]]])
    misfit = rule.misfit(logits, batch)
    # Cosine 1 and cross-entropy 0; cosine e^-100 and cross-entropy 100.
    assert torch.allclose(misfit, torch.zeros_like(misfit), atol=1e-30)
    # If targeted the weight is 1 − cosine.
    assert CosPGD(True, weights=weights).misfit(logits, batch)[0, 0, 1].item() == pytest.approx(100)
