"""What a run needs of a network besides its passes, tried once before anything is written."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmark.errors import InputError
from benchmark.model_errors import as_call_error, as_foreign_error, check_stored

_MEND = "mend it there"


def check_usable(network: nn.Module, where: str) -> None:
    """Raise InputError, beginning with `where`, unless the network can be read, set to evaluation, moved and saved.

    Its modes stay as they are. Tensors without values, of no shape yet or in sparse layouts are refused by name.
    """
    _check_tensors(network, where)
    modes = [(module, module.training) for module in network.modules()]
    try:
        for act, cure, call in _calls(network):
            with as_foreign_error(f"{where}: the network ({type(network).__name__}) fails when {act}", cure):
                call()
    finally:
        for module, training in modes:
            module.training = training


def check_finite(network: nn.Module, where: str = "the victim") -> None:
    """Raise InputError, naming `where` and the tensor, at the first parameter or buffer with NaN or infinite values."""
    with as_call_error(network, "its state_dict() is read"):
        state = network.state_dict()
    for name, value in state.items():
        if isinstance(value, Tensor) and value.is_floating_point() and not bool(value.isfinite().all()):
            raise InputError(f"{where} has NaN or infinite values in {name}; train it again or use another checkpoint")


def _check_tensors(network: nn.Module, where: str) -> None:
    with as_foreign_error(f"{where}: the network ({type(network).__name__}) fails when its tensors are listed", _MEND):
        tensors = [*network.named_parameters(), *network.named_buffers()]
    check_stored(tensors, where)


def _calls(network: nn.Module) -> list[tuple[str, str, Callable[[], object]]]:
    """When a call is made, what to do if it fails, and the call."""
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    return [
        (
            "asked for an attribute that it does not have",
            "raise AttributeError there",
            lambda: [getattr(module, "no_such_attribute", None) for module in network.modules()],
        ),
        ("set to evaluation by eval()", _MEND, network.eval),
        ("moved to its device by to()", _MEND, lambda: network.to(device)),
        ("its state_dict() is read", _MEND, network.state_dict),
    ]
