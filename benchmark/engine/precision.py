"""Precisions of an attack's passes, and the context in which a model is attacked."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

import torch
from torch import nn

from benchmark.errors import InputError
from benchmark.model_errors import as_call_error

Precision = Literal[64, 32, "tf32", "bf16", 16]
"""What the forward and backward passes of an attack run in; the perturbation is float32 (float64 for 64) throughout."""

AUTOCAST = {"bf16": torch.bfloat16, 16: torch.float16}


def normalise_precision(precision: object) -> Precision:
    """64, 32, "tf32", "bf16" or 16 from their usual spellings; raises InputError for anything else."""
    known: Precision
    for known in get_args(Precision):
        if str(precision) == str(known):
            return known
    raise InputError(f"engine.precision={precision}: not one of {', '.join(map(str, get_args(Precision)))}")


def model_dtype(model: nn.Module) -> torch.dtype:
    """The dtype of the model's floating-point parameters; float32 if it has none."""
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)


def model_device(model: nn.Module) -> torch.device:
    """The device of the model's parameters; the CPU if it has none."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))


@contextmanager
def frozen(model: nn.Module, dtype: torch.dtype) -> Iterator[None]:
    """Put the model into eval mode, without parameter gradients, in `dtype`; restore everything on leaving.

    The original parameter and buffer tensors are put back, not copies converted there and back. Inside, float32 means
    float32: GPUs would otherwise compute convolutions with TF32's 10 bits of mantissa.
    """
    modes = [(module, module.training) for module in model.modules()]
    gradients = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    tensors = [
        (tensor, tensor.data)
        for tensor in [*model.parameters(), *model.buffers()]
        if tensor.is_floating_point() and tensor.dtype != dtype
    ]
    try:
        with as_call_error(model, "set to evaluation by eval()"):
            model.eval()
        for parameter, _ in gradients:
            parameter.requires_grad_(False)
        # Converted in the caller's inference mode they could not take part in a backward pass.
        with torch.inference_mode(False):
            for tensor, original in tensors:
                tensor.data = original.to(dtype)
        with float32_products("highest"):
            yield
    finally:
        for tensor, original in tensors:
            tensor.data = original
        for parameter, needed in gradients:
            parameter.requires_grad_(needed)
        for module, training in modes:
            module.training = training


@contextmanager
def float32_products(precision: Literal["highest", "high"]) -> Iterator[None]:
    """How GPUs multiply float32 numbers inside: "highest" in float32, "high" in TF32."""
    products, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision(precision)
    torch.backends.cudnn.allow_tf32 = precision == "high"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = convolutions
