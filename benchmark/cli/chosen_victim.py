"""The victim that a configuration chooses: a new one, or the one of a checkpoint."""

from collections.abc import Sequence

from omegaconf import DictConfig

from benchmark.config.overrides import parse
from benchmark.config.plain import plain
from benchmark.config.victim import make_victim, told_apart
from benchmark.data.datamodule import SegmentationData
from benchmark.errors import InputError
from benchmark.results.run_settings import is_in
from benchmark.victims.loading import split_keys
from benchmark.victims.task import Victim


def chosen_victim(cfg: DictConfig, data: SegmentationData, overrides: Sequence[str] = ()) -> Victim:
    """The victim of victim.ckpt, or an untrained one if the configuration names no checkpoint.

    Raises:
        InputError: a key that the victim does not take, a victim that does not fit the data, a checkpoint of another
            victim than the `overrides` of the command line say.
    """
    section = plain(cfg.victim)
    if data.classes_open:
        told = told_apart(section, data)
        data.set_classes(told.classes, overlapping=told.overlapping)
    victim = make_victim(section, data)
    checkpoint, named = section["ckpt"], split_keys(section).victim
    for override in map(parse, overrides if checkpoint is not None else ()):
        for key, _ in override.items():
            name = {"victim": "architecture"}.get(key, key.removeprefix("victim."))
            if is_in(key, ["victim"]) and name in named and victim.hparams[name] != named[name]:
                actual = f"{checkpoint} has {name} {victim.hparams[name]}"
                raise InputError(f"{override.text}: but {actual}; leave it out or give another checkpoint")
    return victim
