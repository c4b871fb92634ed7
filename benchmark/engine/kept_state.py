"""Leaves a model's parameters and buffers as they were, whatever passes do to them."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def kept_state(model: nn.Module) -> Iterator[None]:
    """Put back all parameters and buffers on leaving: the same tensors with the same values, and no others.

    Some networks count their passes or average over them in buffers, so that a trial would change what is attacked.
    """
    tensors = [tensor for tensor in [*model.parameters(), *model.buffers()] if not tensor.is_meta]
    values = [(tensor, tensor.detach().clone()) for tensor in tensors]
    buffers = [(module, dict(module._buffers.items())) for module in model.modules()]
    try:
        yield
    finally:
        for module, named in buffers:
            _put_back(module, named)
        with torch.no_grad():
            for tensor, value in values:
                if tensor.shape != value.shape or tensor.dtype != value.dtype:
                    tensor.data = value
                elif tensor.is_sparse or not torch.equal(tensor, value):
                    tensor.copy_(value)


def _put_back(module: nn.Module, named: dict[str, Tensor | None]) -> None:
    """Give the module these buffers, and no others."""
    for name, buffer in list(module._buffers.items()):
        if name not in named:
            delattr(module, name)
        elif buffer is not named[name]:
            setattr(module, name, named[name])
