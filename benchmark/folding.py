"""Weights as the passes of an attack like them: batch norms folded into their convolutions, channels last.

With them comes a faster gradient of a strided first layer, see `strided`.

Folded are pairs where the convolution's output goes into the batch norm and nowhere else, which the autograd graph of
one pass shows. The model itself is untouched: the other weights are in place only while a pass through them is made.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.strided import StridedConvolution, suits

Pair = tuple[nn.Conv2d, nn.BatchNorm2d]

# Rounding moves logits by some ten units in the last place of the largest; a fold that is wrong by more than this.
_ROUNDING = 1000


class Weights:
    """Parameters and methods that stand in for a model's own inside of `in_place`; batch norms are passed over."""

    def __init__(self, model: nn.Module, pairs: list[Pair], channels_last: bool, strided: bool = False) -> None:
        self._methods: list[tuple[nn.Module, Callable[[Tensor], Tensor]]] = [(norm, _same) for _, norm in pairs]
        self.channels_last = channels_last
        norms: dict[nn.Module, nn.BatchNorm2d] = dict(pairs)
        own: list[tuple[nn.Module, str, nn.Parameter | None]] = []
        other: list[nn.Parameter] = []
        for module in model.modules():
            if type(module) is not nn.Conv2d or "weight" not in module._parameters:
                continue
            weight, bias = folded(module, norms[module]) if module in norms else (module.weight, module.bias)
            if channels_last:
                weight = weight.detach().contiguous(memory_format=torch.channels_last)
            if strided and suits(module) and _is_plain(module):
                assert not isinstance(module.padding, str)
                self._methods.append((module, StridedConvolution(weight.detach(), bias, module.padding[0])))
            for name, value in (("weight", weight), ("bias", bias)):
                if value is not None and value is not module._parameters[name]:
                    own.append((module, name, module._parameters[name]))
                    other.append(nn.Parameter(value.detach(), requires_grad=False))
        self._own, self._other = own, other

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Passes made in here go through these weights; so do backward passes of those, wherever they are made."""
        try:
            for (module, name, _), parameter in zip(self._own, self._other, strict=True):
                module._parameters[name] = parameter
            for module, method in self._methods:
                module.__dict__["forward"] = method
            yield
        finally:
            for module, name, own in self._own:
                module._parameters[name] = own
            for module, _ in self._methods:
                module.__dict__.pop("forward", None)

    def laid_out(self, points: Tensor) -> Tensor:
        """A copy of points (B, C, H, W) as these weights like it; a copy, because some models normalise in place."""
        return points.clone(memory_format=torch.channels_last if self.channels_last else torch.preserve_format)


def fast_weights(model: nn.Module, points: Tensor, fold: bool, channels_last: bool) -> Weights:
    """Weights for a model in eval mode whose parameters need no gradient.

    Whatever moves a logit by more than rounding does, or is more than the model can take, is left out.

    Args:
        model: images (B, C, H, W) in [0, 1] -> logits.
        points: (B, C, H, W), on which it is tried out.
        fold: whether batch norms are to be folded, and strided first layers to get their faster gradient.
        channels_last: whether images and the convolutions' weights are to be laid out so.
    """
    pairs = foldable(model, points) if fold else []
    if not any(_is_plain(module) for module in model.modules()) or not (fold or channels_last):
        return Weights(model, [], False)
    for weights in (Weights(model, pairs, channels_last, fold), Weights(model, [], channels_last)):
        if _agree(model, points, weights):
            return weights
    return Weights(model, [], False)


def _agree(model: nn.Module, points: Tensor, weights: Weights) -> bool:
    """Whether logits through these weights are those of the model itself, up to rounding."""
    with torch.no_grad():
        expected = model(points.clone())
        try:
            with weights.in_place():
                found = model(weights.laid_out(points))
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:  # such as a view of what is not contiguous
            return False
    if not isinstance(expected, Tensor):
        return True  # for the caller to refuse
    tolerance = _ROUNDING * torch.finfo(expected.dtype).eps * expected.abs().max()
    return bool((found - expected).abs().max() <= tolerance)


def folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weight and bias of the convolution that does what both do one after the other; computed in float64.

    With s = γ/√(σ² + ε):  W' = s·W,  b' = s·(b − μ) + β.
    """
    assert norm.running_mean is not None
    assert norm.running_var is not None
    weight = convolution.weight.detach()
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    shift = -norm.running_mean.double()
    if convolution.bias is not None:
        shift = shift + convolution.bias.detach().double()
    if norm.affine:
        scale = scale * norm.weight.detach().double()
    bias = scale * shift
    if norm.affine:
        bias = bias + norm.bias.detach().double()
    return (weight.double() * scale.view(-1, 1, 1, 1)).to(weight.dtype), bias.to(weight.dtype)


def foldable(model: nn.Module, points: Tensor) -> list[Pair]:
    """Convolutions and the batch norms they go into, each called once in a pass and the output used nowhere else."""
    calls: list[tuple[nn.Module, Any, Any]] = []

    def note(module: nn.Module, given: tuple[Any, ...], output: Any) -> None:
        calls.append((module, getattr(given[0], "grad_fn", None), getattr(output, "grad_fn", None)))

    candidates = [module for module in model.modules() if _is_plain(module)]
    if not any(isinstance(module, nn.BatchNorm2d) for module in candidates):
        return []
    hooks = [module.register_forward_hook(note) for module in candidates]
    try:
        with torch.enable_grad():
            logits = model(points.detach().clone().requires_grad_() * 1)
    finally:
        for hook in hooks:
            hook.remove()
    if not isinstance(logits, Tensor):
        return []
    times = Counter(module for module, _, _ in calls)
    uses = _uses(logits.grad_fn)
    made = {output: module for module, _, output in calls if isinstance(module, nn.Conv2d) and output is not None}
    return [
        (convolution, norm)
        for norm, given, _ in calls
        if isinstance(norm, nn.BatchNorm2d)
        and isinstance(convolution := made.get(given), nn.Conv2d)
        and times[norm] == times[convolution] == uses[given] == 1
    ]


def _is_plain(module: nn.Module) -> bool:
    """A convolution, or a batch norm with statistics, that is just that: no subclass, no hooks, nothing computed."""
    if module._forward_hooks or module._forward_pre_hooks or "forward" in module.__dict__:
        return False
    if type(module) is nn.BatchNorm2d:
        return not module.training and module.running_mean is not None
    return type(module) is nn.Conv2d and "weight" in module._parameters


def _uses(last: Any) -> Counter[Any]:
    """How many operations use the output of each, in the graph that ends at `last`."""
    uses: Counter[Any] = Counter()
    seen, ahead = {last}, [last]
    while ahead:
        node = ahead.pop()
        for earlier, _ in [] if node is None else node.next_functions:
            uses[earlier] += 1
            if earlier not in seen:
                seen.add(earlier)
                ahead.append(earlier)
    return uses


def _same(values: Tensor) -> Tensor:
    return values
