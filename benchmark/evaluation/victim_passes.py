"""The passes of a victim's check, and what is seen in them."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.engine.model import AttackedModel
from benchmark.engine.slow_passes import SLOW_PASSES
from benchmark.evaluation.gradient_step import GradientStep, combination, step_along
from benchmark.evaluation.logit_rounding import Rounding, rounding_of
from benchmark.model_errors import as_model_error, checked_logits, is_program

_ALONE = "one image alone it predicts: attack with engine.slots=1, or let it take batches"


@dataclass(frozen=True, kw_only=True)
class Observations:
    """What the passes of a check have given; n images.

    Attributes:
        images: (n, C, H, W) in [0, 1].
        given: how many of them are as they were given; the others stand beside them only.
        raw: (n, K, h, w), the model's own outputs, before a one-logit head becomes two.
        draws: whether a pass has taken numbers from the generators of torch, numpy or Python.
        again: (n, K, h, w), of the same images once more, where a gradient is wanted.
        first: (1, K, h, w), of the first image alone; None for a batch of one.
        others: (m, K, h, w), of the last m images, the larger half, at other places beside other images, where a
            gradient is wanted; None for a batch of one.
        repeated: name and outputs of the pass that was made once more because passes differ: "raw", "first" or
            "others", with other random numbers, but for "raw" where `again` differs from it; None: none differ.
        gradient: (n, C, H, W), of a fixed random combination of the outputs; None: the outputs have none.
        rounding: what it explains.
        step: a step along the gradient; None if a pass was repeated, or there is no finite gradient to follow.
        changed: names of parameters and buffers that a pass has changed.
        overwrites: whether a pass has changed the images it was given.
        preds: the predicted classes, as `AttackedModel.classes` gives them.
        outputs: how many classes the model tells apart.
        dtype: of the images that the model is given.
        program: whether the network is a file, in which nothing can be edited.
        passes: forward and backward passes made.
    """

    images: Tensor
    given: int
    raw: Tensor
    draws: bool
    again: Tensor
    first: Tensor | None
    others: Tensor | None
    repeated: tuple[str, Tensor] | None
    gradient: Tensor | None
    rounding: Rounding
    step: GradientStep | None
    changed: Sequence[str]
    overwrites: bool
    preds: Tensor
    outputs: int
    dtype: torch.dtype
    program: bool
    passes: int


class Passes:
    """Makes the passes: at most 6, each with one line for whatever the model raises.

    Args:
        network: frozen.
        patience: seconds after which a pass that has not returned is named on stderr.
    """

    def __init__(self, network: AttackedModel, patience: float) -> None:
        self._network, self._patience, self.count = network, patience, 0

    def observe(self, batch: Tensor, given: int) -> Observations:
        """Predict the first image alone, all, half of them beside images unlike them, and all again with a gradient.

        Where two of these differ, one is made once more: what an identical pass shows, too, is not due to the batch.

        The random generators of torch, numpy and Python are left as they were. Raises InputError if the model fails.
        """
        with _generators_kept(batch.device):
            return self._observe(batch, given)

    def _observe(self, batch: Tensor, count: int) -> Observations:
        several, half, self.count = len(batch) > 1, len(batch) // 2, 0
        before, start, device = self._state(), _generators(batch.device), batch.device
        given = batch.clone()
        beside = torch.cat([batch[half:], _unlike(batch[:half])]) if several else _unlike(batch)
        first = self._without_gradient(batch[:1].clone()) if several else None
        middle = _generators(device)
        raw = self._without_gradient(given, cure=_ALONE if several else None)
        # What a network makes for good in its first passes, such as a grid of places, is no state that changes.
        before |= self._state(besides=before)
        draws = not _same(start, _generators(device))
        # Before the same images come again, so that what is left of these shows.
        others = self._with_gradient(beside)[0].detach()[: len(batch) - half]
        again, leaf = self._with_gradient(batch)
        gradient, again = self._backward(again, leaf), again.detach()
        rounding = rounding_of(raw, gradient, batch.dtype)
        differing = {
            "raw": rounding.differ(raw, again),
            "first": several and rounding.part(slice(1)).differ(first, raw[:1]),
            "others": several and rounding.part(slice(half, None)).differ(others, raw[half:]),
        }
        repeated: tuple[str, Tensor] | None = None
        if differing["raw"] or (differing["first"] and differing["others"]):
            if differing["raw"]:
                _restore(middle, device)
            repeated = "raw", self._without_gradient(batch.clone())
        elif differing["first"]:
            repeated = "first", self._without_gradient(batch[:1].clone())
        elif differing["others"]:
            repeated = "others", self._with_gradient(beside)[0].detach()[: len(batch) - half]
        step = None if repeated is not None or gradient is None else self._step(batch, raw, gradient, rounding)
        logits = self._network.class_logits(raw)
        changed = [name for name, value in self._state().items() if not equal(before.get(name), value)]
        return Observations(
            images=batch.cpu(),
            given=min(count, len(batch)),
            raw=raw.cpu(),
            draws=draws,
            again=again.cpu(),
            first=None if first is None else first.cpu(),
            others=others.cpu() if several else None,
            repeated=None if repeated is None else (repeated[0], repeated[1].cpu()),
            gradient=None if gradient is None else gradient.cpu(),
            rounding=rounding,
            step=step,
            changed=changed,
            overwrites=not torch.equal(given, batch),
            preds=self._network.classes(logits).cpu(),
            outputs=logits.shape[1],
            dtype=batch.dtype,
            program=is_program(self._network.model),
            passes=self.count,
        )

    def _without_gradient(self, images: Tensor, *, cure: str | None = None) -> Tensor:
        with torch.no_grad():
            return self._forward(images, cure=cure)

    def _with_gradient(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The outputs, and the leaf of their graph."""
        leaf = images.clone().requires_grad_()
        return self._forward(leaf.clone()), leaf

    def _forward(self, images: Tensor, *, cure: str | None = None) -> Tensor:
        """The model's own outputs, in a copy, because the next pass may write its own in their place."""
        model, device = self._network.model, self._network.device
        self.count += 1
        exact, slow = torch.autocast(device.type, enabled=False), SLOW_PASSES.watching(model, images, self._patience)
        with exact, slow, as_model_error(model, images, cure=cure):
            outputs = model(images)
        return checked_logits(outputs, model, images).clone()

    def _backward(self, outputs: Tensor, leaf: Tensor) -> Tensor | None:
        """Gradient of a random combination of the outputs, in which they do not cancel; None if they have none."""
        if not outputs.requires_grad:
            return None
        self.count += 1
        slow = SLOW_PASSES.watching(self._network.model, leaf, self._patience)
        with slow, as_model_error(self._network.model, leaf, act="fails in its backward pass"):
            return torch.autograd.grad((outputs * combination(outputs)).sum(), leaf, allow_unused=True)[0]

    def _step(self, batch: Tensor, raw: Tensor, gradient: Tensor, rounding: Rounding) -> GradientStep | None:
        """What a step along the gradient does, if it is finite and not zero throughout."""
        if not bool(gradient.isfinite().all()) or not bool(gradient.any()):
            return None
        moved, elsewhere = step_along(batch, gradient)
        after = self._without_gradient(moved.clone())
        if after.shape != raw.shape:
            return None
        rises = ((after - raw).double() * combination(raw)).flatten(1).sum(1)
        others = Rounding(scale=rounding.scale, limits=rounding.limits[elsewhere.cpu()])
        return GradientStep(
            expected=(gradient.double() * (moved - batch)).flatten(1).sum(1).cpu(),
            found=rises.cpu(),
            moved_elsewhere=elsewhere.cpu(),
            changed=bool(elsewhere.any()) and others.differ(raw[elsewhere], after[elsewhere]),
        )

    def _state(self, besides: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """Copies of the parameters and buffers, but for those of some names."""
        model = self._network.model
        tensors = [*model.named_parameters(), *model.named_buffers()]
        return {name: tensor.detach().clone() for name, tensor in tensors if name not in (besides or {})}


def _unlike(images: Tensor) -> Tensor:
    """Their negatives in black and white, beside which mean, spread and largest value of a batch are others.

    The images of a data set resemble each other so much that some dependence on them does not show.
    """
    return (images < images.mean((1, 2, 3), keepdim=True)).to(images)


def equal(one: Tensor | None, other: Tensor) -> bool:
    """Whether two tensors have the same shape and values; NaN equals NaN, and nothing equals None."""
    if one is None or one.shape != other.shape:
        return False
    same = one == other
    return bool((same | (one.isnan() & other.isnan())).all() if one.is_floating_point() else same.all())


def _generators(device: torch.device) -> tuple[Any, ...]:
    """The state of the generators of torch, numpy and Python."""
    on_device = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return torch.get_rng_state(), on_device, np.random.get_state(), random.getstate()


def _same(state: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether the generators are where they were; `state` and `other` are what `_generators` returns."""
    (cpu, cuda, of_numpy, of_python), (cpu_2, cuda_2, of_numpy_2, of_python_2) = state, other
    return (
        torch.equal(cpu, cpu_2)
        and (cuda is None or torch.equal(cuda, cuda_2))
        and all(np.array_equal(one, two) for one, two in zip(of_numpy, of_numpy_2, strict=True))
        and bool(of_python == of_python_2)
    )


def _restore(state: tuple[Any, ...], device: torch.device) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1], device)
    np.random.set_state(state[2])
    random.setstate(state[3])


@contextmanager
def _generators_kept(device: torch.device) -> Iterator[None]:
    state = _generators(device)
    try:
        yield
    finally:
        _restore(state, device)
