"""Iterates and step sizes of APGD are those of algorithm 1 of arXiv 2003.01690."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.attacks.apgd import APGD
from tests.attacks.two_by_two import make_batch, square

Floats = NDArray[np.float64]


class Scripted:
    """A query whose cross-entropy and gradient are chosen beforehand."""

    def __init__(self, loss: float, gradient: Tensor) -> None:
        # Cross-entropy of label 0 is log(1 + e^z); z = log(e^loss - 1).
        z = math.log(math.expm1(loss))
        self.logits = torch.tensor([0.0, z], dtype=torch.float64).view(1, 2, 1, 1).expand(1, 2, 2, 2)
        self.chosen = gradient

    def gradient(self, loss: object, points: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.logits, self.chosen


def play(losses: list[float], gradients: list[Floats], total: int) -> tuple[list[Floats], list[float]]:
    """Iterates and step sizes of APGD when its iterate number i has the loss and gradient number i."""
    rule = APGD(False, eps=0.1, random_start=False)
    images = square([0.5] * 4)
    batch = make_batch(rule, images, torch.zeros(1, 2, 2, dtype=torch.int64), classes=2, max_steps=total)
    iterates, sizes = [batch.iterates.numpy().ravel()], []
    for loss, gradient in zip(losses, gradients, strict=True):
        query: Any = Scripted(loss, torch.tensor(gradient).view(1, 1, 2, 2))
        batch.iterates = rule.step(batch, query)
        batch.steps = batch.steps + 1
        iterates.append(batch.iterates.numpy().ravel())
        sizes.append(batch.report["step_size"].item())
    return iterates, sizes


def published(losses: list[float], gradients: list[Floats], total: int) -> tuple[list[Floats], list[float]]:
    """Algorithm 1 of arXiv 2003.01690 with its lists of everything, for scripted losses; iterates and step sizes."""
    shares = [Fraction(0), Fraction(22, 100)]
    while shares[-1] < 1:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - Fraction(3, 100), Fraction(6, 100)))
    checkpoints = [math.ceil(share * total) for share in shares]
    clean = np.full(4, 0.5)

    def ball(x: Floats) -> Floats:
        return np.clip(x, clean - 0.1, clean + 0.1)

    x, f, g, raw = [clean], [losses[0]], [gradients[0]], [clean]
    eta, sizes, highest_at, size_at = 0.2, [0.2], {0: losses[0]}, {0: 0.2}
    best, last = 0, 0
    for k in range(total):
        z = ball(x[k] + eta * np.sign(g[k]))
        new = z if k == 0 else ball(x[k] + 0.75 * (z - x[k]) + 0.25 * (x[k] - x[k - 1]))
        raw.append(new)
        if k + 1 == total:
            break
        x.append(new), f.append(losses[k + 1]), g.append(gradients[k + 1])
        if f[k + 1] > f[best]:
            best = k + 1
        if k + 1 in checkpoints:
            rises = sum(f[i + 1] > f[i] for i in range(last, k + 1))
            first = rises < 0.75 * (k + 1 - last)
            second = size_at[last] == eta and highest_at[last] == f[best]
            size_at[k + 1], highest_at[k + 1], last = eta, f[best], k + 1
            if first or second:
                eta /= 2
                x[k + 1], f[k + 1], g[k + 1] = x[best], f[best], g[best]
                best = k + 1
                # The size that the next checkpoint compares with is the one before halving.
        sizes.append(eta)
    return raw, sizes


def script(kind: str, total: int) -> list[float]:
    rng = np.random.default_rng(7)
    if kind == "rising":
        return [1 + i / total for i in range(total)]
    if kind == "falling after 5":
        return [1 + (i if i <= 5 else 5 - i / total) / 10 for i in range(total)]
    if kind == "idle":
        # A peak, a fall at the first checkpoint's end, and a long climb that never reaches the peak again.
        return [3.0 if i == 10 else 1 + i / total for i in range(total)]
    return rng.uniform(0.5, 2, total).tolist()


@pytest.mark.parametrize("total", [1, 3, 10, 37, 100, 150])
@pytest.mark.parametrize("kind", ["rising", "falling after 5", "idle", "random"])
def test_as_the_paper_writes_it(kind: str, total: int) -> None:
    losses = script(kind, total)
    rng = np.random.default_rng(1)
    gradients = [rng.normal(size=4) for _ in range(total)]
    found, found_sizes = play(losses, gradients, total)
    expected, expected_sizes = published(losses, gradients, total)
    assert found_sizes == pytest.approx(expected_sizes)
    assert np.allclose(found, expected, rtol=0, atol=1e-9)


def test_the_step_is_halved_at_checkpoints_and_only_if_the_loss_stalls() -> None:
    gradients = [np.ones(4)] * 100
    sizes = play(script("falling after 5", 100), gradients, 100)[1]
    halved = [i for i in range(1, 100) if sizes[i] == sizes[i - 1] / 2]
    assert halved == [22, 41, 57, 70, 80, 87, 93, 99]
    assert set(play(script("rising", 100), gradients, 100)[1]) == {0.2}
    # Rising, so not halved at 22 for want of rises; at 41 nothing is better than at 22 and the step is the same.
    assert play(script("idle", 100), gradients, 100)[1][40:42] == [0.2, 0.1]


def test_a_halved_step_starts_from_the_best_point() -> None:
    rng = np.random.default_rng(3)
    gradients = [rng.normal(size=4) for _ in range(30)]
    losses = script("falling after 5", 100)[:30]
    iterates = play(losses, gradients, 100)[0]
    best, step = iterates[5], np.clip(iterates[5] + 0.1 * np.sign(gradients[5]), 0.4, 0.6)
    expected = best + 0.75 * (step - best) + 0.25 * (best - iterates[21])
    assert np.allclose(iterates[23], np.clip(expected, 0.4, 0.6), rtol=0, atol=1e-12)
