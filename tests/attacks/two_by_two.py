"""A 2x2 image and a linear model on which attacks can be followed in plain Python, and a driver without the engine."""

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

from benchmark.attacks.base import Batch, Rule
from benchmark.attacks.pgd import PGD

PIXELS = range(4)
IMAGE = [0.4, 0.55, 0.6, 0.45]
LABELS = [0, 1, 0, 2]
# WEIGHTS[k][p][j]: how much value j of the image adds to the logit of class k at pixel p. Pixels influence each other,
# so that the weight a loss gives to one of them changes the gradient at all.
WEIGHTS = [
    [[3.0, -1.0, 0.5, 0.0], [1.0, 2.0, -1.5, 0.5], [0.0, 1.0, 2.5, -2.0], [-1.0, 0.5, 1.0, 3.0]],
    [[-2.0, 1.0, 0.0, 1.5], [0.5, 3.5, 1.0, -1.0], [2.0, -0.5, 1.5, 0.0], [1.0, 0.0, -1.0, 2.0]],
    [[0.5, 0.5, -2.0, 1.0], [-1.0, 0.0, 2.0, 1.0], [1.5, 1.5, 0.0, -1.0], [0.0, -2.0, 0.5, 1.0]],
]


class Linear(nn.Module):
    """logits[k, p] = sum over j of WEIGHTS[k][p][j] x[j], for images (B, 1, 2, 2)."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(WEIGHTS[:classes], dtype=torch.float64))

    def forward(self, images: Tensor) -> Tensor:
        return torch.einsum("kpj,bj->bkp", self.weight, images.flatten(1)).unflatten(2, (2, 2))


def logits_at(values: Sequence[float], classes: int = 3) -> list[list[float]]:
    """Logits of each pixel, [pixel][class]."""
    return [[sum(WEIGHTS[k][p][j] * values[j] for j in PIXELS) for k in range(classes)] for p in PIXELS]


def softmax(scores: Sequence[float]) -> list[float]:
    total = sum(math.exp(score) for score in scores)
    return [math.exp(score) / total for score in scores]


def cross_entropy_gradient(
    values: Sequence[float], weight: Callable[[list[float], int], float], counted: Sequence[int] = PIXELS
) -> list[float]:
    """Gradient of the mean over `counted` pixels of weight(logits, label) times cross-entropy; weights held fixed."""
    gradient = [0.0] * 4
    for p in counted:
        scores, label = logits_at(values)[p], LABELS[p]
        for k, share in enumerate(softmax(scores)):
            pull = weight(scores, label) * (share - (k == label)) / len(counted)
            for j in PIXELS:
                gradient[j] += pull * WEIGHTS[k][p][j]
    return gradient


def predicted(scores: Sequence[float]) -> int:
    return max(range(len(scores)), key=lambda k: scores[k])


def square(values: Sequence[float]) -> Tensor:
    """(1, 1, 2, 2) float64."""
    return torch.tensor(values, dtype=torch.float64).view(1, 1, 2, 2)


def make_batch(
    rule: Rule,
    images: Tensor,
    labels: Tensor,
    *,
    classes: int,
    max_steps: int = 10,
    steps: int = 0,
    valid: Tensor | None = None,
    eps: Tensor | None = None,
    class_pixels: tuple[float, ...] | None = None,
) -> Batch:
    """What the engine would hand to the rule, which has been started."""
    count, device = len(images), images.device
    budget = math.inf if rule.eps is None else rule.eps
    batch = Batch(
        images=images,
        iterates=images,
        labels=labels,
        valid=torch.ones_like(labels, dtype=torch.bool) if valid is None else valid,
        steps=torch.full((count,), steps, device=device),
        max_steps=max_steps,
        seeds=torch.arange(1, count + 1, device=device) * 1234567,
        classes=classes,
        background=0,
        clean_lead=torch.ones(count, dtype=images.dtype, device=device),
        eps=torch.full((count,), budget, dtype=images.dtype, device=device) if eps is None else eps,
        best_norm=torch.full((count,), math.inf, dtype=images.dtype, device=device),
        done=torch.zeros(count, dtype=torch.bool, device=device),
        class_pixels=class_pixels,
    )
    batch.iterates = rule.start(batch)
    return batch


def two_by_two(rule: Rule, counted: Sequence[int] = PIXELS, **options: object) -> Batch:
    """The image of this module, of whose pixels only `counted` are valid."""
    valid = torch.tensor([p in counted for p in PIXELS]).view(1, 2, 2)
    return make_batch(rule, square(IMAGE), torch.tensor(LABELS).view(1, 2, 2), classes=3, valid=valid, **options)  # type: ignore[arg-type]


class Passes:
    """A Query without an engine."""

    def __init__(self, model: nn.Module, batch: Batch) -> None:
        self.model, self.batch, self.losses = model, batch, torch.empty(0)

    def forward(self, points: Tensor | None = None) -> Tensor:
        return self.model(self.batch.iterates if points is None else points).detach()

    def gradient(self, loss: Callable[[Tensor, Tensor], Tensor], points: Tensor | None = None) -> tuple[Tensor, Tensor]:
        leaf = (self.batch.iterates if points is None else points).detach().requires_grad_()
        logits = self.model(leaf)
        self.losses = loss(logits, leaf)
        return logits.detach(), torch.autograd.grad(self.losses.sum(), leaf)[0]

    def judge(self, logits: Tensor) -> Tensor:
        raise AssertionError("no fixed-budget rule asks for a judgement")


def drive(rule: Rule, model: nn.Module, batch: Batch, steps: int) -> list[Tensor]:
    """All iterates, the first one included: steps + 1."""
    iterates = [batch.iterates]
    for _ in range(steps):
        batch.iterates = rule.step(batch, Passes(model, batch))
        batch.steps = batch.steps + 1
        iterates.append(batch.iterates)
    return iterates


def assert_weighted_step(
    rule: PGD, batch: Batch, weight: Callable[[list[float], int], float], counted: Sequence[int]
) -> None:
    """One update of a rule in the 2-norm is that of cross-entropy times `weight(logits, label)`, worked out by hand.

    The weights are held fixed: their own gradient would add to the one expected here.

    Args:
        batch: of `two_by_two`, whose valid pixels are `counted`.
    """
    query = Passes(Linear(), batch)
    found = rule.step(batch, query)
    sense = -1 if rule.targeted else 1
    loss = 0.0
    for p in counted:
        scores = logits_at(IMAGE)[p]
        loss -= weight(scores, LABELS[p]) * math.log(softmax(scores)[LABELS[p]]) / len(counted)
    assert query.losses.item() == pytest.approx(sense * loss, abs=1e-12)
    gradient = cross_entropy_gradient(IMAGE, weight, counted)
    step = sense * rule.step_size / math.hypot(*gradient)
    expected = [value + step * pull for value, pull in zip(IMAGE, gradient, strict=True)]
    assert torch.allclose(found, square(expected), rtol=0, atol=1e-12)
