"""Builds victims from the configuration and from what checkpoints hold; no code of a checkpoint runs."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from benchmark.errors import InputError, first_line
from benchmark.victims import adapters
from benchmark.victims.checkpoint_io import read_checkpoint
from benchmark.victims.deployment import Deployment
from benchmark.victims.task import HYPER_PARAMETERS, Victim


class OwnNetworkError(InputError):
    """The checkpoint holds the weights of a network that only a factory of the user's can build."""


class SectionKeys(NamedTuple):
    """The keys of a configuration's section `victim`, without `ckpt`, by what takes them."""

    victim: dict[str, Any]
    deployment: dict[str, Any]
    adapter: dict[str, Any]


def split_keys(section: Mapping[str, Any]) -> SectionKeys:
    """The keys of `Victim`, those of `Deployment`, and all others, which an adapter may take.

    An adapter gets `options` too, which is a key of `Victim` for all other architectures.
    """
    of_deployment = {field.name for field in fields(Deployment)}
    of_victim = HYPER_PARAMETERS - {"deployment"}
    if section.get("architecture") in adapters.names():
        of_victim = of_victim - {"options"}
        section = {key: value for key, value in section.items() if key != "options" or value is not None}
    return SectionKeys(
        {key: value for key, value in section.items() if key in of_victim},
        {key: value for key, value in section.items() if key in of_deployment},
        {key: value for key, value in section.items() if key not in of_victim | of_deployment},
    )


def build_victim(*, classes: int, background: int | None, channels: int, **section: Any) -> Victim:
    """Build an untrained victim, or wrap the network that an adapter makes.

    Args:
        classes, background, channels: of the data.
        section: the keys of conf/victim, without `ckpt`.

    Raises:
        InputError: a value that cannot be used, or weights that are not finite.
    """
    keys = split_keys(section)
    architecture = str(keys.victim.get("architecture"))
    network = None
    if architecture in adapters.names():
        outputs = 1 if keys.victim.get("head") == "sigmoid" else classes
        network = adapters.make(architecture, keys.adapter, channels, outputs)
    elif keys.adapter:
        key = min(keys.adapter)
        raise InputError(f"victim.{key}={keys.adapter[key]}: architecture {architecture!r} takes no such key")
    victim = Victim(
        classes=classes,
        background=background,
        channels=channels,
        network=network,
        deployment=Deployment().but(keys.deployment).plain(),
        **keys.victim,
    )
    first_key = adapters.needed(architecture)[0] if network else None
    check_finite(victim, f"victim.{first_key}={keys.adapter[first_key]}" if first_key else "the new victim")
    return victim


def load_victim(
    path: str | Path,
    *,
    classes: int | None = None,
    channels: int | None = None,
    deployment: Mapping[str, Any] | None = None,
    **adapter_keys: Any,
) -> Victim:
    """Load a trained victim in eval mode on the CPU. Nothing is downloaded, and no code of the checkpoint runs.

    Args:
        path: a checkpoint that Lightning wrote for a `Victim`.
        classes, channels: of the data that the victim will be used on; None: those of the checkpoint.
        deployment: keywords of `Deployment` that replace those of the checkpoint; None keeps the checkpoint's value.
        adapter_keys: what an adapter builds the network from; ignored for other networks. They come from the caller's
            configuration, because a checkpoint must not choose code to run.

    Raises:
        InputError: the file is missing, is no checkpoint of a victim, or does not fit the data.
        OwnNetworkError: only an adapter can build the network, and its keys are not given.
    """
    saved, weights = read_checkpoint(path)
    for name, needed in (("classes", classes), ("channels", channels)):
        if needed is not None and saved.get(name) != needed:
            raise InputError(
                f"{path} was trained on {saved.get(name)} {name}, the data have {needed}; "
                "choose the data it was trained on or train a victim for these"
            )
    return restore_victim(saved, weights, Path(path), deployment, **adapter_keys)


def needs_adapter(hyper_parameters: Mapping[str, Any]) -> bool:
    """Whether only an adapter can build the network of these hyper-parameters."""
    return str(hyper_parameters.get("architecture")) in adapters.names()


def restore_victim(
    hyper_parameters: Mapping[str, Any],
    weights: Mapping[str, Any],
    path: Path,
    deployment: Mapping[str, Any] | None = None,
    **adapter_keys: Any,
) -> Victim:
    """Build the victim of these hyper-parameters and weights, in eval mode.

    `path` is the file that they were read from, for messages; all else is as for `load_victim`.
    """
    victim = _rebuild(path, dict(hyper_parameters), deployment or {}, adapter_keys)
    try:
        victim.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        difference = _first_difference(victim, weights)
        raise InputError(
            f"{path} holds weights that do not fit its {hyper_parameters['architecture']}: {difference}; "
            "give the checkpoint of that network"
        ) from error
    check_finite(victim, str(path))
    return victim.eval()


def check_finite(network: nn.Module, where: str = "the victim") -> None:
    """Raise InputError, naming `where` and the tensor, at the first parameter or buffer with NaN or infinite values."""
    for name, value in network.state_dict().items():
        if isinstance(value, torch.Tensor) and value.is_floating_point() and not bool(value.isfinite().all()):
            raise InputError(f"{where} has NaN or infinite values in {name}; train it again or use another checkpoint")


def _rebuild(
    path: Path, hyper_parameters: dict[str, Any], deployment: Mapping[str, Any], adapter_keys: dict[str, Any]
) -> Victim:
    # The checkpoint holds the encoder's weights: to name pretrained ones again would only reach for the network.
    hyper_parameters |= {"encoder_weights": None}
    architecture, network = str(hyper_parameters.get("architecture")), None
    if needs_adapter(hyper_parameters) and any(adapter_keys.get(key) is None for key in adapters.needed(architecture)):
        keys = " ".join(f"victim.{key}=..." for key in adapters.needed(architecture))
        raise OwnNetworkError(f"{path} is of a network of your own; give victim={architecture} {keys}")
    try:
        hyper_parameters["deployment"] = Deployment.of(hyper_parameters.get("deployment") or {}).but(deployment).plain()
        if needs_adapter(hyper_parameters):
            outputs = 1 if hyper_parameters.get("head") == "sigmoid" else hyper_parameters["classes"]
            network = adapters.make(architecture, adapter_keys, hyper_parameters["channels"], outputs)
        return Victim(network=network, **hyper_parameters)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise InputError(f"{path} has hyper-parameters no victim has ({first_line(error)})") from error


def _first_difference(victim: Victim, weights: Mapping[str, Any]) -> str:
    expected = victim.state_dict()
    for name, tensor in expected.items():
        if name not in weights:
            return f"{name} is missing"
        shape = getattr(weights[name], "shape", None)
        if shape != tensor.shape:
            return f"{name} is {tuple(shape) if shape is not None else 'no tensor'}, expected {tuple(tensor.shape)}"
    return f"{next(name for name in weights if name not in expected)} is not part of it"
