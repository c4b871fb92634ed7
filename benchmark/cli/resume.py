"""Resuming a run: its overrides, whether the configuration is still the same, and which rows are done."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mode
from typing import Any

from hydra.core.hydra_config import HydraConfig

from benchmark.config.groups import further_folders
from benchmark.config.overrides import Override, assignment, parse
from benchmark.errors import InputError
from benchmark.past_runs.recorded_overrides import reason_to_give_again
from benchmark.results.run_settings import FREE, flat, is_in, settings_sha256
from benchmark.runs.folder import RunFolder
from benchmark.runs.tables import RECORDS

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
    again = f"give the command that began the run, with {assignment('run.dir', folder)}; it makes the file again"
    try:
        saved = RunFolder(folder).environment().get("overrides")
    except InputError as error:
        if not RunFolder(folder).config_file.is_file():
            raise
        raise InputError(f"{str(error).rpartition('; ')[0]}; {again}") from error
    if not isinstance(saved, list):
        raise InputError(f"{folder}: environment.json has no list of overrides; {again}")
    try:
        return [parse(str(text)) for text in saved]
    except InputError as error:
        raise InputError(f"{folder}: environment.json: overrides: {error}") from error


def check_same(folder: RunFolder, command: str, config: Mapping[str, Any], fingerprint: str) -> Mapping[str, Any]:
    """As `_checked`; what an environment.json that was changed made it say is not said without that."""
    try:
        return _checked(folder, command, config, fingerprint)
    except InputError as error:
        try:
            folder.check_environment()
        except InputError as damage:
            file = folder.environment_file
            if not file.is_file() or str(damage) == str(error):
                raise error from None
            raise InputError(
                f"{error} ({file.name} was changed after the run wrote it, or is damaged: without it, the command that "
                f"began the run, with {assignment('run.dir', folder.path)}, makes it again)"
            ) from error
        raise


def _checked(folder: RunFolder, command: str, config: Mapping[str, Any], fingerprint: str) -> Mapping[str, Any]:
    """Raise InputError, naming what differs, unless this command may go on with the run; returns its environment.

    The command has to be the one that began the run: `run` would train into a folder of `attack`, and `attack` would
    add rows that the run of `train` did not ask for. `config` has to be that of the run, in all that rows depend on.
    """
    saved, environment = recorded(folder, command, config)
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
    if environment.get("data_fingerprint", fingerprint) != fingerprint:
        raise InputError(
            f"run.dir={folder.path}: the data have changed since the run began (fingerprint "
            f"{str(environment.get('data_fingerprint'))[:12]}, now {fingerprint[:12]}); restore them or start a new run"
        )
    return environment


def recorded(folder: RunFolder, command: str, config: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """What config.yaml and environment.json say. Where one of them is damaged, the other one stands for it.

    A configuration with the recorded settings stands for a damaged config.yaml. With a good config.yaml, the command
    and what the rows have recorded stand for a damaged environment.json, see `environment_of_rows`.

    Raises:
        InputError: nothing stands for a damaged file.
    """
    try:
        environment = folder.environment()
    except InputError as error:
        try:
            return folder.config(), environment_of_rows(folder) | {"command": command}
        except InputError:
            raise error from None
    try:
        return folder.check_config(environment), environment
    except InputError as error:
        if environment.get("settings_sha256") == settings_sha256(config):
            return config, environment
        remedy = "give the settings that the run began with, which make the file again, or restore it"
        raise InputError(f"{str(error).rpartition('; ')[0]}; {remedy}") from error


def environment_of_rows(folder: RunFolder) -> dict[str, Any]:
    """The entries of environment.json that rows have recorded, too: name, victim and data; empty without rows."""
    rows = [row for path in RECORDS.files(folder.path) for row in _readable_rows(folder, path)]
    names = {"run": "name", "data": "data", "weights_sha256": "weights_sha256", "data_fingerprint": "data_fingerprint"}
    return {entry: mode(row[column] for row in rows) for column, entry in names.items()} if rows else {}


def _readable_rows(folder: RunFolder, path: Path) -> list[dict[str, Any]]:
    try:
        return RECORDS.read_file(folder.path, path).to_pylist()
    except (InputError, FileNotFoundError):
        return []


def check_victim(folder: RunFolder, weights_sha256: str) -> None:
    """Raise InputError if the rows of the folder are of another victim."""
    before = folder.environment().get("weights_sha256")
    if before not in (None, weights_sha256):
        raise InputError(
            f"run.dir={folder.path}: its rows are of another victim (weights {str(before)[:12]}, "
            f"now {weights_sha256[:12]}); give that checkpoint or start a new run"
        )
