"""The victim that a run's configuration chooses: a new one, or the one of a checkpoint."""

from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig

from benchmark.cli.context import Context
from benchmark.config.overrides import parse_all
from benchmark.config.validation import check_arguments
from benchmark.errors import InputError
from benchmark.results.run_settings import is_in
from benchmark.victims import adapters
from benchmark.victims.deployment import Deployment
from benchmark.victims.loading import build_victim, load_victim, split_keys
from benchmark.victims.task import Victim


def checkpoint_of(context: Context) -> Path | None:
    """The checkpoint the configuration names."""
    return None if context.cfg.victim.ckpt is None else Path(context.cfg.victim.ckpt)


def victim_from_config(context: Context) -> Victim:
    """An untrained victim that fits the data."""
    data = context.data
    options = {key: value for key, value in context.config["victim"].items() if key != "ckpt"}
    keys = split_keys(options)
    _check_keys(keys.victim, keys.adapter)
    check_arguments(Deployment, keys.deployment, "victim")
    try:
        return build_victim(classes=data.classes, background=data.background, channels=data.channels, **options)
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"victim: {' '.join(str(error).split())}") from error


def _check_keys(own: dict[str, Any], left: dict[str, Any]) -> None:
    """Raise InputError for a key of the victim's section that neither the victim nor its adapter takes."""
    if own.get("architecture") not in adapters.names():
        check_arguments(Victim, own | left, "victim")
        return
    check_arguments(Victim, own, "victim")
    check_arguments(adapters.maker(own["architecture"]), left, "victim")


def victim_from_checkpoint(context: Context) -> Victim:
    """The victim of victim.ckpt, which has to fit the data and what the command line says of it."""
    cfg, data = context.cfg.victim, context.data
    keys = split_keys({key: value for key, value in context.config["victim"].items() if key != "ckpt"})
    victim = load_victim(
        cfg.ckpt, classes=data.classes, channels=data.channels, deployment=keys.deployment, **keys.adapter
    )
    for override in parse_all(HydraConfig.get().overrides.task):
        for key, _ in override.items():
            name = {"victim": "architecture"}.get(key, key.removeprefix("victim."))
            if is_in(key, ["victim"]) and name in victim.hparams and victim.hparams[name] != cfg[name]:
                raise InputError(
                    f"{override.text}: but {cfg.ckpt} has {name} {victim.hparams[name]}; leave it out or give another "
                    "checkpoint"
                )
    return victim


def victim_name(context: Context, victim: Victim) -> str:
    """What rows call the victim: architecture and encoder, or the network of a user's own; and what is around it."""
    own, architecture = context.config["victim"], victim.hparams["architecture"]
    if architecture not in adapters.names():
        return victim.label
    which = str(own[adapters.needed(architecture)[0]])
    name = which if architecture == "python" else f"{architecture}_{Path(which).stem}"
    return name + victim.deployment.label()
