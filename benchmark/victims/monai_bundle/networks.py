"""Networks of monai.networks.nets by the names of their classes."""

import inspect
import re
from collections.abc import Mapping
from typing import Any

from torch import nn

from benchmark.errors import InputError, first_line, nearest_of
from benchmark.victims.adapters import import_extra
from benchmark.victims.monai_bundle.configuration import BundleConfiguration

_MOST = 8  # names for one network
# A network that is only put on a device, or told that it is not trained.
_DEVICE = (
    r"""(?:device=)?(?:@\w*device\w*|'(?:cpu|cuda(?::\d)?)'|"(?:cpu|cuda(?::\d)?)"|torch\.device\(['"][\w:]+['"]\))"""
)
_MOVED = re.compile(rf"\$\s*(@[\w:#]+)\s*(?:\.(?:to\({_DEVICE}\)|cuda\(\)|cpu\(\)|eval\(\)|float\(\)))+\s*")


def known_networks() -> dict[str, type[nn.Module]]:
    """Name -> class. Raises InputError if MONAI is not installed."""
    nets = import_extra("monai.networks.nets", "monai")
    return {
        name: member for name, member in vars(nets).items() if inspect.isclass(member) and issubclass(member, nn.Module)
    }


def build(name: str, arguments: Mapping[str, Any], key: str, cure: str) -> nn.Module:
    """The network of a class. Raises InputError, naming `key`, for an unknown class and for unusable arguments."""
    known = known_networks()
    if name not in known:
        raise InputError(nearest_of("network of MONAI", name, known, key))
    try:
        return known[name](**arguments)
    except Exception as error:  # the library raises errors of many types
        raise InputError(
            f"{key}={name}: cannot be built from {dict(arguments)} ({first_line(error)}); {cure}"
        ) from error


def sizes(name: str, channels: int, outputs: int) -> dict[str, int]:
    """Those arguments that say dimensions, channels and classes which the class takes."""
    known = known_networks()
    parameters = inspect.signature(known[name]).parameters if name in known else {}
    values = {"spatial_dims": 2, "in_channels": channels, "out_channels": outputs}
    return {argument: value for argument, value in values.items() if argument in parameters}


def definition(configuration: BundleConfiguration, value: Any, place: str) -> tuple[Any, str]:
    """The component that a network is, and its place: where it is only put on a device, what is put there.

    Raises InputError for any other expression.
    """
    for _ in range(_MOST):
        moved = _MOVED.fullmatch(value) if isinstance(value, str) else None
        if moved is not None:
            value = moved[1]
        if not isinstance(value, str) or not value.startswith("@"):
            return configuration.followed(value, place)
        value, place = configuration.referred(value, place)
    raise InputError(f"{configuration.file}: {place}: its references lead in a circle; restore it")


def best_output(model: nn.Module) -> int | None:
    """Which of several outputs is the prediction, where the class says so; None: it returns one."""
    # Deep supervision returns the four heads of the nested decoder, the deepest one, its prediction, last.
    return -1 if type(model).__name__ == "BasicUNetPlusPlus" else None
