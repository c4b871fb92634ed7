"""Weights and methods with which the passes of an attack are faster than with the model's own.

Batch norms are folded into their convolutions, see `folding`; images and weights are laid out channels-last, and stay
so; and some modules do the same in another way, see `convolutions`, `strided` and `enlarging`. The model itself is
untouched: these stand in for its own only while a pass through them is made.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.acceleration import convolution, strided_convolution, upsample_convolution
from benchmark.acceleration.batchnorm_folding import Pair, foldable, folded, is_plain

# Rounding moves logits by some ten units in the last place of the largest; a stand-in that is wrong by more than this.
_ROUNDING = 1000


class AcceleratedModel:
    """Parameters and methods that stand in for a model's own inside of `in_place`; batch norms are passed over.

    Args:
        model: whose they are.
        pairs: what is folded.
        channels_last: the layout.
        methods: whether modules get other methods, too.
        dtype: of these methods' weights, if passes are made in a reduced one.
    """

    def __init__(
        self,
        model: nn.Module,
        pairs: list[Pair],
        channels_last: bool,
        methods: bool = False,
        dtype: torch.dtype | None = None,
    ) -> None:
        self._methods: list[tuple[nn.Module, Callable[..., Tensor]]] = [(norm, _same) for _, norm in pairs]
        self.channels_last = channels_last
        norms: dict[nn.Module, nn.BatchNorm2d] = dict(pairs)
        own: list[tuple[nn.Module, str, nn.Parameter | None]] = []
        other: list[nn.Parameter] = []
        weights: dict[nn.Module, tuple[Any, ...]] = {}
        for module in model.modules():
            if type(module) is not nn.Conv2d or "weight" not in module._parameters:
                continue
            weight, bias = folded(module, norms[module]) if module in norms else (module.weight, module.bias)
            if channels_last:
                weight = weight.detach().contiguous(memory_format=torch.channels_last)
            weights[module] = (weight.detach(), None if bias is None else bias.detach(), channels_last, dtype)
            for name, value in (("weight", weight), ("bias", bias)):
                if value is not None and value is not module._parameters[name]:
                    own.append((module, name, module._parameters[name]))
                    other.append(nn.Parameter(value.detach(), requires_grad=False))
        self._own, self._other = own, other
        if methods:
            self._methods += [
                (module, method) for module in model.modules() if (method := _method(module, weights)) is not None
            ]

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Passes made in here go through these; so do backward passes of those, wherever they are made."""
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
        """A copy of points (B, C, H, W) as these like it; a copy, because some models normalise in place."""
        return points.clone(memory_format=torch.channels_last if self.channels_last else torch.preserve_format)


def accelerated(
    model: nn.Module, points: Tensor, fold: bool, channels_last: bool, dtype: torch.dtype | None = None
) -> AcceleratedModel:
    """What stands in for a model's own in eval mode, its parameters needing no gradient.

    Whatever moves a logit by more than rounding does, or is more than the model can take, is left out.

    Args:
        model: images (B, C, H, W) in [0, 1] -> logits.
        points: (B, C, H, W), on which it is tried out.
        fold: whether batch norms are to be folded, and modules to do what they do in the fastest way.
        channels_last: whether images and the convolutions' weights are to be laid out so.
        dtype: what passes are made in, if that is reduced; weights are tried out before they are rounded to it.
    """
    pairs = foldable(model, points) if fold else []
    if not any(is_plain(module) for module in model.modules()) or not (fold or channels_last):
        return AcceleratedModel(model, [], False)
    for own, methods in ((pairs, fold), ([], False)):
        made = AcceleratedModel(model, own, channels_last, methods)
        if _agree(model, points, made):
            return made if dtype is None else AcceleratedModel(model, own, channels_last, methods, dtype)
    return AcceleratedModel(model, [], False)


def _agree(model: nn.Module, points: Tensor, made: AcceleratedModel) -> bool:
    """Whether logits through these are those of the model itself, up to rounding."""
    with torch.no_grad():
        expected = model(points.clone())
        try:
            with made.in_place():
                found = model(made.laid_out(points))
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:  # such as a view of what is not contiguous
            return False
    if not isinstance(expected, Tensor):
        return True  # for the caller to refuse
    tolerance = _ROUNDING * torch.finfo(expected.dtype).eps * expected.abs().max()
    return bool((found - expected).abs().max() <= tolerance)


def _method(module: nn.Module, weights: dict[nn.Module, tuple[Any, ...]]) -> Callable[..., Tensor] | None:
    """What does the same faster, if anything; `weights` are each convolution's weight, bias, layout and dtype."""
    if module._forward_hooks or module._forward_pre_hooks or "forward" in module.__dict__:
        return None
    if (first := upsample_convolution.first_convolution(module)) is not None and is_plain(first):
        return upsample_convolution.FusedUpsampleConv(module, *weights[first])
    if not isinstance(module, nn.Conv2d) or not is_plain(module):
        return None
    if strided_convolution.suits(module):
        weight, bias, _, dtype = weights[module]
        return strided_convolution.StridedConvolution(weight, bias, int(module.padding[0]), dtype)
    return convolution.Convolution(module, *weights[module]) if convolution.suits(module) else None


def _same(values: Tensor) -> Tensor:
    return values
