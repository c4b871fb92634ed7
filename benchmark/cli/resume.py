"""Resuming a run: its overrides, whether the configuration is still the same, and which rows are done."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.config.groups import conf_folder, names
from benchmark.config.overrides import Override, assignment, parse
from benchmark.errors import InputError
from benchmark.results.run_settings import FREE, flat, is_in
from benchmark.runs.folder import RunFolder

_CODE = ("victim.factory", "victim.program")  # keys that name code to run, besides every `_target_`
# Interpolations that cannot make a section out of a text, as Hydra's oc.create and oc.decode can.
_HARMLESS = re.compile(r"\$\{(?:[\w.]+|(?:of255|stamp|oc\.env):[^${}]*)\}")

# What only the training depends on, which may be over.
_TRAINING = (
    *("trainer", "training", "adversarial_training"),
    *("victim.learning_rate", "victim.weight_decay", "victim.schedule"),
)


def resumed_overrides(given: Sequence[Override]) -> list[Override]:
    """The overrides of the run that `run.resume` names, then those given with it; `given` if it names none.

    Raises:
        InputError: no such run, or one whose command line names code to run, which has to be given again.
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
    kept = [
        override
        for override in _saved_overrides(folder)
        if (override.key, override.package) not in replaced and override.key not in free
    ]
    for override in kept:
        if _names_code(override):
            raise InputError(f"{folder}: was run with {override.text}, which names code to run; give it again")
    return [*kept, *given, parse(assignment("run.dir", folder))]


def _saved_overrides(folder: Path) -> list[Override]:
    saved = RunFolder(folder).environment().get("overrides")
    if not isinstance(saved, list):
        remedy = "give the command that started the run"
        raise InputError(f"{folder}: environment.json has no list of overrides; {remedy}")
    try:
        return [parse(str(text)) for text in saved]
    except InputError as error:
        raise InputError(f"{folder}: environment.json: overrides: {error}") from error


def _names_code(override: Override) -> bool:
    """Whether the override can choose code that is run, other than a file of the project's own `conf/`."""
    if override.key.split(".")[0].split("/")[0] == "hydra":
        return True
    if override.group is not None:
        files = names(override.group)
        return any(name not in files or not files[name].is_relative_to(conf_folder()) for name in override.choices)
    return any(
        key.split(".")[-1] == "_target_"
        or is_in(key, _CODE)
        or (isinstance(value, str) and "${" in _HARMLESS.sub("", value))
        for key, value in override.items()
    )


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
