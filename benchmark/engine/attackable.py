"""Whether the tensors of a model are such that it can be attacked."""

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from benchmark.engine.precision import model_dtype
from benchmark.errors import InputError
from benchmark.model_errors import as_call_error, model_name

_PASSES = {torch.bfloat16: "bf16", torch.float16: "16"}  # engine.precision for passes in it


def check_attackable(model: nn.Module) -> None:
    """Raise InputError, naming the victim, for parameters or buffers that cannot take part in exact passes.

    Those are of another dtype than float32 or float64, have no shape or no values yet, or were made in inference mode.
    """
    lead = f"victim {model_name(model)} cannot be attacked as it is"
    with as_call_error(model, "its tensors are listed"):
        tensors = [*model.named_parameters(), *model.named_buffers()]
    for name, tensor in tensors:
        if is_lazy(tensor):
            raise InputError(
                f"{lead}: {name} has no shape before the first images (a lazy module); call the network once, as in "
                "network(torch.zeros(1, 3, 64, 64))"
            )
        if tensor.is_meta:
            raise InputError(f"{lead}: it has weights without values ({name}, device meta); load them first")
        if tensor.layout != torch.strided:
            raise InputError(
                f"{lead}: {name} is a sparse tensor ({tensor.layout}); keep {name}.to_dense() in place of it"
            )
    if any(parameter.is_inference() for parameter in model.parameters()):
        raise InputError(
            f"{lead}: it was made in inference mode, so that it has no gradients; make it outside of inference mode"
        )
    dtype = model_dtype(model)
    if dtype not in (torch.float32, torch.float64):
        passes = _PASSES.get(dtype)
        more = (
            f", and give engine.precision={passes} for passes in {str(dtype).removeprefix('torch.')}" if passes else ""
        )
        raise InputError(f"{lead}: its parameters are {dtype}; attack it in float32, as network.float() gives it{more}")
