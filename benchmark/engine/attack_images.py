"""`attack`: attack a tensor of images with one call."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.attacks.base import Rule
from benchmark.engine.jobs import Finished, Job
from benchmark.engine.loop import Engine
from benchmark.errors import InputError
from benchmark.images.quantisation import EIGHT_BIT, Quantizer

_PER_IMAGE = {
    torch.bool: ("success", "success8", "success_clean", "nonfinite_gradient", "at_floor"),
    torch.int64: ("steps", "kept_step", "forwards", "backwards", "success_passes", "zero_gradients"),
    torch.float64: ("seconds",),
}
"""The attributes of `Finished` of which an `AttackResult` has one tensor for all images, by dtype."""


@dataclass(kw_only=True)
class AttackResult:
    """Per image, in input order; N images.

    Attributes:
        adv: (N, C, H, W) in [0, 1], on the CPU.
        success, success8, success_clean, nonfinite_gradient, at_floor: (N,) bool.
        steps, kept_step, forwards, backwards, zero_gradients: (N,) int64.
        success_passes: (N,) int64, -1 where there was no success.
        seconds: (N,) float64.
        finished: everything about each image, see `Finished`.
    """

    adv: Tensor
    success: Tensor
    success8: Tensor
    success_clean: Tensor
    nonfinite_gradient: Tensor
    at_floor: Tensor
    steps: Tensor
    kept_step: Tensor
    forwards: Tensor
    backwards: Tensor
    success_passes: Tensor
    zero_gradients: Tensor
    seconds: Tensor
    finished: list[Finished]


def attack(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    rule: Rule,
    *,
    valid: Tensor | None = None,
    truth: Tensor | None = None,
    eps: Tensor | None = None,
    starts: Tensor | None = None,
    ids: Sequence[str] | None = None,
    quantizer: Quantizer = EIGHT_BIT,
    **options: Any,
) -> AttackResult:
    """Attack any number of images.

    Args:
        model: images (B, C, H, W) in [0, 1] -> logits (B, K, h, w), K ≥ 1; K = 1 is a sigmoid head.
        images: (N, C, H, W) float in [0, 1].
        labels: (N, h, w) int: the target maps for a targeted rule, else the truth. With `multilabel=True` bit k of a
            value says that label k is there.
        rule: any update rule.
        valid: (N, h, w) bool, pixels that count; None: all.
        truth: (N, h, w) int, for a targeted rule that is judged against the truth.
        eps: (N,) budgets, image by image, in place of the rule's own.
        starts: (N, C, H, W) in [0, 1], in place of the rule's first iterates, see `Job`.
        ids: N names that seed random starts; None: "0", "1", ...
        quantizer: rounds images for `success8` as their files will be.
        **options: of `Engine`: judge, max_steps, max_passes, slots, stop, keep, confirm, precision, background,
            multilabel (one logit for each of K labels that may overlap), ...

    Raises:
        InputError: for images outside [0, 1] or not finite, labels out of range, shapes that do not fit.
    """
    names = [str(i) for i in range(len(images))] if ids is None else list(ids)
    if len(set(names)) != len(images):
        raise InputError(f"ids: {len(set(names))} different ones for {len(images)} images; give one for each")
    for name, other in (("labels", labels), ("valid", valid), ("truth", truth), ("eps", eps), ("starts", starts)):
        if other is not None and len(other) != len(images):
            raise InputError(f"{name}: {len(other)} for {len(images)} images; give one for each")
    with Engine(model, rule, quantizer=quantizer, **options) as engine:
        for i, name in enumerate(names):
            engine.submit(
                Job(
                    id=name,
                    image=images[i].cpu(),
                    labels=labels[i].cpu(),
                    valid=None if valid is None else valid[i].cpu(),
                    truth=None if truth is None else truth[i].cpu(),
                    eps=None if eps is None else float(eps[i]),
                    start=None if starts is None else starts[i].cpu(),
                )
            )
        done = {finished.job.id: finished for finished in engine.run()}
    finished_images = [done[name] for name in names]
    return AttackResult(
        adv=torch.stack([image.adv for image in finished_images]) if finished_images else images.cpu(),
        finished=finished_images,
        **{
            name: torch.tensor([_number(getattr(image, name)) for image in finished_images], dtype=dtype)
            for dtype, names in _PER_IMAGE.items()
            for name in names
        },
    )


def _number(value: float | None) -> float:
    return -1 if value is None else value
