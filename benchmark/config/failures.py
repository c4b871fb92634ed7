"""Errors of runs: messages of Hydra and OmegaConf in one line each, and a sweep that goes on after an error."""

import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, MissingMandatoryValue, OmegaConfBaseException

from benchmark.config.groups import conf_folder, groups, names
from benchmark.errors import InputError, ProcessError, ReportedError, did_you_mean


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
        """Keep what the block raises; in a sweep say so at once."""
        try:
            yield
        except Exception as error:
            if isinstance(error, CompactHydraException | OmegaConfBaseException):
                error = InputError(one_line(error))
            self._errors.append(error)
            if self.sweep:
                told = _tell(error)
                if self.elsewhere:
                    # Not the error itself, which need not survive being pickled.
                    raise (InputError if isinstance(error, InputError) else RuntimeError)(told) from None

    def status(self) -> int:
        """Of a sweep: 0, 2 if runs failed for bad input only, else 1. A single run's error is raised."""
        if self._errors and not self.sweep:
            raise self._errors[0]
        if not self._errors:
            return 0
        return 2 if all(isinstance(error, InputError) for error in self._errors) else 1


def one_line(error: Exception) -> str:
    """Hydra's and OmegaConf's messages with their cause, on one line, and the nearest key for an unknown one."""
    text = " ".join(str(error).split("\nfull_key")[0].split())
    unknown = re.search(r"Could not override '([^']+)'", text) or re.search(r"Key '([^']+)' is not in struct", text)
    if unknown:
        # Where a whole section was given, the cause knows which key in it.
        key = max(unknown.group(1), getattr(error.__cause__, "full_key", None) or "", key=len)
        if key in _known_keys():
            return f"{key} is a key of another choice than the one made here; see --show-config for all keys"
        return f"unknown key {key!r}{did_you_mean(key, _known_keys())}; see --show-config for all keys"
    if isinstance(error, MissingMandatoryValue) and error.full_key:
        return f"{error.full_key} is missing; give {error.full_key}=VALUE"
    if isinstance(error, InterpolationKeyError):
        return f"{error.full_key} refers to a key that is not there ({text.split(' full_key')[0]})"
    if isinstance(error, OverrideParseException):
        return f"{error.override}: cannot be read as KEY=VALUE; put special characters in quotes, as in 'KEY=\"<\"'"
    return text


def _tell(error: Exception) -> str:
    """Print what went wrong in which run; returns it as one line."""
    task = " ".join(HydraConfig.get().overrides.task)
    if isinstance(error, InputError | ProcessError):
        told = f"{error} (in the run {task})"
        if not isinstance(error, ReportedError):
            print(f"error: {told}", file=sys.stderr)
    else:
        traceback.print_exception(error)
        told = f"the run {task} failed"
        print(f"error: {told}, see above", file=sys.stderr)
    return told


def _known_keys() -> list[str]:
    """All keys of the default configuration and of every file of its groups."""

    def walk(prefix: str, node: object) -> list[str]:
        if not isinstance(node, DictConfig):
            return []
        found = []
        for key in node:
            found += [prefix + str(key), *walk(f"{prefix}{key!s}.", node._get_node(key))]
        return found

    keys = [*groups(), *walk("", OmegaConf.load(conf_folder() / "config.yaml"))]
    for group in groups():
        for name, path in {**names(group), "_base": conf_folder() / group / "_base.yaml"}.items():
            if path.exists():
                several = group in ("attack", "logger", "defence")
                prefix = f"{group}s.{name}." if several else f"{group}."
                keys += walk(prefix, OmegaConf.load(path))
    return [key for key in keys if "defaults" not in key]
