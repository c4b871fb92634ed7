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
from benchmark.victims.task import HYPER_PARAMETERS

KEY, FORMAT = "segmentation_attack_benchmark", 1
"""Where a file's metadata says what the victim is, and in which version of that."""

HUB_FILE = "model.safetensors"
"""The name of the weights in a folder, as in a repository of a model hub."""

# Of smp's config.json: what a victim has under other names, and what would make the network return no logits.
_RENAMED = {"encoder_name": "encoder", "in_channels": "channels"}
_NO_LOGITS = ("activation", "aux_params")


def save_victim(saved: Mapping[str, Any], weights: Mapping[str, Tensor], path: Path, about: Mapping[str, Any]) -> None:
    """Write weights, hyper-parameters and `about` (plain values) to a .safetensors file, whole or not at all."""
    # Safetensors refuses tensors that share memory, which a copy of each does not.
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in weights.items()}
    said = {"format": FORMAT, "hyper_parameters": dict(saved), **about}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata={"format": "pt", KEY: json.dumps(said, sort_keys=True)})


def read_victim(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Hyper-parameters and weights of what `save_victim` wrote, or of a folder of smp's `save_pretrained`.

    Args:
        path: the file, or a folder with model.safetensors.

    Raises:
        InputError: no such file, or none of these two.
    """
    if path.is_dir():
        if not (path / HUB_FILE).is_file():
            raise InputError(f"{path}: has no {HUB_FILE}; give what `victims export` or smp's save_pretrained wrote")
        file, config = path / HUB_FILE, path / "config.json"
    else:
        file, config = path, path.parent / "config.json"
    if not file.is_file():
        raise InputError(f"{file}: no such file; give what `victims export` or smp's save_pretrained wrote")
    try:
        with safe_open(file, "pt") as opened:
            metadata = opened.metadata() or {}
        tensors = load_file(file)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file}: is no readable safetensors file ({first_line(error)})") from error
    if KEY in metadata:
        return _own(metadata[KEY], file), tensors
    if config.is_file():
        return _of_smp(config), {f"network.{name}": value for name, value in tensors.items()}
    raise InputError(
        f"{file}: does not say what network it is of; give what `victims export` wrote, or a folder with the "
        "config.json of smp's save_pretrained"
    )


def _own(text: str, file: Path) -> dict[str, Any]:
    try:
        said = json.loads(text)
        version, found = said["format"], said["hyper_parameters"]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{file}: its metadata cannot be read ({first_line(error)}); export it again") from error
    if version != FORMAT:
        raise InputError(f"{file}: is of format {version}, this reads {FORMAT}; update this or export it again")
    if not isinstance(found, dict) or not found.keys() <= HYPER_PARAMETERS:
        raise InputError(f"{file}: has hyper-parameters no victim has; export it again")
    return found


def _of_smp(path: Path) -> dict[str, Any]:
    """A victim's hyper-parameters from the config.json of smp; one output is a sigmoid head for two classes.

    Not in there are mean and std (taken are ImageNet's, or .5 for other than three channels) and the background (0).
    """
    import segmentation_models_pytorch as smp

    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        architecture = said.pop("_model_class").lower()
        outputs = int(said.pop("classes"))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{path}: is no config.json of smp's save_pretrained ({first_line(error)})") from error
    if architecture not in smp.MODEL_ARCHITECTURES_MAPPING:
        raise InputError(f"{path}: _model_class {architecture!r} is no architecture of this smp")
    if set_ := [name for name in _NO_LOGITS if said.pop(name, None) is not None]:
        raise InputError(f"{path}: with {set_[0]} the network does not return logits alone; save it without")
    said.pop("encoder_weights", None)
    renamed = {new: said.pop(old) for old, new in _RENAMED.items() if old in said}
    return {
        "architecture": architecture,
        **renamed,
        "classes": max(outputs, 2),
        "head": "sigmoid" if outputs == 1 else "softmax",
        "options": said,
    }
