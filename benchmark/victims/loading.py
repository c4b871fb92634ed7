"""Victims from a configuration and from checkpoints, without ever executing what a checkpoint holds."""

import inspect
import pickle
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from benchmark.errors import InputError, first_line
from benchmark.victims import adapters
from benchmark.victims.deployment import Deployment
from benchmark.victims.task import Victim

HYPER_PARAMETERS = frozenset(inspect.signature(Victim).parameters) - {"network"}


class OwnNetworkError(InputError):
    """The checkpoint holds the weights of a network that only a factory of the user's can build."""


class Parts(NamedTuple):
    """A configuration's victim section, without `ckpt`, by whom its keys are for."""

    victim: dict[str, Any]
    deployment: dict[str, Any]
    own: dict[str, Any]


def parts_of(config: Mapping[str, Any]) -> Parts:
    """Keys of `Victim`, of `Deployment`, and what is left for the adapter, `options` included if it is one's."""
    around = {field.name for field in fields(Deployment)}
    mine = HYPER_PARAMETERS - {"deployment"}
    if config.get("architecture") in adapters.names():
        mine = mine - {"options"}
        config = {key: value for key, value in config.items() if key != "options" or value is not None}
    return Parts(
        {key: value for key, value in config.items() if key in mine},
        {key: value for key, value in config.items() if key in around},
        {key: value for key, value in config.items() if key not in mine | around},
    )


def victim_from_config(*, classes: int, background: int | None, channels: int, **config: Any) -> Victim:
    """Make an untrained victim, or wrap the module that an adapter makes.

    Args:
        classes, background, channels: of the data.
        config: the keys of conf/victim, without `ckpt`.

    Raises:
        InputError: a value that cannot be used, or weights that are not finite.
    """
    own, around, left = parts_of(config)
    architecture = str(own.get("architecture"))
    network = None
    if architecture in adapters.names():
        network = adapters.make(architecture, left, channels, 1 if own.get("head") == "sigmoid" else classes)
    elif left:
        key = min(left)
        raise InputError(f"victim.{key}={left[key]}: architecture {architecture!r} takes no such key")
    victim = Victim(
        classes=classes,
        background=background,
        channels=channels,
        network=network,
        deployment=Deployment().but(around).plain(),
        **own,
    )
    source = [f"victim.{key}={left[key]}" for key in adapters.needed(architecture)] if network else ["the new victim"]
    check_finite(victim, source[0])
    return victim


def load_victim(
    path: str | Path,
    *,
    classes: int | None = None,
    channels: int | None = None,
    deployment: Mapping[str, Any] | None = None,
    **own: Any,
) -> Victim:
    """Load a trained victim, in eval mode on the CPU; nothing is downloaded, no code of the checkpoint runs.

    Args:
        path: checkpoint written by Lightning for a `Victim`.
        classes, channels: of the data it will be used on; None: whatever the checkpoint has.
        deployment: what is done around the network other than what the checkpoint says; None in it says nothing.
        own: what an adapter builds the network from; unused for others. From the caller's configuration, because a
            checkpoint must not choose code to run.

    Raises:
        InputError: no such file, not a checkpoint of a victim, or one that does not fit the data; `OwnNetworkError` if
            it is of a network that only an adapter can build, and its keys are not given.
    """
    saved, weights = read_checkpoint(path)
    for name, needed in (("classes", classes), ("channels", channels)):
        if needed is not None and saved.get(name) != needed:
            raise InputError(
                f"{path} was trained on {saved.get(name)} {name}, the data have {needed}; "
                "choose the data it was trained on or train a victim for these"
            )
    return rebuilt(saved, weights, Path(path), deployment, **own)


