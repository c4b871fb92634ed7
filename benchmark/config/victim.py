"""Victims from the section `victim` of a configuration."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.utilities.seed import isolate_rng

from benchmark.config.validation import check_arguments
from benchmark.data.datamodule import SegmentationData
from benchmark.engine.precision import model_dtype
from benchmark.errors import InputError, as_input_error
from benchmark.label_subsets import are_subsets
from benchmark.model_errors import as_model_error
from benchmark.victims import adapters
from benchmark.victims.checkpoint_io import read_checkpoint
from benchmark.victims.deployment import Deployment
from benchmark.victims.hyper_parameters import class_count
from benchmark.victims.loading import build_victim, load_victim, split_keys
from benchmark.victims.network_outputs import OutputShapeError
from benchmark.victims.task import Victim


def make_victim(section: Mapping[str, Any], data: SegmentationData) -> Victim:
    """The victim of victim.ckpt, or an untrained one if the section names no checkpoint.

    Raises:
        InputError: a key that the victim does not take, or a victim that does not fit the data.
    """
    if section.get("ckpt") is None:
        return victim_from_config(section, data)
    keys = split_keys(section)
    return load_victim(
        section["ckpt"],
        classes=data.classes,
        channels=data.channels,
        overlapping=are_subsets(data.background),
        deployment=keys.deployment,
        **keys.adapter,
    )


def victim_from_config(section: Mapping[str, Any], data: SegmentationData) -> Victim:
    """An untrained victim that fits the data; the section's `ckpt` is left out. Raises InputError as `make_victim`."""
    keys = split_keys(section)
    if keys.victim.get("architecture") in adapters.names():
        check_arguments(Victim, keys.victim, "victim")
        check_arguments(adapters.maker(keys.victim["architecture"]), keys.adapter, "victim")
    else:
        check_arguments(Victim, keys.victim | keys.adapter, "victim")
    check_arguments(Deployment, keys.deployment, "victim")
    with as_input_error("victim", TypeError, ValueError):
        return build_victim(classes=data.classes, background=data.background, channels=data.channels, **section)


def victim_classes(section: Mapping[str, Any], data: SegmentationData) -> int:
    """How many classes the victim of a section tells apart: by its checkpoint, or by what it predicts of an image.

    Raises:
        InputError: as `make_victim`, and for a network that has to be told the number.
    """
    if section.get("ckpt") is not None:
        classes = read_checkpoint(section["ckpt"])[0].get("classes")
        if type(classes) is int:
            return classes
    architecture = section.get("architecture")
    own = architecture in adapters.names()
    if not own or "outputs" in inspect.signature(adapters.maker(str(architecture))).parameters:
        raise InputError(f"data.classes: how many classes victim={architecture} tells apart is not known; give them")
    with isolate_rng(), torch.no_grad():  # the victim that is attacked draws the same weights as without this trial
        victim = victim_from_config(section, data).eval()
        image = next(data.unlabelled())[1].to(model_dtype(victim))
        try:
            with as_model_error(victim, image[None]):
                victim(image[None])
        except OutputShapeError as error:
            return class_count(error.outputs, str(victim.hparams["head"]))
    return data.classes


def victim_name(section: Mapping[str, Any], victim: Victim) -> str:
    """What rows call the victim: architecture and encoder, or the user's network; then what is around the network."""
    architecture = victim.hparams["architecture"]
    if architecture not in adapters.names():
        return victim.label
    network = str(section.get(adapters.needed(architecture, section)[0]))
    name = network if architecture == "python" else f"{architecture}_{Path(network).stem}"
    return name + victim.deployment.label()
