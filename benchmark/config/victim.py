"""Victims from the section `victim` of a configuration."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pytorch_lightning.utilities.seed import isolate_rng

from benchmark.config.validation import check_arguments
from benchmark.data.datamodule import SegmentationData
from benchmark.engine.kept_state import kept_state
from benchmark.engine.precision import model_dtype
from benchmark.errors import InputError, as_input_error
from benchmark.label_subsets import NO_LABEL, are_subsets
from benchmark.model_errors import as_model_error
from benchmark.victims import adapters
from benchmark.victims.checkpoint_io import read_checkpoint
from benchmark.victims.deployment import Deployment
from benchmark.victims.hyper_parameters import MULTILABEL, class_count
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
    return _untrained(section, data.classes, data.background, data.channels)


def _untrained(section: Mapping[str, Any], classes: int, background: int | None, channels: int) -> Victim:
    keys = split_keys(section)
    if keys.victim.get("architecture") in adapters.names():
        check_arguments(Victim, keys.victim, "victim")
        check_arguments(adapters.maker(keys.victim["architecture"]), keys.adapter, "victim")
    else:
        check_arguments(Victim, keys.victim | keys.adapter, "victim")
    check_arguments(Deployment, keys.deployment, "victim")
    with as_input_error("victim", TypeError, ValueError):
        return build_victim(classes=classes, background=background, channels=channels, **section)


class ToldApart(NamedTuple):
    """What a victim tells apart: so many classes, or so many subsets of labels that overlap."""

    classes: int
    overlapping: bool


def told_apart(section: Mapping[str, Any], data: SegmentationData) -> ToldApart:
    """What the victim of a section tells apart: by its checkpoint, by a trial of one image, or by the names given.

    Raises:
        InputError: as `make_victim`, and for a network that has to be told the number.
    """
    if section.get("ckpt") is not None:
        saved = read_checkpoint(section["ckpt"])[0]
        if type(saved.get("classes")) is int:
            return ToldApart(saved["classes"], saved.get("head") == MULTILABEL)
    architecture, head = section.get("architecture"), section.get("head", "softmax")
    overlapping = head == MULTILABEL
    own = architecture in adapters.names()
    if not own or "outputs" in inspect.signature(adapters.maker(str(architecture))).parameters:
        if names := getattr(data.source, "given_names", None):
            return ToldApart(class_count(len(names), MULTILABEL) if overlapping else len(names), overlapping)
        raise InputError(f"data.classes: how many classes victim={architecture} tells apart is not known; give them")
    with isolate_rng(), torch.no_grad():  # the victim that is attacked draws the same weights as without this trial
        victim = _untrained(section, 2, NO_LABEL if overlapping else 0, data.channels).eval()
        image = next(data.unlabelled())[1].to(model_dtype(victim))
        try:
            with kept_state(victim), as_model_error(victim, image[None]):
                victim(image[None])
        except OutputShapeError as error:
            return ToldApart(class_count(error.outputs, str(head)), overlapping)
    return ToldApart(2, overlapping)


def victim_name(section: Mapping[str, Any], victim: Victim) -> str:
    """What rows call the victim: architecture and encoder, or the user's network; then what is around the network."""
    architecture = victim.hparams["architecture"]
    if architecture not in adapters.names():
        return victim.label
    network = str(section.get(adapters.needed(architecture, section)[0]))
    name = network if architecture == "python" else f"{architecture}_{Path(network).stem}"
    return name + victim.deployment.label()
