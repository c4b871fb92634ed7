import math

import pytest
import torch

from benchmark.attacks.tsallis_pgd import TsallisPGD, tsallis
from tests.attacks.two_by_two import (
    IMAGE,
    LABELS,
    PIXELS,
    Linear,
    Passes,
    cross_entropy_gradient,
    drive,
    logits_at,
    softmax,
    square,
    two_by_two,
)


def by_hand(values: list[float], q: float) -> float:
    """The mean over pixels of (1 - p^(1-q)) / (1 - q), or of -log p for q = 1."""
    total = 0.0
    for scores, label in zip(logits_at(values), LABELS, strict=True):
        p = softmax(scores)[label]
        total += -math.log(p) if q == 1 else (1 - p ** (1 - q)) / (1 - q)
    return total / 4


@pytest.mark.parametrize("q", [-2, 0, 0.5, 1 - 1e-5, 1])
def test_the_loss_by_hand(q: float) -> None:
    logits = torch.tensor(logits_at(IMAGE), dtype=torch.float64).T.reshape(1, 3, 2, 2)
    labels = torch.tensor(LABELS).view(1, 2, 2)
    found = tsallis(logits, labels, torch.tensor([q], dtype=torch.float64))
    assert found.mean().item() == pytest.approx(by_hand(IMAGE, q), abs=1e-9)


def test_it_goes_over_to_cross_entropy_without_a_jump() -> None:
    logits = torch.tensor([[[[0.0]], [[3.0]]]], dtype=torch.float64)
    label = torch.zeros(1, 1, 1, dtype=torch.int64)
    limit, near = (tsallis(logits, label, torch.tensor([q]).double()).item() for q in (1.0, 1 - 2e-6))
    assert near == pytest.approx(limit, abs=2e-5)


def test_finite_with_finite_gradients_for_large_logits() -> None:
    for q in (-2.0, 0.5, 1.0):
        logits = torch.tensor([1e4, -1e4, 0.0]).view(1, 3, 1, 1).requires_grad_()
        for label in range(3):
            loss = tsallis(logits, torch.full((1, 1, 1), label), torch.tensor([q])).sum()
            assert loss.isfinite()
            assert torch.autograd.grad(loss, logits)[0].isfinite().all()


@pytest.mark.parametrize("targeted", [True, False])
def test_q_goes_from_its_first_to_its_last_value_within_each_radius(targeted: bool) -> None:
    rule = TsallisPGD(targeted, eps=0.02)
    batch = two_by_two(rule, max_steps=20)
    radii = [(2.0, 6), (1.5, 6), (1.0, 8)]
    for factor, length in radii:
        for update in range(length):
            query = Passes(Linear(), batch)
            values = batch.iterates.flatten().tolist()
            following = rule.step(batch, query)
            q = -2 + 3 * update / (length - 1)
            assert query.losses.item() == pytest.approx((-1 if targeted else 1) * by_hand(values, q), abs=1e-9)
            assert (batch.iterates - batch.images).abs().max() <= factor * 0.02 + 1e-12
            batch.iterates, batch.steps = following, batch.steps + 1


@pytest.mark.parametrize("targeted", [True, False])
def test_two_updates_by_hand(targeted: bool) -> None:
    # One radius only: steps of 2 eps along the gradient, of which p^(1-q) is the pixels' weight.
    rule = TsallisPGD(targeted, norm=2, eps=0.05, shrinking=False, random_start=False)
    found = drive(rule, Linear(), two_by_two(rule, max_steps=4), 2)

    def in_ball(values: list[float]) -> list[float]:
        delta = [value - clean for value, clean in zip(values, IMAGE, strict=True)]
        shrink = min(1, 0.05 / math.hypot(*delta))
        return [clean + shrink * d for clean, d in zip(IMAGE, delta, strict=True)]

    def ahead(values: list[float], q: float) -> list[float]:
        gradient = cross_entropy_gradient(values, lambda scores, label: softmax(scores)[label] ** (1 - q))
        length = (-1 if targeted else 1) * 0.1 / math.hypot(*gradient)
        return in_ball([values[j] + length * gradient[j] for j in PIXELS])

    first = ahead(IMAGE, -2)
    assert torch.allclose(found[1], square(first), rtol=0, atol=1e-12)
    eased = [first[j] + 0.75 * (z - first[j]) + 0.25 * (first[j] - IMAGE[j]) for j, z in enumerate(ahead(first, -1))]
    assert torch.allclose(found[2], square(in_ball(eased)), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"last_q": 1.5}, r"last_q=1.5: must be in \(-inf, 1\]"), ({"loss": "js"}, "loss='js' is not one of ce")],
)
def test_parameters_that_make_no_sense(options, message: str) -> None:
    with pytest.raises(ValueError, match=f"TsallisPGD: {message}"):
        TsallisPGD(**options)
