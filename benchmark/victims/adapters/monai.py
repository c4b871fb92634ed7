"""A network of MONAI: a class of monai.networks.nets with weights from a file, or a bundle's folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from benchmark.errors import InputError
from benchmark.victims.monai_bundle import networks
from benchmark.victims.monai_bundle.bundle import check_background, read_bundle
from benchmark.victims.network_outputs import ChosenOutput
from benchmark.victims.weights import put_into, read_tensors

HARMLESS = ("entry", "intensity")
EITHER = ("network_class", "folder")


def network(
    network_class: str | None = None,
    channels: int = 3,
    outputs: int = 2,
    *,
    folder: str | None = None,
    weights: str | None = None,
    entry: str | None = None,
    options: Mapping[str, Any] | None = None,
    intensity: float = 255.0,
    head: str = "softmax",
    background: int | None = 0,
) -> nn.Module:
    """A two-dimensional network.

    Args:
        network_class: such as "UNet", "BasicUNet", "SegResNet", "AttentionUnet", "DynUNet", "SwinUNETR".
        channels, outputs: its in_channels and out_channels.
        folder: of a bundle, in place of a class: its network with its weights, preprocessing and inferer, as
            configs/inference.json says; see `monai_bundle`.
        weights: a .safetensors or PyTorch file of tensors; None: random weights, of a bundle its own.
        entry: the place of the weights in that file; see `weights.read_tensors`.
        options: further arguments of the class.
        intensity: of a bundle: the value in the files of its training that is 1 in an image here, 255 for 8 bits.
        head: of the victim.
        background: of the data; that of a bundle's metadata.json has to be the same.

    Raises:
        InputError: MONAI is not installed, there is no such network, options or weights do not fit it, or a bundle asks
            for what cannot be done.
    """
    if folder is None:
        name = str(network_class)
        arguments = networks.sizes(name, channels, outputs) | dict(options or {})
        model = networks.build(name, arguments, "victim.network_class", "check victim.options")
        if weights is not None:
            put_into(model, read_tensors(weights, "victim.weights", entry), f"victim.weights={weights}")
        return ChosenOutput(model, networks.best_output(model))
    if network_class is not None or options:
        key = "options" if network_class is None else "network_class"
        raise InputError(f"victim.{key}: victim.folder={folder} says which network it is; leave one of them out")
    path = Path(folder).expanduser()
    made, own = read_bundle(
        path, channels=channels, outputs=outputs, head=head, intensity=intensity, with_weights=weights is None
    )
    check_background(path, background)
    file = own if weights is None else Path(weights)
    if file is None:
        program = path / "models" / "model.ts"
        other = f" (victim=torchscript victim.program={program} attacks its program)" if program.is_file() else ""
        raise InputError(f"{path / 'models'}: has no model.pt and no model.safetensors{other}; give victim.weights")
    put_into(made.network.network, read_tensors(file, "victim.folder", entry), str(file))
    return made
