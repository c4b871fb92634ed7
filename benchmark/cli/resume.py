"""Resuming a run: its overrides, whether the configuration is still the same, and which rows are done."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig

from benchmark.config.groups import further_folders
from benchmark.config.overrides import Override, assignment, parse
from benchmark.errors import InputError
from benchmark.past_runs.recorded_overrides import reason_to_give_again
from benchmark.results.run_settings import FREE, flat, is_in
from benchmark.runs.folder import RunFolder

# What only the training depends on, which may be over.
_TRAINING = (
    *("trainer", "training", "adversarial_training"),
    *("victim.learning_rate", "victim.weight_decay", "victim.schedule"),
)


def resumed_overrides(given: Sequence[Override]) -> list[Override]:
    """The overrides of the run that `run.resume` names, then those given with it; `given` if it names none.

    Raises:
        InputError: no such run, or one whose command line has what `reason_to_give_again` names.
    """
    folders = [override.value for override in given if override.key == "run.resume"]
    if not folders or folders[-1] in ("", None):
        return list(given)
    folder = Path(str(folders[-1]))
    given = [override for override in given if override.key != "run.resume"]
    for override in given:
        if override.key == "run.dir":
            raise InputError(f"{override.text}: run.resume={folder} already names the folder; leave one of them out")
    replaced = {(override.key, override.package) for override in given}
    free: tuple[str, ...] = ("run.dir", "run.resume")
    if ("trainer", None) in replaced:
        # Another trainer means other hardware, for which the saved number of devices says nothing.
        free += tuple(key for key in FREE if key.startswith("trainer."))
    if ("logger", None) in replaced:
        free += ("loggers",)
    kept = [
        override
        for override in _saved_overrides(folder)
        if (override.key, override.package) not in replaced and not is_in(override.key, free)
    ]
    for override in kept:
        if reason := reason_to_give_again(override):
            raise InputError(f"{folder}: was run with {override.text}, {reason}; give it again")
    return [*kept, *given, parse(assignment("run.dir", folder))]


def command_to_go_on(folder: Path) -> str:
    """What to type to go on with the run that this process runs in `folder`."""
    given = [parse(text) for text in HydraConfig.get().overrides.task]
    again = [override.text for override in given if reason_to_give_again(override) and override.key != "run.dir"]
    further = [f"--config-dir={path}" for path in further_folders()]
    return shlex.join([*f"python -m {sys.argv[0]}".split(), assignment("run.resume", folder), *again, *further])


def _saved_overrides(folder: Path) -> list[Override]:
    saved = RunFolder(folder).environment().get("overrides")
    if not isinstance(saved, list):
        remedy = "give the command that started the run"
        raise InputError(f"{folder}: environment.json has no list of overrides; {remedy}")
    try:
        return [parse(str(text)) for text in saved]
    except InputError as error:
        raise InputError(f"{folder}: environment.json: overrides: {error}") from error


def check_same(folder: RunFolder, command: str, config: Mapping[str, Any], fingerprint: str) -> None:
    """Raise InputError, naming what differs, unless this command may go on with the run in the folder.

    The command has to be the one that began the run: `run` would train into a folder of `attack`, and `attack` would
    add rows that the run of `train` did not ask for. `config` has to be that of the run, in all that rows depend on.
    """
    saved, environment = folder.config(), folder.environment()
    if (begun_by := environment.get("command")) != command:
        if begun_by is None:
            raise InputError(f"{folder.environment_file}: does not say which command began the run; restore it")
        raise InputError(
            f"run.dir={folder.path} holds a run of `{begun_by}`, with which `{command}` cannot go on; give "
            f"`{begun_by}`, or another folder"
        )
    free = (*FREE, *_TRAINING) if environment.get("trained") or environment.get("weights_sha256") else FREE
    before, now = flat(saved), flat(config)
    for key in sorted(before.keys() | now.keys()):
        if not is_in(key, free) and before.get(key) != now.get(key):
            values = f"{before.get(key, 'not set')} in that run, {now.get(key, 'not set')} now"
            raise InputError(f"run.dir={folder.path} holds another run: {key} is {values}; choose another folder")
    if environment.get("data_fingerprint") != fingerprint:
        raise InputError(
            f"run.dir={folder.path}: the data have changed since the run began (fingerprint "
            f"{str(environment.get('data_fingerprint'))[:12]}, now {fingerprint[:12]}); restore them or start a new run"
        )


def check_victim(folder: RunFolder, weights_sha256: str) -> None:
    """Raise InputError if the rows of the folder are of another victim."""
    before = folder.environment().get("weights_sha256")
    if before not in (None, weights_sha256):
        raise InputError(
            f"run.dir={folder.path}: its rows are of another victim (weights {str(before)[:12]}, "
            f"now {weights_sha256[:12]}); give that checkpoint or start a new run"
        )
