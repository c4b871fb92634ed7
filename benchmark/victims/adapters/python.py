"""Any torch module that a function of the user's returns."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from benchmark.errors import InputError, nearest_of
from benchmark.model_errors import as_foreign_error


def network(factory: str, options: Mapping[str, Any] | None = None) -> nn.Module:
    """Import `factory` ("package.module:function"), call it with `options`, return the module it makes.

    This runs the user's code: `factory` must come from the user's own configuration, never from a checkpoint.

    Raises:
        InputError: nothing of that name, the import or the call fails, or the result is not a torch module.
    """
    module_name, colon, function_name = factory.partition(":")
    if not (module_name and colon and function_name):
        raise InputError(f"victim.factory={factory!r} is not of the form package.module:function")
    function = _import_function(factory, module_name, function_name)
    options = dict(options or {})
    with as_foreign_error(f"victim.factory={factory} failed when called with {options}", "check victim.options"):
        model = function(**options)
    if not isinstance(model, nn.Module):
        raise InputError(
            f"victim.factory={factory} returned {type(model).__name__}, expected the network, a torch.nn.Module"
        )
    return model


def _import_function(factory: str, module_name: str, function_name: str) -> Callable[..., object]:
    with as_foreign_error(
        f"victim.factory={factory}: importing {module_name} failed",
        "run from the folder that holds it or add that to PYTHONPATH",
    ):
        module = importlib.import_module(module_name)
    function = getattr(module, function_name, None)
    if not callable(function):
        functions = [name for name in vars(module) if callable(getattr(module, name))]
        raise InputError(nearest_of(f"function of {module_name}", function_name, functions, "victim.factory"))
    return function
