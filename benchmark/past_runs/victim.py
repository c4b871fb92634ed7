"""Finding the model that a past run attacked, and comparing it with what the run recorded of it."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
from pytorch_lightning.utilities.seed import isolate_rng

from benchmark.config.victim import make_victim, victim_name
from benchmark.errors import InputError
from benchmark.label_subsets import are_subsets
from benchmark.past_runs.given_network import OPTION, GivenNetwork, again
from benchmark.past_runs.mismatch import Mismatch
from benchmark.past_runs.past_run import PastRun
from benchmark.runs import layout
from benchmark.victims import adapters
from benchmark.victims.deployment import Deployment
from benchmark.victims.fingerprints import checkpoint_sha256, program_sha256, victim_sha256
from benchmark.victims.loading import OwnNetworkError, load_victim, split_keys
from benchmark.victims.task import Victim

# How a network of the user's own is used; a run's folder may say so.
_READING = {"head", "mean", "std", "stride", "input_size", "output"}
_USE = _READING | {field.name for field in fields(Deployment)}
_DESCRIBING = ("network_class", "options")  # of a network: with others it has other weights
_CURE = "give the checkpoint that the run attacked"
_NO_CHECKPOINT = "give the checkpoint that it attacked, verify --ckpt PATH or transfer --victims PATH"


class FoundVictim(NamedTuple):
    """The victim of a past run.

    Attributes:
        victim: in eval mode on the CPU; None if its checkpoint cannot be loaded.
        name: what rows call it; None if its checkpoint cannot be loaded.
        origin: the checkpoint that it was loaded from; without one, what names the network, such as its program.
        weights_sha256: as `victim_sha256` gives it.
        mismatches: how it differs from the recorded one.
    """

    victim: Victim | None
    name: str | None
    origin: Path
    weights_sha256: str | None
    mismatches: list[Mismatch]


def find_victim(
    past_run: PastRun, checkpoint: Path | None = None, networks: Sequence[GivenNetwork] = ()
) -> FoundVictim:
    """Load the victim of a run.

    Of several checkpoints the one with the recorded bytes comes first; the first with the recorded weights is
    returned, or else the first.

    Args:
        past_run: the run.
        checkpoint: taken in place of the best checkpoint in the run's folder and of its victim.ckpt.
        networks: those of the user's own, one of which the run attacked, if it attacked such a network. What the run
            names is never loaded, because a folder must not choose code to run. How the network is used, such as its
            windows, is taken from the run where a network does not say it.

    Raises:
        OwnNetworkError: the run attacked a network of the user's own, and none of its kind is given.
        InputError: there is no checkpoint, or the recorded one cannot be used.
    """
    config = past_run.config["victim"]
    own = config.get("architecture") in adapters.names()
    sections = _sections(past_run, networks) if own else [None]
    if not sections:
        kinds = [network.section(str(config["architecture"]))["architecture"] for network in networks]
        raise OwnNetworkError(past_run.folder, again(config), option=f"{OPTION} ", given=kinds)
    checkpoints = _checkpoints(past_run) if checkpoint is None else [checkpoint]
    candidates: list[FoundVictim] = []
    errors: list[InputError] = []
    for section in sections:
        given = [Path(section["ckpt"])] if section is not None and section["ckpt"] is not None else checkpoints
        if not given and (not own or past_run.environment.get("checkpoint_sha256") is not None):
            raise _no_checkpoint(past_run)
        paths: list[Path | None] = [*given] or [None]
        for path in paths:
            try:
                candidates.append(_load(past_run, path, section))
            except InputError as error:
                errors.append(error)
                continue
            if candidates[-1].weights_sha256 == past_run.weights_sha256:
                return candidates[-1]
    if not candidates:
        raise errors[0]
    return candidates[0]


def _no_checkpoint(past_run: PastRun) -> InputError:
    given = past_run.config["victim"].get("ckpt")
    file = past_run.run.best_checkpoint.relative_to(past_run.folder)
    elsewhere = "" if given is None else f" or at {given}"
    return InputError(f"{past_run.folder}: has no {file}{elsewhere}; {_NO_CHECKPOINT}")


def _sections(past_run: PastRun, networks: Sequence[GivenNetwork]) -> list[dict[str, Any] | None]:
    """The sections `victim` that the networks of the run's kind give, used as the run used its network."""
    recorded = past_run.config["victim"]
    kind = str(recorded["architecture"])
    sections: list[dict[str, Any] | None] = []
    for network in networks:
        if network.section(kind)["architecture"] == kind:
            sections.append(_as_used(past_run, network, _USE))
    return sections


