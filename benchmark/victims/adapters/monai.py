"""A network of MONAI (monai.networks.nets), with weights from a file."""

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from benchmark.errors import InputError, first_line, nearest_of
from benchmark.victims.adapters import import_extra
from benchmark.victims.network_outputs import ChosenOutput
from benchmark.victims.weights import put_into, read_tensors


def network(
    network_class: str,
    channels: int,
    outputs: int,
    *,
    weights: str | None = None,
    entry: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> nn.Module:
    """A two-dimensional network.

    Args:
        network_class: such as "UNet", "BasicUNet", "SegResNet", "AttentionUnet", "DynUNet", "SwinUNETR".
        channels, outputs: its in_channels and out_channels.
        weights: a .safetensors or PyTorch file of tensors; None: random weights.
        entry: the place of the weights in that file; see `weights.read_tensors`.
        options: further arguments of the class.

    Raises:
        InputError: MONAI is not installed, there is no such network, or options or weights do not fit it.
    """
    nets = import_extra("monai.networks.nets", "monai")
    known = {
        name: member for name, member in vars(nets).items() if inspect.isclass(member) and issubclass(member, nn.Module)
    }
    if network_class not in known:
        raise InputError(nearest_of("network of MONAI", network_class, known, "victim.network_class"))
    sizes = {"spatial_dims": 2, "in_channels": channels, "out_channels": outputs}
    parameters = inspect.signature(known[network_class]).parameters
    arguments = {name: value for name, value in sizes.items() if name in parameters} | dict(options or {})
    try:
        model = known[network_class](**arguments)
    except Exception as error:  # the library raises errors of many types
        raise InputError(
            f"victim.network_class={network_class}: cannot be built from {arguments} ({first_line(error)}); "
            "check victim.options"
        ) from error
    if weights is not None:
        put_into(model, read_tensors(weights, "victim.weights", entry), f"victim.weights={weights}")
    # Its deep supervision returns the four heads of the nested decoder, the deepest one, its prediction, last.
    return ChosenOutput(model, -1 if type(model).__name__ == "BasicUNetPlusPlus" else None)
