"""Batch norms folded into the convolutions before them.

Folded are pairs where the convolution's output goes into the batch norm and nowhere else, which the autograd graph of
one pass shows.
"""

from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn

Pair = tuple[nn.Conv2d, nn.BatchNorm2d]


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

    candidates = [module for module in model.modules() if is_plain(module)]
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


def is_plain(module: nn.Module) -> bool:
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
