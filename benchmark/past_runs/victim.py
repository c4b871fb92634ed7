"""Finding the model that a past run attacked, and comparing it with what the run recorded of it."""

from pathlib import Path
from typing import Any, NamedTuple

from benchmark.errors import InputError
from benchmark.past_runs.mismatch import Mismatch
from benchmark.past_runs.past_run import PastRun
from benchmark.runs import layout
from benchmark.victims import adapters
from benchmark.victims.fingerprints import checkpoint_sha256, victim_sha256
from benchmark.victims.loading import OwnNetworkError, build_victim, load_victim, split_keys
from benchmark.victims.task import Victim

_PREPROCESSING = ("head", "mean", "std", "stride")  # how to use a network of the user's own
_CURE = "give the checkpoint that the run attacked"
_NO_CHECKPOINT = "give the checkpoint that it attacked, verify --ckpt PATH or transfer --victims PATH"


class FoundVictim(NamedTuple):
    """The victim of a past run.

    Attributes:
        victim: in eval mode on the CPU; None if its checkpoint cannot be loaded.
        name: what rows call it; None if its checkpoint cannot be loaded.
        checkpoint: where it was loaded from; None if a factory made it.
        weights_sha256: as `victim_sha256` gives it.
        mismatches: how it differs from the recorded one.
    """

    victim: Victim | None
    name: str | None
    checkpoint: Path | None
    weights_sha256: str | None
    mismatches: list[Mismatch]


def find_victim(past_run: PastRun, checkpoint: Path | None = None, factory: str | None = None) -> FoundVictim:
    """Load the victim of a run.

    Of several checkpoints the one with the recorded bytes comes first; the first with the recorded weights is
    returned, or else the first.

    Args:
        past_run: the run.
        checkpoint: taken in place of the best checkpoint in the run's folder and of its victim.ckpt.
        factory: MODULE:FUNCTION, called without arguments, which makes a network of the user's own. The factory that
            the run names is never called, because a folder must not choose code to run.

    Raises:
        OwnNetworkError: the run attacked a network of the user's own, and no factory is given.
        InputError: there is no checkpoint, or the recorded one cannot be used.
    """
    config = past_run.config["victim"]
    kind = config.get("architecture")
    if kind in adapters.names() and kind != "python":
        raise InputError(
            f"{past_run.folder}: attacked a network of victim={kind}, which cannot be built from a run's folder yet"
        )
    if config.get("factory") is not None and factory is None:
        raise OwnNetworkError(f"{past_run.folder}: attacked a network of your own, {config['factory']}")
    if config.get("factory") is None and factory is not None:
        raise InputError(f"--factory {factory}: {past_run.folder} attacked no network of your own; leave it out")
    checkpoints: list[Path | None] = [*_checkpoints(past_run)] if checkpoint is None else [checkpoint]
    if not checkpoints and factory is None:
        given = f" or at {config['ckpt']}" if config.get("ckpt") is not None else ""
        file = past_run.run.best_checkpoint.relative_to(past_run.folder)
        raise InputError(f"{past_run.folder}: has no {file}{given}; {_NO_CHECKPOINT}")
    candidates: list[FoundVictim] = []
    for path in checkpoints or [None]:
        candidates.append(_load(past_run, path, factory))
        if candidates[-1].weights_sha256 == past_run.weights_sha256:
            return candidates[-1]
    return candidates[0]


def _checkpoints(past_run: PastRun) -> list[Path]:
    """The checkpoints that are there, the one with the recorded bytes first."""
    given, recorded = past_run.config["victim"].get("ckpt"), past_run.environment.get("checkpoint_sha256")
    paths = [past_run.run.best_checkpoint, *([] if given is None else [Path(given)])]
    return sorted((path for path in paths if path.is_file()), key=lambda path: checkpoint_sha256(path) != recorded)


def _load(past_run: PastRun, checkpoint: Path | None, factory: str | None) -> FoundVictim:
    mismatches = []
    if checkpoint is not None:
        sha256, recorded = checkpoint_sha256(checkpoint), past_run.environment.get("checkpoint_sha256")
        if sha256 != recorded:
            what = f"{layout.ENVIRONMENT} says {recorded}, that of {checkpoint} is {sha256}"
            mismatches.append(Mismatch("checkpoint", what, _CURE, "checkpoint_sha256"))
    try:
        victim = _build(past_run, checkpoint, factory)
    except InputError as error:
        if isinstance(error, OwnNetworkError) or not mismatches:
            raise
        mismatches.append(Mismatch("checkpoint", f"cannot be loaded: {error}", _CURE))
        return FoundVictim(None, None, checkpoint, None, mismatches)
    weights, recorded = victim_sha256(victim), past_run.weights_sha256
    if weights != recorded:
        what = f"{layout.ENVIRONMENT} says {recorded}, those of {checkpoint or factory} are {weights}"
        mismatches.append(Mismatch("checkpoint", what, _CURE, "weights_sha256"))
    recorded_factory = past_run.config["victim"].get("factory")
    name = victim.label if recorded_factory is None else f"{recorded_factory}{victim.deployment.label()}"
    return FoundVictim(victim, name, checkpoint, weights, mismatches)


def _build(past_run: PastRun, checkpoint: Path | None, factory: str | None) -> Victim:
    """From the checkpoint, or from the factory alone where there is none."""
    config, data = past_run.config["victim"], past_run.data
    deployment = split_keys(config).deployment
    keys: dict[str, Any] = {} if factory is None else {"factory": factory}
    if checkpoint is not None:
        return load_victim(checkpoint, classes=data.classes, channels=data.channels, deployment=deployment, **keys)
    keys |= {key: config.get(key) for key in _PREPROCESSING} | deployment
    return build_victim(
        classes=data.classes,
        background=data.background,
        channels=data.channels,
        architecture="python",
        encoder=None,
        **keys,
    ).eval()
