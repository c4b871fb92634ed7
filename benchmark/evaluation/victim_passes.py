"""The passes of a victim's check, and what is seen in them."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.engine.model import AttackedModel
from benchmark.engine.slow_passes import SLOW_PASSES
from benchmark.model_errors import as_model_error, checked_logits

# Relative difference of logits, in units of the last place. Among the networks of conf/victim one image differs from
# itself in a batch by 20 at most, and by 4 in float64; two passes of the same batch do not differ.
ROUNDING = 1000

_ALONE = "one image alone it predicts: attack with engine.slots=1, or let it take batches"


@dataclass(frozen=True, kw_only=True)
class Observations:
    """What the passes of a check have given; n images.

    Attributes:
        images: (n, C, H, W) in [0, 1].
        given: how many of them are as they were given; the others stand beside them only.
        raw: (n, K, h, w), the model's own outputs, before a one-logit head becomes two.
        again: (n, K, h, w), of the same images once more.
        seeded: (n, K, h, w), of the same images with the random generators as they were for `raw`, where a gradient is
            wanted as for `again`; None if all outputs of an image are equal, so that nobody has to know.
        first, last: (1, K, h, w), of the first image alone, and of the last in another batch; None for a batch of one.
        gradient: (n, C, H, W), of a fixed random combination of the outputs; None: the outputs have none.
        changed: names of parameters and buffers that a pass has changed.
        overwrites: whether a pass has changed the images it was given.
        preds: the predicted classes, as `AttackedModel.classes` gives them.
        outputs: how many classes the model tells apart.
        dtype: of the images that the model is given.
        passes: forward and backward passes made.
    """

    images: Tensor
    given: int
    raw: Tensor
    again: Tensor
    seeded: Tensor | None
    first: Tensor | None
    last: Tensor | None
    gradient: Tensor | None
    changed: Sequence[str]
    overwrites: bool
    preds: Tensor
    outputs: int
    dtype: torch.dtype
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
        """Predict the first image alone, all, the last beside images unlike it, and all once more with a gradient.

        The random generators of torch, numpy and Python are left as they were. Raises InputError if the model fails.
        """
        with _generators_kept(batch.device):
            return self._observe(batch, given)

    def _observe(self, batch: Tensor, count: int) -> Observations:
        several, self.count = len(batch) > 1, 0
        before = self._state()
        with torch.no_grad():
            first = self._forward(batch[:1].clone()) if several else None
            given, state = batch.clone(), _generators(batch.device)
            raw = self._forward(given, cure=_ALONE if several else None)
            overwrites = not torch.equal(given, batch)
            # Before the same images come again, so that what is left of these shows.
            others = self._forward(torch.cat([batch[-1:], _unlike(batch[:-1])]) if several else _unlike(batch))
            last = others[:1] if several else None
        leaf = batch.clone().requires_grad_()
        again = self._forward(leaf.clone())
        gradient = self._backward(again, leaf)
        alone = several and _close(first, raw[:1]) and _close(last, raw[-1:])
        seeded = None
        if not equal(raw, again.detach()) or (several and not alone):
            _restore(state, batch.device)
            seeded = self._forward(batch.clone().requires_grad_()).detach()
        logits = self._network.class_logits(raw)
        changed = [name for name, value in self._state().items() if not equal(before.get(name), value)]
        return Observations(
            images=batch.cpu(),
            given=min(count, len(batch)),
            raw=raw.cpu(),
            again=again.detach().cpu(),
            seeded=None if seeded is None else seeded.cpu(),
            first=None if first is None else first.cpu(),
            last=None if last is None else last.cpu(),
            gradient=None if gradient is None else gradient.cpu(),
            changed=changed,
            overwrites=overwrites,
            preds=self._network.classes(logits).cpu(),
            outputs=logits.shape[1],
            dtype=batch.dtype,
            passes=self.count,
        )

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
        weights = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(0)).to(outputs)
        slow = SLOW_PASSES.watching(self._network.model, leaf, self._patience)
        with slow, as_model_error(self._network.model, leaf, act="fails in its backward pass"):
            return torch.autograd.grad((outputs * weights).sum(), leaf, allow_unused=True)[0]

    def _state(self) -> dict[str, Tensor]:
        model = self._network.model
        tensors = [*model.named_parameters(), *model.named_buffers()]
        return {name: tensor.detach().clone() for name, tensor in tensors}


def _close(one: Tensor | None, other: Tensor) -> bool:
    """Whether they differ by less than rounding explains, so that no further pass has to say why."""
    if one is None or one.shape != other.shape:
        return False
    limit = ROUNDING * torch.finfo(other.dtype).eps * float(other.abs().max())
    return bool(((one - other).abs() <= limit).all())


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
