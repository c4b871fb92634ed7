"""The model a run attacked, found again, and whether it is still the one."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmark.errors import InputError
from benchmark.past_runs.mismatch import Mismatch
from benchmark.past_runs.past_run import PastRun
from benchmark.victims import adapters
from benchmark.victims.fingerprints import checkpoint_sha256, victim_sha256
from benchmark.victims.loading import OwnNetworkError, build_victim, load_victim
from benchmark.victims.task import Victim

_FORM = ("head", "mean", "std", "stride")  # what of the configuration a network of one's own is used with
_CURE = "give --ckpt the checkpoint the run attacked"


class Attacked(NamedTuple):
    """The model, None if its checkpoint is damaged; what rows call it, None if they cannot be told; what is wrong."""

    victim: Victim | None
    name: str | None
    mismatches: list[Mismatch]


def load_attacked(
    past_run: PastRun, config: Mapping[str, Any], environment: Mapping[str, Any], ckpt: Path | None, factory: str | None
) -> Attacked:
    """Load the model from `ckpt`, or from where the run had it, or make it by the user's own `factory`.

    Args:
        source: the run.
        config: the section victim of its config.yaml.
        environment: environment.json.
        ckpt: checkpoint in place of the run's own.
        factory: MODULE:FUNCTION, called without arguments, for a network of the user's own. The run's own factory is
            never called: a folder must not choose code to run, nor what to run it with.

    Raises:
        InputError: no checkpoint, or one that cannot be used although it is the run's.
    """
    kind = config.get("architecture")
    if kind in adapters.names() and kind != "python":
        raise InputError(f"{past_run.folder}: attacked a network of victim={kind}, which verify cannot make again yet")
    if config.get("factory") is not None and factory is None:
        raise InputError(
            f"{past_run.folder}: attacked a network of your own, {config['factory']}; give --factory MODULE:FUNCTION, "
            "which makes it and takes no arguments"
        )
    if factory is not None and config.get("factory") is None:
        raise InputError(f"--factory {factory}: {past_run.folder} attacked no network of your own; leave it out")
    path = ckpt or _checkpoint(past_run, environment)
    if path is None and factory is None:
        given = f" or at {past_run.checkpoints[1]}" if len(past_run.checkpoints) > 1 else ""
        raise InputError(f"{past_run.folder}: has no checkpoints/best.ckpt{given}; give --ckpt PATH")
    mismatches = [] if path is None else list(_file_faults(path, environment))
    try:
        victim = _from_factory(past_run, config, factory) if path is None else _from_file(past_run, path, factory)
    except InputError as error:
        if not mismatches:
            raise
        return Attacked(None, None, [*mismatches, Mismatch("checkpoint", f"cannot be loaded: {error}", _CURE)])
    found, said = victim_sha256(victim), environment.get("weights_sha256")
    if found != said:
        what = f"environment.json says {said}, those of {path or factory} are {found}"
        mismatches.append(Mismatch("checkpoint", what, _CURE, "weights_sha256"))
    return Attacked(victim, victim.label if factory is None else str(config["factory"]), mismatches)


def _checkpoint(past_run: PastRun, environment: Mapping[str, Any]) -> Path | None:
    """The one with the recorded bytes, else the first there is."""
    there = [path for path in past_run.checkpoints if path.is_file()]
    known = (path for path in there if checkpoint_sha256(path) == environment.get("checkpoint_sha256"))
    return next(known, there[0] if there else None)


def _file_faults(path: Path, environment: Mapping[str, Any]) -> Iterator[Mismatch]:
    found, said = checkpoint_sha256(path), environment.get("checkpoint_sha256")
    if found != said:
        what = f"environment.json says {said}, that of {path} is {found}"
        yield Mismatch("checkpoint", what, _CURE, "checkpoint_sha256")


def _from_file(past_run: PastRun, path: Path, factory: str | None) -> Victim:
    data = past_run.data
    try:
        own: dict[str, Any] = {} if factory is None else {"factory": factory}
        own |= {"classes": data.classes, "channels": data.channels, "deployment": past_run.deployment}
        return load_victim(path, **own)
    except OwnNetworkError as error:
        raise InputError(
            f"{path} is of a network of your own; give --factory MODULE:FUNCTION, which makes it"
        ) from error


def _from_factory(past_run: PastRun, config: Mapping[str, Any], factory: str | None) -> Victim:
    data = past_run.data
    victim = build_victim(
        classes=data.classes,
        background=data.background,
        channels=data.channels,
        factory=factory,
        architecture="python",
        encoder=None,
        **{key: config.get(key) for key in _FORM},
        **past_run.deployment,
    )
    return victim.eval()
