"""A copy of a model that computes the same logits and input gradients in less time.

The copy shares the model's parameters and buffers, and some of its modules are replaced: batch norms are folded into
the convolutions before them (`batchnorm_folding`), weights are laid out channels-last, and some layers get a faster
equivalent (`convolution`, `strided_convolution`, `upsample_convolution`). The model itself is never changed.
"""

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.acceleration import convolution, strided_convolution
from benchmark.acceleration.batchnorm_folding import Pair, foldable, folded, has_hooks, has_own_weight, is_plain
from benchmark.acceleration.convolution import laid_out
from benchmark.acceleration.upsample_convolution import FusedUpsampleConv, first_convolution

# Rounding moves a logit by about ten units in the last place of the largest logit. More than this is an error.
_ROUNDING = 1000


class AcceleratedModel:
    """The faster copy of a model, or the model itself where no copy computes the same.

    A copy is tried out against the model on some images. It is dropped if a logit differs by more than rounding
    explains or if the copy raises an error. If the model cannot be copied, there is none.

    Args:
        model: images (B, C, H, W) in [0, 1] -> logits, in eval mode, with parameters that need no gradient.
        images: (b, C, H, W) in [0, 1], on which the copy is tried out.
        fold: fold batch norms and replace layers by faster equivalents.
        channels_last: lay out images and the weights of convolutions channels-last.
        dtype: of the passes, if it is reduced. The copy is tried out before its weights are rounded to it.

    Attributes:
        module: the copy, or the model itself.
        channels_last: whether `module` is given images in that layout.
    """

    def __init__(
        self, model: nn.Module, images: Tensor, *, fold: bool, channels_last: bool, dtype: torch.dtype | None = None
    ) -> None:
        self.module, self.channels_last = model, False
        self._sources: list[tuple[nn.Module, str, Tensor, tuple[int, int]]] = []
        if not (fold or channels_last) or not any(is_plain(module) for module in model.modules()):
            return
        attempts: list[list[Pair] | None] = [foldable(model, images)] if fold else []
        if channels_last:
            attempts.append(None)
        # A model may keep its features. After this pass they have no graph any more, so that they can be copied.
        with torch.no_grad():
            expected = model(images.clone())
        if not isinstance(expected, Tensor):
            return  # the caller refuses such a model
        for pairs in attempts:
            copied = _accelerated_copy(model, pairs, channels_last)
            if copied is None or not _agrees(copied, images, expected, channels_last):
                continue
            if dtype is not None:
                copied = _accelerated_copy(model, pairs, channels_last, dtype)
            if copied is not None:
                self.module, self.channels_last = copied, channels_last
                self._sources = [(*source, _state(source[2])) for source in _weights(model)]
                return

    def __call__(self, images: Tensor) -> Tensor:
        """Logits of images (B, C, H, W) in [0, 1]."""
        return self.module(self.laid_out(images))

    def laid_out(self, images: Tensor) -> Tensor:
        """A copy of the images in the layout of `module`. A copy, because some models normalise in place."""
        return _in_layout(images, self.channels_last)

    def is_current(self) -> bool:
        """Whether every weight the copy was computed from is still the model's, with the values it had then."""
        return all(
            getattr(module, name, None) is tensor and _state(tensor) == state
            for module, name, tensor, state in self._sources
        )


def _weights(model: nn.Module) -> Iterator[tuple[nn.Module, str, Tensor]]:
    """The tensors from which a copy's are computed, and where they stand: module and name."""
    for module in model.modules():
        if has_own_weight(module) or isinstance(module, nn.BatchNorm2d):
            for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
                # This counts batches; nothing is computed from it.
                if name != "num_batches_tracked":
                    yield module, name, tensor


def _state(tensor: Tensor) -> tuple[int, int]:
    """Changes whenever a tensor gets other values or another memory."""
    return tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version


