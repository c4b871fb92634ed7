"""Whether the tensors of a model are such that it can be attacked."""

import torch
from torch import nn

from benchmark.engine.precision import model_dtype
from benchmark.errors import InputError
from benchmark.model_errors import as_call_error, check_stored, model_name

_PASSES = {torch.bfloat16: "bf16", torch.float16: "16"}  # engine.precision for passes in it


def check_attackable(model: nn.Module) -> None:
    """Raise InputError, naming the victim, for parameters or buffers that cannot take part in exact passes.

    Those are of another dtype than float32 or float64, have no shape or no values yet, or were made in inference mode.
    """
    lead = f"victim {model_name(model)} cannot be attacked as it is"
    with as_call_error(model, "its tensors are listed"):
        tensors = [*model.named_parameters(), *model.named_buffers()]
    check_stored(tensors, lead)
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
