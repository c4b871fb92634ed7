"""The victim that a configuration chooses: a new one, or the one of a checkpoint."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from benchmark.config.overrides import parse
from benchmark.config.validation import check_arguments
from benchmark.data.datamodule import SegmentationData
from benchmark.errors import InputError, as_input_error
from benchmark.results.run_settings import is_in
from benchmark.victims import adapters
from benchmark.victims.deployment import Deployment
from benchmark.victims.loading import build_victim, load_victim, split_keys
from benchmark.victims.task import Victim


def chosen_victim(cfg: DictConfig, data: SegmentationData, overrides: Sequence[str] = ()) -> Victim:
    """The victim of victim.ckpt, or an untrained one if the configuration names no checkpoint.

    Raises:
        InputError: a key that the victim does not take, a victim that does not fit the data, a checkpoint of another
            victim than the `overrides` of the command line say.
    """
    section: dict[str, Any] = OmegaConf.to_container(cfg.victim, resolve=True)  # type: ignore[assignment]
    checkpoint = section.pop("ckpt")
    if checkpoint is None:
        return victim_from_config(section, data)
    keys = split_keys(section)
    victim = load_victim(
        checkpoint, classes=data.classes, channels=data.channels, deployment=keys.deployment, **keys.adapter
    )
    for override in map(parse, overrides):
        for key, _ in override.items():
            name = {"victim": "architecture"}.get(key, key.removeprefix("victim."))
            if is_in(key, ["victim"]) and name in victim.hparams and victim.hparams[name] != section[name]:
                actual = f"{checkpoint} has {name} {victim.hparams[name]}"
                raise InputError(f"{override.text}: but {actual}; leave it out or give another checkpoint")
    return victim


def victim_from_config(section: dict[str, Any], data: SegmentationData) -> Victim:
    """An untrained victim that fits the data; `section` is that of the configuration, without `ckpt`."""
    keys = split_keys(section)
    if keys.victim.get("architecture") in adapters.names():
        check_arguments(Victim, keys.victim, "victim")
        check_arguments(adapters.maker(keys.victim["architecture"]), keys.adapter, "victim")
    else:
        check_arguments(Victim, keys.victim | keys.adapter, "victim")
    check_arguments(Deployment, keys.deployment, "victim")
    with as_input_error("victim", TypeError, ValueError):
        return build_victim(classes=data.classes, background=data.background, channels=data.channels, **section)


def victim_name(cfg: DictConfig, victim: Victim) -> str:
    """What rows call the victim: architecture and encoder, or the user's network; then what is around the network."""
    architecture = victim.hparams["architecture"]
    if architecture not in adapters.names():
        return victim.label
    network = str(cfg.victim[adapters.needed(architecture)[0]])
    name = network if architecture == "python" else f"{architecture}_{Path(network).stem}"
    return name + victim.deployment.label()