def read_checkpoint(path: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """A checkpoint's hyper-parameters and weights. Raises InputError if it is none of a victim."""
    checkpoint = _read(Path(path))
    saved, weights = checkpoint.get("hyper_parameters"), checkpoint.get("state_dict")
    if not isinstance(saved, dict) or not isinstance(weights, dict) or not saved.keys() <= HYPER_PARAMETERS:
        raise InputError(f"{path} is a checkpoint of something else than a victim; give one that `train` wrote")
    return saved, weights


def is_adapted(saved: Mapping[str, Any]) -> bool:
    """Whether hyper-parameters are of a network that only an adapter can build."""
    return str(saved.get("architecture")) in adapters.names()


def rebuilt(
    saved: Mapping[str, Any],
    weights: Mapping[str, Any],
    path: Path,
    deployment: Mapping[str, Any] | None = None,
    **own: Any,
) -> Victim:
    """The victim of these hyper-parameters and weights, in eval mode; `path` says in errors where they are from.

    The rest as of `load_victim`.
    """
    victim = _rebuild(path, dict(saved), deployment or {}, own)
    try:
        victim.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} holds weights that do not fit its {saved['architecture']}: {_keys_apart(victim, weights)}; "
            "give the checkpoint of that network"
        ) from error
    check_finite(victim, str(path))
    return victim.eval()


def check_finite(network: nn.Module, where: str = "the victim") -> None:
    """Raise InputError, naming `where` and the tensor, at the first parameter or buffer with NaN or infinite values."""
    for name, value in network.state_dict().items():
        if isinstance(value, torch.Tensor) and value.is_floating_point() and not bool(value.isfinite().all()):
            raise InputError(f"{where} has NaN or infinite values in {name}; train it again or use another checkpoint")


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"no checkpoint at {path}; check victim.ckpt")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(_refusal(path, str(error))) from error
    except Exception as error:  # any bytes may come here, and torch's readers raise many things at them
        raise InputError(
            f"{path} is not a readable PyTorch checkpoint ({first_line(error)}); is it complete?"
        ) from error
    if not isinstance(checkpoint, dict):
        raise InputError(f"{path} holds a {type(checkpoint).__name__}, not the checkpoint of a victim")
    return checkpoint


def _refusal(path: Path, message: str) -> str:
    named = re.search(r"GLOBAL ([\w.]+)", message)
    with path.open("rb") as file:
        start = file.read(2)
    # torch's archives, and pickles of protocol 2 and later
    if named is None and start != b"PK" and not start.startswith(b"\x80"):
        return f"{path} is not a PyTorch checkpoint; give a .ckpt that `train` wrote"
    what = named.group(1) if named else "objects"
    return (
        f"{path} is refused: it holds {what} beyond tensors and plain values, and loading that would execute code; "
        "give a .ckpt that `train` wrote"
    )


def _rebuild(path: Path, saved: dict[str, Any], deployment: Mapping[str, Any], own: dict[str, Any]) -> Victim:
    # Encoder weights are in the checkpoint: asking for pretrained ones again would only reach for the network.
    saved = saved | {"encoder_weights": None}
    architecture, adapted = str(saved.get("architecture")), is_adapted(saved)
    if adapted and any(own.get(key) is None for key in adapters.needed(architecture)):
        keys = " ".join(f"victim.{key}=..." for key in adapters.needed(architecture))
        raise OwnNetworkError(f"{path} is of a network of your own; give victim={architecture} {keys}")
    try:
        around = Deployment.of(saved.get("deployment") or {}).but(deployment)
        network = None
        if adapted:
            outputs = 1 if saved.get("head") == "sigmoid" else saved["classes"]
            network = adapters.make(architecture, own, saved["channels"], outputs)
        return Victim(network=network, **saved | {"deployment": around.plain()})
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise InputError(f"{path} has hyper-parameters no victim has ({first_line(error)})") from error


def _keys_apart(victim: Victim, weights: Mapping[str, Any]) -> str:
    own = victim.state_dict()
    for name in own:
        if name not in weights:
            return f"{name} is missing"
        found = getattr(weights[name], "shape", None)
        if found != own[name].shape:
            return f"{name} is {tuple(found) if found is not None else 'no tensor'}, expected {tuple(own[name].shape)}"
    return f"{next(name for name in weights if name not in own)} is not part of it"
