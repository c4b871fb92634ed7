"""Builds victims from the configuration and from what checkpoints hold; no code of a checkpoint runs."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import nn

from benchmark.errors import InputError, first_line
from benchmark.label_subsets import are_subsets
from benchmark.victims import adapters
from benchmark.victims.checkpoint_io import read_checkpoint
from benchmark.victims.deployment import Deployment
from benchmark.victims.hyper_parameters import check_head, check_outputs, output_count
from benchmark.victims.task import HYPER_PARAMETERS, Victim
from benchmark.victims.usable_network import check_finite, check_usable
from benchmark.victims.weights import put_into

_OF_COMMANDS = ("ckpt", "allow")  # keys of the section `victim` that no network takes
_OUTPUT_KEYS = {"classes": 0, "head": "softmax", "background": 0}
_MISSING = 10**8  # numbers; of smaller networks the first name that is missing is said instead


class OwnNetworkError(InputError):
    """Only an adapter can build the network, and its keys are not given; `overrides` would choose it.

    `given` are the kinds of network that the command line names, if they are of other kinds.
    """

    def __init__(self, place: object, overrides: str, option: str = "", given: Sequence[str] = ()) -> None:
        kinds = " and ".join(f"victim={kind}" for kind in dict.fromkeys(given))
        other = f", of another kind than {kinds}, which is given" if given else ""
        super().__init__(f"{place}: is of a network of your own{other}; give {option}{overrides}")
        self.overrides = overrides


class SectionKeys(NamedTuple):
    """The keys of a configuration's section `victim`, without `ckpt` and `allow`, for each of their users."""

    victim: dict[str, Any]
    deployment: dict[str, Any]
    adapter: dict[str, Any]


def split_keys(section: Mapping[str, Any]) -> SectionKeys:
    """The keys of `Victim`, those of `Deployment`, and all others, which an adapter may take.

    An adapter gets `options` too, which is a key of `Victim` for all other architectures.
    """
    section = {key: value for key, value in section.items() if key not in _OF_COMMANDS}
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
    """Build an untrained victim, or wrap the network that an adapter makes, from the keys of conf/victim.

    `classes`, `background` and `channels` are those of the data. Raises InputError for a value that cannot be used, and
    for weights that are not finite.
    """
    keys = split_keys(section)
    check_head(keys.victim.get("head", "softmax"), are_subsets(background), "victim.head")
    hyper_parameters = keys.victim | {"classes": classes, "background": background, "channels": channels}
    network, where = _adapter_network(hyper_parameters, keys.adapter), "the new victim"
    architecture = hyper_parameters.get("architecture")
    if network is not None:
        where = _named(str(architecture), keys.adapter)
    elif keys.adapter:
        key = min(keys.adapter)
        raise InputError(f"victim.{key}={keys.adapter[key]}: architecture {architecture!r} takes no such key")
    victim = Victim(network=network, deployment=Deployment().but(keys.deployment).plain(), **hyper_parameters)
    check_finite(victim, where)
    return victim


def load_victim(
    path: str | Path,
    /,
    *,
    classes: int | None = None,
    channels: int | None = None,
    overlapping: bool | None = None,
    deployment: Mapping[str, Any] | None = None,
    **adapter_keys: Any,
) -> Victim:
    """Load a trained victim in eval mode on the CPU. Nothing is downloaded, and no code of the checkpoint runs.

    Args:
        path: a checkpoint that Lightning wrote for a `Victim`.
        classes, channels: of the data; None: those of the checkpoint.
        overlapping: whether the classes of the data are subsets of labels; None: as those of the checkpoint.
        deployment: keywords of `Deployment` that replace those of the checkpoint; None keeps the checkpoint's value.
        adapter_keys: the keys of an adapter; ignored for other networks. They come from the caller's configuration,
            because a checkpoint must not choose code to run.

    Raises:
        InputError: the file is missing, is no checkpoint of a victim, or does not fit the data.
        OwnNetworkError: only an adapter can build the network, and its keys are not given.
    """
    saved, weights = read_checkpoint(path)
    if overlapping is not None:
        check_head(saved.get("head"), overlapping, str(path))
    for name, needed in (("classes", classes), ("channels", channels)):
        if needed is not None and saved.get(name) != needed:
            raise InputError(
                f"{path} was trained on {saved.get(name)} {name}, the data have {needed}; "
                "choose the data it was trained on or train a victim for these"
            )
    return restore_victim(saved, weights, Path(path), deployment, adapter_keys)


