"""The file of weights that a bundle's configuration loads, by its name alone."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark.errors import InputError
from benchmark.victims.monai_bundle.configuration import BundleConfiguration

_USUAL = ("model.pt", "model.safetensors")
_FILE = re.compile(r"[\w.-]+\.(?:pt|pth|ckpt|safetensors)\b")
_REFERENCE = re.compile(r"@(\w+)")
_PLACES = ("handlers", "checkpointloader", "evaluator", "initialize")


def own_weights(configuration: BundleConfiguration, folder: Path) -> Path | None:
    """The file in models/ that the configuration loads; without a word of it, model.pt or model.safetensors, if any.

    Raises:
        InputError: it loads a file that is not there, or more than one file could be meant.
    """
    models = folder / "models"
    usual = [name for name in _USUAL if (models / name).is_file()]
    named = sorted(_named(configuration))
    if len(named) > 1:
        cure = f"choose with victim.weights={models / named[0]}"
        raise InputError(f"{configuration.file}: loads {' and '.join(named)}; {cure}")
    if named and named[0] not in _USUAL:
        if (models / named[0]).is_file():
            return models / named[0]
        if usual:
            cure = f"give victim.weights={models / usual[0]} if that has the same weights"
            raise InputError(f"{configuration.file}: loads {named[0]}, which is not in {models}; {cure}")
    if len(usual) > 1:
        raise InputError(f"{models}: has {' and '.join(usual)}; choose with victim.weights={models / usual[0]}")
    return models / usual[0] if usual else None


def _named(configuration: BundleConfiguration) -> set[str]:
    """Names of files in the paths that checkpoint loaders have, and in what these paths refer to."""
    contents = dict(configuration.items())
    ahead = [path for name in _PLACES for path in _paths(contents.get(name))]
    texts: set[str] = set()
    while ahead:
        text = ahead.pop()
        if text not in texts:
            texts.add(text)
            ahead += [json.dumps(contents[name], default=str) for name in _REFERENCE.findall(text) if name in contents]
    return {found for text in texts for found in _FILE.findall(text)}


def _paths(value: Any) -> Iterator[str]:
    """What is named load_path somewhere in a value."""
    if isinstance(value, dict):
        for name, part in value.items():
            if name == "load_path":
                yield json.dumps(part, default=str)
            else:
                yield from _paths(part)
    elif isinstance(value, list):
        for part in value:
            yield from _paths(part)
