"""ASMA as it is commonly written: the baseline, from the formula of arXiv 1907.13124, section 2.2.

One image at a time; a forward pass for the gradient and another for the IoU; a backward pass into the parameters too,
because nothing tells PyTorch not to.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark.distributed.termination import check_stop


@dataclass
class Iterate:
    """The outcome of one step.

    Attributes:
        adv: (1, C, H, W), clamped to [0, 1].
        unclamped: (1, C, H, W), from which `preds` were predicted.
        preds: (1, h, w) int64.
        iou: of the foreground, to the target.
    """

    adv: Tensor
    unclamped: Tensor
    preds: Tensor
    iou: float


def steps_of(model: nn.Module, image: Tensor, target: Tensor, tau: float, beta: float) -> Iterator[Iterate]:
    """ASMA's steps for one image, without end.

    Args:
        model: images (B, C, H, W) in [0, 1] -> logits (B, K, h, w), K ≥ 2, in eval mode.
        image: (1, C, H, W) in [0, 1].
        target: (1, h, w) int64.
        tau, beta: the multiplier is τ at first, then β · IoU + τ.
    """
    adv, multiplier = image.clone(), tau
    while True:
        adv = adv.detach().requires_grad_()
        logits = model(adv)
        wrong = logits.argmax(1) != target
        chosen = logits.gather(1, target.unsqueeze(1)).squeeze(1)
        objective = (chosen * wrong).sum() - (adv - image).square().sum()
        model.zero_grad()
        objective.backward()
        with torch.no_grad():
            assert adv.grad is not None
            unclamped = adv + multiplier * adv.grad
            preds = model(unclamped).argmax(1)
        overlap = foreground_iou(preds, target)
        multiplier = beta * overlap + tau
        adv = unclamped.clamp(0, 1)
        yield Iterate(adv, unclamped, preds, overlap)


def foreground_iou(preds: Tensor, target: Tensor) -> float:
    """|A ∩ B| / |A ∪ B| of what is not class 0; 1 where both are empty."""
    one, other = preds > 0, target > 0
    union = (one | other).sum().item()
    return 1.0 if union == 0 else (one & other).sum().item() / union


def steps_until(
    model: nn.Module, image: Tensor, target: Tensor, *, tau: float, beta: float, iou: float, max_steps: int
) -> tuple[int, Tensor]:
    """Steps after which an oracle that costs nothing would stop, `max_steps` at most, and the iterate there.

    It stops as soon as the clamped iterate has the IoU in float; the loop itself cannot know without another pass.
    """
    adv = image
    for number, iterate in enumerate(steps_of(model, image, target, tau, beta), 1):
        adv = iterate.adv
        with torch.no_grad():
            reached = foreground_iou(model(adv).argmax(1), target) >= iou
        if reached or number == max_steps:
            return number, adv
    raise AssertionError("the steps have no end")


def run(model: nn.Module, images: Tensor, targets: Tensor, *, tau: float, beta: float, steps: int | list[int]) -> int:
    """Attack images (N, C, H, W), one after the other, with so many steps each; returns image-steps."""
    numbers = [steps] * len(images) if isinstance(steps, int) else steps
    for image, target, number in zip(images, targets, numbers, strict=True):
        loop = steps_of(model, image[None], target[None], tau, beta)
        for _ in range(number):
            check_stop()
            next(loop)
    return sum(numbers)