def needs_adapter(hyper_parameters: Mapping[str, Any]) -> bool:
    """Whether only an adapter can build the network of these hyper-parameters."""
    return str(hyper_parameters.get("architecture")) in adapters.names()


def restore_victim(
    hyper_parameters: Mapping[str, Any],
    weights: Mapping[str, Any],
    path: Path,
    deployment: Mapping[str, Any] | None = None,
    adapter_keys: Mapping[str, Any] = MappingProxyType({}),
) -> Victim:
    """Build the victim of these hyper-parameters and weights, in eval mode.

    `path` is the file that they were read from, for messages; all else is as for `load_victim`.
    """
    # The checkpoint holds the encoder's weights: the name of pretrained weights would only cause a download.
    arguments = {**hyper_parameters, "encoder_weights": None}
    if needs_adapter(arguments):
        needed = adapters.needed(arguments["architecture"], adapter_keys)
        if any(adapter_keys.get(key) is None for key in needed):
            keys = " ".join(f"victim.{key}=..." for key in needed)
            raise OwnNetworkError(path, f"victim={arguments['architecture']} {keys}")
    try:
        saved = Deployment.of(arguments.get("deployment") or {})
        arguments["deployment"] = saved.but(deployment or {}).plain()
        _check_numbers(arguments, weights)
        victim = Victim(network=_adapter_network(arguments, adapter_keys), **arguments)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (TypeError, ValueError, AttributeError, KeyError, IndexError, RuntimeError, ArithmeticError) as error:
        raise InputError(f"{path} has hyper-parameters no victim has ({first_line(error)})") from error
    put_into(victim, weights, f"{path}, of architecture {hyper_parameters['architecture']}")
    check_finite(victim, str(path))
    return victim.eval()


def _check_numbers(arguments: Mapping[str, Any], weights: Mapping[str, Any]) -> None:
    """Raise InputError if the network of these hyper-parameters has many more numbers than the weights.

    It is built without memory for them, so that no file makes this machine allocate much more than the file has.
    """
    if needs_adapter(arguments):
        return
    try:
        with torch.device("meta"):
            trial = Victim(**arguments)
    except (InputError, RuntimeError, NotImplementedError):
        return  # some encoders compute with numbers as they are built; what else is wrong shows when it is built
    needed = sum(value.numel() for value in trial.state_dict().values())
    held = sum(value.numel() for value in weights.values() if isinstance(value, torch.Tensor))
    if needed > held + _MISSING:
        raise InputError(f"describes a network of {needed} numbers and holds {held}; is it complete?")


def _adapter_network(hyper_parameters: Mapping[str, Any], keys: Mapping[str, Any]) -> nn.Module | None:
    """The network that an adapter makes from its `keys`; None for an architecture that needs no adapter."""
    if not needs_adapter(hyper_parameters):
        return None
    check_outputs(*(hyper_parameters.get(key, default) for key, default in _OUTPUT_KEYS.items()))
    head = str(hyper_parameters.get("head", "softmax"))
    outputs = output_count(hyper_parameters["classes"], head)
    background = hyper_parameters.get("background", 0)
    kind, channels = hyper_parameters["architecture"], hyper_parameters["channels"]
    network = adapters.make(kind, keys, channels, outputs, head=head, background=background)
    check_usable(network, _named(kind, keys))
    return network


def _named(kind: str, keys: Mapping[str, Any]) -> str:
    """The key that names the network of an adapter, as it was given."""
    key = adapters.needed(kind, keys)[0]
    return f"victim.{key}={keys[key]}"
