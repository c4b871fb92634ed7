"""Overrides such as `data.root=PATH`, read and written as Hydra reads them: no other code looks into their text."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, OverrideType, Quote, QuotedString
from hydra.core.override_parser.types import Override as HydraOverride
from hydra.errors import HydraException

from benchmark.config.groups import groups
from benchmark.config.home import expand_home
from benchmark.errors import InputError

_KEY = re.compile(r"\+{0,2}[\w./@:-]+")
_QUOTES = "\"'"


@dataclass(frozen=True, kw_only=True)
class Override:
    """One override of a command line.

    Attributes:
        text: the override as it was given.
        key: a dotted key, or the name of a group of configuration files.
        package: where in the configuration a group's file goes; None for its usual place, and for keys.
        value: a plain value without quotes; of a sweep the list of its choices, empty where Hydra computes them.
        delete, append: whether the key is removed (`~key`), or may be new (`+key` and `++key`).
        sweep: whether there are several values, each for a run of its own.
    """

    text: str
    key: str
    package: str | None
    value: Any
    delete: bool
    append: bool
    sweep: bool

    @property
    def group(self) -> str | None:
        """The group from which the override chooses; None if it sets a key, as with a section in braces."""
        is_group = "/" in self.key or self.key in groups()
        return self.key if is_group and not isinstance(self.value, dict) else None

    @property
    def choices(self) -> list[str]:
        """The names that an override of a group chooses, of all runs of a sweep; none for a deletion and for null."""
        return [] if self.delete else list(_leaves(self.value))

    def items(self) -> Iterator[tuple[str, Any]]:
        """Every dotted key that the override sets, with its value: sections as well as what is in them."""
        return items(self.key, self.value)


def parse(text: str) -> Override:
    """Read one override. Raises InputError if it is none."""
    try:
        (parsed,) = OverridesParser.create().parse_overrides([text])
        if not parsed.key_or_group:
            raise HydraException("no key")
    except HydraException as error:
        key, separator, value = text.partition("=")
        is_key = separator and _KEY.fullmatch(key)
        example = in_quotes(key, value.strip(_QUOTES)) if is_key else "'KEY=\"<\"'"
        remedy = f"write e.g. seed=1, and put a value of special characters in quotes: {example}"
        raise InputError(f"{text!r} is not KEY=VALUE; {remedy}") from error
    return Override(
        text=text,
        key=parsed.key_or_group,
        package=parsed.package,
        value=_value(parsed),
        delete=parsed.is_delete(),
        append=parsed.type in (OverrideType.ADD, OverrideType.FORCE_ADD),
        sweep=parsed.is_sweep_override(),
    )


def from_command_line(text: str) -> Override:
    """As `parse`, for what a user has typed: `~` is the home folder, in quotes and without them."""
    key, separator, value = text.partition("=")
    if separator and value.startswith("~") and not set(value) & set("\"',"):
        return parse(f"{key}={quoted(expand_home(value))}")
    override = parse(text)
    if override.sweep and any(isinstance(choice, str) and choice.startswith("~") for choice in override.value):
        choices = (quoted(expand_home(choice)) if isinstance(choice, str) else str(choice) for choice in override.value)
        return parse(f"{key}={','.join(choices)}")
    if isinstance(override.value, str) and (expanded := expand_home(override.value)) != override.value:
        return parse(f"{key}={quoted(expanded)}")
    return override


def in_quotes(key: str, text: str) -> str:
    """How to type `KEY=TEXT` in a shell so that Hydra reads a text."""
    if set(text) & set("\"'\\"):
        return shlex.quote(f"{key}={QuotedString(text=text, quote=Quote.single).with_quotes()}")
    return f"'{key}=\"{text}\"'"


def assignment(key: str, text: object) -> str:
    """An override that sets `key` to the string `text`, whatever characters it holds."""
    return f"{key}={quoted(text)}"


def quoted(text: object) -> str:
    """A string as a value of an override, in quotes only where Hydra would read something else without them."""
    plain = str(text)
    try:
        parsed = parse(f"key={plain}")
        needless = not parsed.sweep and parsed.value == plain and not plain.startswith(("'", '"'))
    except InputError:
        needless = False
    return plain if needless else str(QuotedString(text=plain, quote=Quote.single).with_quotes())


def _value(parsed: HydraOverride) -> Any:
    if not parsed.is_sweep_override():
        return parsed.value()
    swept = parsed.value()
    return _plain(swept.list) if isinstance(swept, ChoiceSweep) else []


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {_plain(name): _plain(part) for name, part in value.items()}
    return value.text if isinstance(value, QuotedString) else value


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for part in value:
            yield from _leaves(part)
    elif value not in (None, ""):
        yield str(value)


def items(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The dotted key of a value, and of all that a section or a list in it holds."""
    yield key, value
    for name, part in value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else []):
        yield from items(f"{key}.{name}", part)