def section_without_deployment(past_run: PastRun, network: GivenNetwork) -> dict[str, Any]:
    """The section `victim` of the network that a run attacked, read as the run read it; what stands around it is as
    the command line says."""
    return _as_used(past_run, network, _READING)


def _as_used(past_run: PastRun, network: GivenNetwork, keys: set[str]) -> dict[str, Any]:
    recorded = past_run.config["victim"]
    kind = str(recorded["architecture"])
    of_run = (keys | adapters.harmless(kind)) - network.keys()
    return network.section(kind) | {key: recorded[key] for key in of_run if key in recorded}


def _checkpoints(past_run: PastRun) -> list[Path]:
    """The checkpoints that are there, the one with the recorded bytes first."""
    given, recorded = past_run.config["victim"].get("ckpt"), past_run.environment.get("checkpoint_sha256")
    paths = [past_run.run.best_checkpoint, *([] if given is None else [Path(given)])]
    return sorted((path for path in paths if path.is_file()), key=lambda path: checkpoint_sha256(path) != recorded)


def _load(past_run: PastRun, checkpoint: Path | None, section: dict[str, Any] | None) -> FoundVictim:
    mismatches = []
    if checkpoint is not None:
        sha256, recorded = checkpoint_sha256(checkpoint), past_run.environment.get("checkpoint_sha256")
        if sha256 != recorded:
            what = f"{layout.ENVIRONMENT} says {recorded}, that of {checkpoint} is {sha256}"
            mismatches.append(Mismatch("checkpoint", what, _CURE, "checkpoint_sha256"))
    origin = checkpoint or origin_of(section or past_run.config["victim"])
    try:
        victim = _build(past_run, checkpoint, section)
    except InputError as error:
        if isinstance(error, OwnNetworkError) or not mismatches:
            raise
        mismatches.append(Mismatch("checkpoint", f"cannot be loaded: {error}", _CURE))
        return FoundVictim(None, None, origin, None, mismatches)
    weights, recorded = victim_sha256(victim), past_run.weights_sha256
    if weights != recorded:
        what = f"{layout.ENVIRONMENT} says {recorded}, those of {origin} are {weights}"
        what += "" if section is None else _otherwise(past_run, section)
        place = "network" if checkpoint is None else "checkpoint"
        mismatches.append(Mismatch(place, what, _CURE, "weights_sha256"))
    program, recorded = program_sha256(victim), past_run.environment.get("program_sha256")
    if program != recorded:
        file = origin if section is None else origin_of(section | {"ckpt": None})
        what = f"{layout.ENVIRONMENT} says {recorded}, that of {file} is {program}"
        mismatches.append(Mismatch("network", what, _CURE, "program_sha256"))
    return FoundVictim(victim, victim_name(past_run.config["victim"], victim), origin, weights, mismatches)


def origin_of(section: Mapping[str, Any]) -> Path:
    """What names the victim of a section: its checkpoint, or else the program, folder or factory of its network."""
    if section.get("ckpt") is not None:
        return Path(section["ckpt"])
    return Path(str(section.get(adapters.needed(str(section["architecture"]), section)[0])))


def _otherwise(past_run: PastRun, section: dict[str, Any]) -> str:
    """The keys of a network that the run had otherwise, for a message; paths may have changed."""
    recorded = past_run.config["victim"]
    changed = [key for key in _DESCRIBING if section.get(key) != recorded.get(key)]
    return "".join(f"; the run had victim.{key}={recorded.get(key)}" for key in changed)


def _build(past_run: PastRun, checkpoint: Path | None, section: dict[str, Any] | None) -> Victim:
    """From the checkpoint, from a network of the user's own, or from both."""
    data = past_run.data
    if section is not None:
        return build_again(past_run, section | {"ckpt": checkpoint})
    if checkpoint is None:
        raise _no_checkpoint(past_run)
    deployment = split_keys(past_run.config["victim"]).deployment
    overlapping = are_subsets(data.background)
    return load_victim(
        checkpoint, classes=data.classes, channels=data.channels, overlapping=overlapping, deployment=deployment
    )


def build_again(past_run: PastRun, section: Mapping[str, Any]) -> Victim:
    """The victim of a section, as at the start of a run: weights that a network draws are the same again."""
    with isolate_rng():
        pl.seed_everything(_seed(past_run), verbose=False)
        return make_victim(section, past_run.data).eval()


def _seed(past_run: PastRun) -> int:
    seed = past_run.config.get("seed")
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise InputError(f"{past_run.run.config_file}: seed={seed!r}: must be a whole number from 0; restore it")
    return seed
