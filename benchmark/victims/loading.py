"""Victims from a configuration and from checkpoints, without ever executing what a checkpoint holds."""

import hashlib
import inspect
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmark.errors import InputError
from benchmark.victims.networks import build_from_factory, first_line
from benchmark.victims.task import PYTHON, Victim

_HYPER_PARAMETERS = frozenset(inspect.signature(Victim).parameters) - {"network"}


class OwnNetworkError(InputError):
    """The checkpoint holds the weights of a network that only a factory of the user's can build."""


def new_victim(
    *,
    classes: int,
    background: int | None,
    channels: int,
    factory: str | None = None,
    options: Mapping[str, Any] | None = None,
    **config: Any,
) -> Victim:
    """Make an untrained victim, or wrap the module a user's own factory returns.

    Args:
        classes, background, channels: of the data.
        factory: "package.module:function" for architecture "python", called with `options`.
        options: further keyword arguments of the architecture, or the factory's.
        config: the other keys of conf/victim, without `ckpt`.

    Raises:
        InputError: a value that cannot be used, or weights that are not finite.
    """
    network, options = _python_network(config.get("architecture"), factory, dict(options or {}))
    victim = Victim(
        classes=classes, background=background, channels=channels, options=options, network=network, **config
    )
    check_finite(victim, f"victim.factory={factory}" if factory else "the new victim")
    return victim


def load_victim(
    path: str | Path,
    *,
    classes: int | None = None,
    channels: int | None = None,
    factory: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Victim:
    """Load a trained victim, in eval mode on the CPU; nothing is downloaded, no code of the checkpoint runs.

    Args:
        path: checkpoint written by Lightning for a `Victim`.
        classes, channels: of the data it will be used on; None: whatever the checkpoint has.
        factory, options: what builds the network of an architecture "python"; unused for others. From the caller's
            configuration, because a checkpoint must not choose code to import.

    Raises:
        InputError: no such file, not a checkpoint of a victim, or one that does not fit the data; `OwnNetworkError` if
            it is of an architecture "python" and there is no factory.
    """
    path = Path(path)
    checkpoint = _read(path)
    own, weights = checkpoint.get("hyper_parameters"), checkpoint.get("state_dict")
    if not isinstance(own, dict) or not isinstance(weights, dict) or not own.keys() <= _HYPER_PARAMETERS:
        raise InputError(f"{path} is a checkpoint of something else than a victim; give one that `train` wrote")
    for name, needed in (("classes", classes), ("channels", channels)):
        if needed is not None and own.get(name) != needed:
            raise InputError(
                f"{path} was trained on {own.get(name)} {name}, the data have {needed}; "
                "choose the data it was trained on or train a victim for these"
            )
    victim = _rebuild(path, own, factory, dict(options or {}))
    try:
        victim.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} holds weights that do not fit its {own['architecture']}: {_keys_apart(victim, weights)}; "
            "give the checkpoint of that network"
        ) from error
    check_finite(victim, str(path))
    return victim.eval()


def checkpoint_sha256(path: str | Path) -> str:
    """SHA-256 of the file, in hexadecimal.

    Raises:
        InputError: no such file.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read checkpoint {path}: {error.strerror}; check victim.ckpt") from error


def weights_sha256(module: nn.Module) -> str:
    """SHA-256 over the names, types, shapes and bytes of a module's parameters and buffers, in hexadecimal."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def check_finite(network: nn.Module, where: str = "the victim") -> None:
    """Raise InputError, naming `where` and the tensor, at the first parameter or buffer with NaN or infinite values."""
    for name, value in network.state_dict().items():
        if isinstance(value, torch.Tensor) and value.is_floating_point() and not bool(value.isfinite().all()):
            raise InputError(f"{where} has NaN or infinite values in {name}; train it again or use another checkpoint")


def _python_network(
    architecture: Any, factory: str | None, options: dict[str, Any]
) -> tuple[nn.Module | None, dict[str, Any]]:
    """The module a factory makes (None for smp's), and the options left for the victim to pass on."""
    if architecture != PYTHON:
        if factory is not None:
            raise InputError(f"victim.factory={factory} goes with victim=python, found architecture {architecture!r}")
        return None, options
    if not factory:
        raise InputError("victim=python needs victim.factory=package.module:function, which returns the network")
    return build_from_factory(factory, options), {}


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


def _rebuild(path: Path, own: dict[str, Any], factory: str | None, options: dict[str, Any]) -> Victim:
    # Encoder weights are in the checkpoint: asking for pretrained ones again would only reach for the network.
    own = own | {"encoder_weights": None}
    python = own.get("architecture") == PYTHON
    if python and not factory:
        raise OwnNetworkError(
            f"{path} is of a network of your own; give victim=python victim.factory=package.module:function"
        )
    network = build_from_factory(factory, options) if python and factory else None
    try:
        return Victim(network=network, **own)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (TypeError, ValueError, AttributeError) as error:
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
