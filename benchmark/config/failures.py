"""Errors of runs: messages of Hydra and OmegaConf in one line each, and a sweep that goes on after an error."""

import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from omegaconf import OmegaConf
from omegaconf.errors import InterpolationKeyError, MissingMandatoryValue, OmegaConfBaseException

from benchmark.config.groups import conf_folder, groups, names
from benchmark.config.overrides import items
from benchmark.errors import InputError, ProcessError, ReportedError, did_you_mean, machine_error

_RULE = ".rule."  # within the keys of an attack's parameters
_MOST_CHOICES = 6  # in a message


class Failures:
    """Collects what runs raise, so that Hydra neither comments on it nor keeps a sweep's next run from starting.

    Attributes:
        sweep: whether there are several runs.
        elsewhere: whether this is a copy in another process, to which a launcher has taken the run. Nobody collects
            there: Hydra carries what is raised to the process that started the sweep.
    """

    def __init__(self, sweep: bool) -> None:
        self.sweep, self.elsewhere = sweep, False
        self._errors: list[Exception] = []

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state | {"elsewhere": True})

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Keep what the block raises; in a sweep print it at once."""
        try:
            yield
        except Exception as error:
            if isinstance(error, CompactHydraException | OmegaConfBaseException):
                error = InputError(one_line(error))
            error = machine_error(error) or error
            self._errors.append(error)
            if self.sweep:
                message = _report(error)
                if self.elsewhere:
                    # Not the error itself, which need not survive being pickled.
                    raise (InputError if isinstance(error, InputError) else RuntimeError)(message) from None

    def status(self) -> int:
        """Of a sweep: 0, 2 if runs failed for bad input only, else 1. A single run's error is raised."""
        if not self._errors:
            return 0
        if not self.sweep:
            raise self._errors[0]
        return 2 if all(isinstance(error, InputError) for error in self._errors) else 1


def one_line(error: Exception) -> str:
    """Hydra's and OmegaConf's messages with their cause, on one line, and the nearest key for an unknown one."""
    text = " ".join(str(error).split("\nfull_key")[0].split())
    unknown = re.search(r"Could not override '([^']+)'", text) or re.search(r"Key '([^']+)' is not in struct", text)
    if unknown:
        # Where a whole section was given, the cause knows which key in it.
        key = max(unknown.group(1), getattr(error.__cause__, "full_key", None) or "", key=len)
        if key in _known_keys():
            made = f"{key} is a key of another choice than the one made here"
            return f"{made}{_choices_with(key)}; see --show-config for all keys"
        near = did_you_mean(key, _known_keys())
        # A rule has parameters that its file leaves at their defaults; with a + its class checks the name.
        added = f"; a parameter that the attack's file leaves out is given as +{key}=VALUE" if _RULE in key else ""
        return f"unknown key {key!r}{near}; see --show-config for all keys{added}"
    if merged := re.search(r"Error merging override (.+)", text):
        what = "is of another kind than the key takes, such as a mapping in place of a list"
        return f"{merged[1]}: {what}; see --show-config"
    if isinstance(error, MissingMandatoryValue) and error.full_key:
        return f"{error.full_key} is missing; give {error.full_key}=VALUE"
    if isinstance(error, InterpolationKeyError):
        return f"{error.full_key} refers to a key that is not there ({text.split(' full_key')[0]})"
    return text


def _report(error: Exception) -> str:
    """Print the error and the run it ended; returns both in one line."""
    task = " ".join(HydraConfig.get().overrides.task)
    if isinstance(error, InputError | ProcessError):
        message = f"{error} (in the run {task})"
        if not isinstance(error, ReportedError):
            print(f"error: {message}", file=sys.stderr)
    else:
        traceback.print_exception(error)
        message = f"the run {task} failed"
        print(f"error: {message}, see above", file=sys.stderr)
    return message


def _choices_with(key: str) -> str:
    """The choices, such as victim=onnx, whose own files have the key, in brackets; empty if there are too many."""
    group, _, name = key.partition(".")
    files = names(group) if group in groups() else {}
    # What has to be given is in a file's keys, but for OmegaConf not in the file.
    own = {choice: list(OmegaConf.load(path)) for choice, path in files.items()}
    found = [f"{group}={choice}" for choice, keys in own.items() if name.split(".")[0] in keys]
    return f" ({', '.join(found)})" if 0 < len(found) <= _MOST_CHOICES else ""


def _known_keys() -> list[str]:
    """All keys of the default configuration and of every file of its groups."""
    files = [("", conf_folder() / "config.yaml")]
    for group in groups():
        several = group in ("attack", "logger", "defence")
        files += [(f"{group}s.{name}." if several else f"{group}.", path) for name, path in names(group).items()]
        files.append((f"{group}.", conf_folder() / group / "_base.yaml"))
    nodes: list[tuple[str, Any]] = [
        (prefix, OmegaConf.to_container(OmegaConf.load(path))) for prefix, path in files if path.exists()
    ]
    keys = [key for prefix, node in nodes for name, part in node.items() for key, _ in items(f"{prefix}{name}", part)]
    return [*groups(), *(key for key in keys if "defaults" not in key)]
