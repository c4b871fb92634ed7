"""Exports victims as safetensors files, which hold no code, and reads them again."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmark.atomic_files import atomic_path
from benchmark.errors import InputError, first_line
from benchmark.regular_files import open_regular
from benchmark.runs.limited_text import parse_json, read_json
from benchmark.victims.task import HYPER_PARAMETERS

KEY, FORMAT = "segmentation_attack_benchmark", 1
"""The entry of a file's metadata that describes the victim, and the version of its form."""

HUB_FILE = "model.safetensors"
"""The name of the weights in a folder, as in a repository of a model hub."""

_LARGEST_CONFIG = 2**20  # bytes
_LARGEST_HEADER = 2**24  # bytes; the names and places of a hundred thousand tensors take less

# Keys of smp's config.json: those with another name in a victim, and those with which a network returns no logits.
_RENAMED = {"encoder_name": "encoder", "in_channels": "channels"}
_NO_LOGITS = ("activation", "aux_params")


def save_victim(saved: Mapping[str, Any], weights: Mapping[str, Tensor], path: Path, about: Mapping[str, Any]) -> None:
    """Write weights, hyper-parameters and `about` (plain values) to a .safetensors file, whole or not at all."""
    # Safetensors refuses tensors that share memory, which a copy of each does not.
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in weights.items()}
    description = {"format": FORMAT, "hyper_parameters": dict(saved), **about}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata={"format": "pt", KEY: json.dumps(description, sort_keys=True)})


def read_victim(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Hyper-parameters and weights from a file of `save_victim`, or from a folder of smp's `save_pretrained`.

    Raises:
        InputError: no such file, or a file or folder of another kind.
    """
    file = path / HUB_FILE if path.is_dir() else path
    config = file.parent / "config.json"
    if not file.is_file():
        raise InputError(f"{file}: no such file; give what `victims export` or smp's save_pretrained wrote")
    try:
        with open_regular(file) as bytes_of_file:
            header = int.from_bytes(bytes_of_file.read(8), "little")
        if header > _LARGEST_HEADER:
            raise OSError(f"a header of {header} bytes; at most {_LARGEST_HEADER} are read")
        with safe_open(file, "pt") as opened:
            metadata = opened.metadata() or {}
        tensors = load_file(file)
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{file}: is no readable safetensors file ({first_line(error)})") from error
    if KEY in metadata:
        return _described(metadata[KEY], file), tensors
    if config.is_file():
        return _from_smp(config), {f"network.{name}": value for name, value in tensors.items()}
    raise InputError(
        f"{file}: does not say what network it is of; give what `victims export` wrote, or a folder with the "
        "config.json of smp's save_pretrained"
    )


def _described(text: str, file: Path) -> dict[str, Any]:
    """The hyper-parameters in the metadata of `save_victim`."""
    try:
        description = parse_json(text)
        version, hyper_parameters = description["format"], description["hyper_parameters"]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{file}: its metadata cannot be read ({first_line(error)}); export it again") from error
    if version != FORMAT:
        raise InputError(f"{file}: is of format {version}, this reads {FORMAT}; update this or export it again")
    if not isinstance(hyper_parameters, dict) or not hyper_parameters.keys() <= HYPER_PARAMETERS:
        raise InputError(f"{file}: has hyper-parameters no victim has; export it again")
    return hyper_parameters


def _from_smp(path: Path) -> dict[str, Any]:
    """A victim's hyper-parameters from the config.json of smp; one output is a sigmoid head for two classes.

    The file has neither mean and std nor the background; these get the defaults of `Victim`.
    """
    import segmentation_models_pytorch as smp

    try:
        config = read_json(path, _LARGEST_CONFIG)
        architecture = config.pop("_model_class").lower()
        outputs = int(config.pop("classes"))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{path}: is no config.json of smp's save_pretrained ({first_line(error)})") from error
    if architecture not in smp.MODEL_ARCHITECTURES_MAPPING:
        raise InputError(f"{path}: _model_class {architecture!r} is no architecture of this smp")
    for name in _NO_LOGITS:
        if config.pop(name, None) is not None:
            raise InputError(f"{path}: with {name} the network does not return logits alone; save it without")
    config.pop("encoder_weights", None)
    renamed = {new: config.pop(old) for old, new in _RENAMED.items() if old in config}
    head = "sigmoid" if outputs == 1 else "softmax"
    return {"architecture": architecture, **renamed, "classes": max(outputs, 2), "head": head, "options": config}