def _accelerated_copy(
    model: nn.Module, pairs: list[Pair] | None, channels_last: bool, dtype: torch.dtype | None = None
) -> nn.Module | None:
    """A copy that shares the model's tensors, except for replaced modules; None if the model cannot be copied.

    The `pairs` are folded, and layers with a faster equivalent are replaced; None: only the layout of weights changes.
    What `deepcopy` finds in its memo it takes from there. So tensors stay themselves, and a replaced module is replaced
    wherever the model refers to it.
    """
    memo: dict[int, Any] = {id(tensor): tensor for tensor in _tensors(model)}
    shared = set(memo)
    norms: dict[nn.Module, nn.BatchNorm2d] = dict(pairs or [])
    weights: dict[nn.Module, tuple[Tensor, Tensor | None]] = {}
    replacements: list[nn.Module] = []

    def replace(module: nn.Module, replacement: nn.Module) -> None:
        memo[id(module)] = replacement
        replacements.append(replacement)

    try:
        for module in model.modules():
            if isinstance(module, nn.Conv2d) and has_own_weight(module):
                weight, bias = folded(module, norms[module]) if module in norms else (module.weight, module.bias)
                weight = laid_out(weight.detach(), channels_last)
                bias = None if bias is None else bias.detach()
                weights[module] = weight, bias
                faster = None if pairs is None else _faster(module, weight, bias, channels_last, dtype)
                if faster is None:
                    faster = copy.deepcopy(module, memo)
                    faster.weight = nn.Parameter(weight, requires_grad=False)
                    faster.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
                replace(module, faster)
        for norm in norms.values():
            replace(norm, nn.Identity())
        for module in () if pairs is None else model.modules():
            first = None if has_hooks(module) else first_convolution(module)
            if first is not None and is_plain(first):
                block = copy.deepcopy(module, memo)
                weight, bias = weights[first]
                fused = FusedUpsampleConv(block, weight, bias, channels_last=channels_last, dtype=dtype)
                replace(module, fused)
        copied = copy.deepcopy(model, memo)
    except torch.OutOfMemoryError:
        raise
    except Exception:  # whatever an attribute that cannot be copied raises
        return None
    known = shared | {id(tensor) for replacement in replacements for tensor in _tensors(replacement)}
    # A module with a `__deepcopy__` of its own may not share its tensors; they would not follow the model's.
    return copied if all(id(tensor) in known for tensor in [*copied.parameters(), *copied.buffers()]) else None


def _faster(
    module: nn.Conv2d, weight: Tensor, bias: Tensor | None, channels_last: bool, dtype: torch.dtype | None
) -> nn.Module | None:
    """A faster equivalent of the convolution, with the given weights, if there is one."""
    if is_plain(module) and strided_convolution.suits(module):
        return strided_convolution.StridedConvolution(weight, bias, int(module.padding[0]), dtype)
    if is_plain(module) and convolution.suits(module):
        return convolution.Convolution(module, weight, bias, channels_last=channels_last, dtype=dtype)
    return None


def _tensors(model: nn.Module) -> Iterator[Tensor]:
    """Parameters, buffers and tensors that modules hold as plain attributes."""
    yield from model.parameters()
    yield from model.buffers()
    for module in model.modules():
        yield from (value for value in vars(module).values() if isinstance(value, Tensor))


def _agrees(copied: nn.Module, images: Tensor, expected: Tensor, channels_last: bool) -> bool:
    """Whether the copy's logits are the `expected` ones, up to rounding."""
    try:
        with torch.no_grad():
            logits = copied(_in_layout(images, channels_last))
    except torch.OutOfMemoryError:
        raise
    except Exception:  # such as a view of what is not contiguous, or an attribute that a replacement lacks
        return False
    tolerance = _ROUNDING * torch.finfo(expected.dtype).eps * expected.abs().max()
    return logits.shape == expected.shape and bool((logits - expected).abs().max() <= tolerance)


def _in_layout(images: Tensor, channels_last: bool) -> Tensor:
    return images.clone(memory_format=torch.channels_last if channels_last else torch.preserve_format)
