"""Messages about a value as it was typed: Hydra reads `2026_11_29` as a number, and shows another one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmark.config.overrides import Override, in_quotes
from benchmark.errors import InputError

_TEXTS = ("run.dir", "run.name", "run.resume")
"""Keys that are used before the configuration is checked."""


def check_texts(overrides: Sequence[Override]) -> None:
    """Raise InputError if a key that says where the run lies is set to something else than a text."""
    for override in overrides:
        values = [override.value] if not override.sweep else override.value
        named = [(override.key, value) for value in values]
        if isinstance(override.value, dict):
            named = list(override.items())
        for key, value in named:
            if key not in _TEXTS or (key == "run.resume" and value is None):
                continue
            if not isinstance(value, str):
                raise InputError(f"{key}={value!r}: must be text")
            if not value.strip():
                raise InputError(f"{key}={value}: is empty; give a {'name' if key == 'run.name' else 'folder'}")


@contextmanager
def as_typed(overrides: Sequence[Override]) -> Iterator[None]:
    """Let an InputError of the block that begins with `KEY=VALUE:` show the value as an override has it.

    Where a text is needed, it says how to quote the value.
    """
    try:
        yield
    except InputError as error:
        message = str(error)
        for override in reversed(overrides):
            if (explained := _explained(message, override)) is not None:
                raise type(error)(explained) from error
        raise


def _explained(message: str, override: Override) -> str | None:
    for key, value in override.items():
        if isinstance(value, str):
            continue  # it is shown as it was typed
        for shown in dict.fromkeys((repr(value), str(value))):
            start = f"{key}={shown}:"
            if message.startswith(start):
                return _as_given(override, key, value, shown, message.removeprefix(start).strip())
    return None


def _as_given(override: Override, key: str, value: Any, shown: str, complaint: str) -> str:
    typed = override.text.partition("=")[2] if key == override.key else shown
    read = "" if typed in (shown, repr(value), str(value)) else f"is read as {value!r}, "
    quote = ""
    if "text" in complaint.partition(";")[0]:
        quote = f"; in quotes it is text: {in_quotes(key, typed)}"
    return f"{key}={typed}: {read}{complaint}{quote}"
