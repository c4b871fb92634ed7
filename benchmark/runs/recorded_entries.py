"""The entries of environment.json whose kinds are known, and whether a file keeps to them."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from benchmark.runs.victim_check_entry import is_victim_check

_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")  # loggers name files after it


def wrong_entry(environment: Mapping[str, Any]) -> str | None:
    """The first entry of another kind than a run writes, as a clause; None if there is none.

    Entries that are not known here are data of whoever wrote them; they are read by nobody, or by who checks them.
    """
    for name, value in environment.items():
        if name in _KINDS and not _KINDS[name][1](value):
            return f"its {name} is not {_KINDS[name][0]}"
    return None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _or_null(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


def _list_of(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _names_of(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "run_id": ("a short name", lambda value: isinstance(value, str) and _RUN_ID.fullmatch(value) is not None),
    "command": ("run, train or attack", lambda value: value in ("run", "train", "attack")),
    "packages": ("a list of versions", _names_of(_or_null(_is_text))),
    "trained": ("a list of numbers", _names_of(_or_null(_is_number))),
    "shares": ("a list of numbers for each process", _list_of(_names_of(_is_number))),
    "victim_check": ("what a check finds", is_victim_check),
    "resumed": ("a list of starts", _list_of(lambda value: isinstance(value, dict))),
    **{name: ("a list of texts", _list_of(_is_text)) for name in ("command_line", "overrides", "gpus", "data_notes")},
    **dict.fromkeys(("benchmark", "python", "platform", "processor", "data"), ("a text", _is_text)),
    **{name: ("a count", _or_null(_is_count)) for name in ("cpus", "threads", "processes", "machines")},
    **{
        name: ("a hash", _or_null(_is_text))
        for name in ("data_fingerprint", "config_sha256", "checkpoint_sha256", "program_sha256", "weights_sha256")
    },
}
"""Entry -> its kind, in words and as a test."""
