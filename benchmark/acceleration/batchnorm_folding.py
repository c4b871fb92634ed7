"""Batch norms folded into the convolutions before them.

A pair is folded if the convolution's output goes into the batch norm and nowhere else. The autograd graph of one pass
shows that.
"""

from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

Pair = tuple[nn.Conv2d, nn.BatchNorm2d]


def folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weight and bias of the convolution that does what both do one after the other; computed in float64."""
    assert norm.running_mean is not None
    assert norm.running_var is not None

    def wide(tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else tensor.detach().double()

    weight, bias = fuse_conv_bn_weights(
        convolution.weight.detach().double(),
        wide(convolution.bias),
        norm.running_mean.double(),
        norm.running_var.double(),
        norm.eps,
        wide(norm.weight),
        wide(norm.bias),
    )
    dtype = convolution.weight.dtype
    return weight.detach().to(dtype), bias.detach().to(dtype)


def foldable(model: nn.Module, images: Tensor) -> list[Pair]:
    """Convolutions with the batch norms after them: both called once in a pass, with no other use of what is between.

    Args:
        model: images -> logits, in eval mode.
        images: (b, C, H, W), for the one pass whose graph is read.
    """
    calls: list[tuple[nn.Module, Any, Any]] = []

    def record(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        calls.append((module, getattr(inputs[0], "grad_fn", None), getattr(output, "grad_fn", None)))

    candidates = [module for module in model.modules() if is_plain(module)]
    if not any(isinstance(module, nn.BatchNorm2d) for module in candidates):
        return []
    hooks = [module.register_forward_hook(record) for module in candidates]
    try:
        with torch.enable_grad():
            logits = model(images.detach().clone().requires_grad_() * 1)
    finally:
        for hook in hooks:
            hook.remove()
    if not isinstance(logits, Tensor):
        return []
    count = Counter(module for module, _, _ in calls)
    uses = _count_uses(logits.grad_fn)
    convolutions = {
        output: module for module, _, output in calls if isinstance(module, nn.Conv2d) and output is not None
    }
    return [
        (convolution, norm)
        for norm, given, _ in calls
        if isinstance(norm, nn.BatchNorm2d)
        and (convolution := convolutions.get(given)) is not None
        and count[norm] == count[convolution] == uses[given] == 1
    ]


def is_plain(module: nn.Module) -> bool:
    """A convolution, or a batch norm with statistics: no subclass, no hooks, no weight computed from others."""
    if has_hooks(module):
        return False
    if type(module) is nn.BatchNorm2d:
        return not module.training and module.running_mean is not None
    return has_own_weight(module)


def has_own_weight(module: nn.Module) -> bool:
    """Whether it is a convolution whose weight is a parameter, and not computed from others."""
    return type(module) is nn.Conv2d and "weight" in dict(module.named_parameters(recurse=False))


def has_hooks(module: nn.Module) -> bool:
    """Whether somebody has hooked into the module or given it another `forward`."""
    hooks = (module._forward_pre_hooks, module._forward_hooks, module._backward_pre_hooks, module._backward_hooks)
    return any(hooks) or "forward" in vars(module)


def _count_uses(last: Any) -> Counter[Any]:
    """How many operations use the output of each, in the autograd graph that ends at `last`."""
    uses: Counter[Any] = Counter()
    seen, pending = {last}, [last]
    while pending:
        node = pending.pop()
        for earlier, _ in [] if node is None else node.next_functions:
            uses[earlier] += 1
            if earlier not in seen:
                seen.add(earlier)
                pending.append(earlier)
    return uses
