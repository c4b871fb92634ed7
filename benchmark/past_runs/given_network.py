"""A network of the user's own, given again on the command line because no run's folder may choose what is executed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.config.compose import compose
from benchmark.config.overrides import Override, assignment, from_command_line
from benchmark.config.plain import plain
from benchmark.errors import InputError
from benchmark.victims import adapters

OPTION = "--network"


@dataclass(frozen=True)
class GivenNetwork:
    """Overrides of the section `victim`, as `attack` takes them: victim=NAME and victim.KEY=VALUE.

    Raises:
        InputError: an override that cannot be read, or one of another section.
    """

    overrides: Sequence[str]

    def __post_init__(self) -> None:
        for override in self._parsed():
            named = override.group == "victim" and len(override.choices) == 1
            if override.sweep or override.delete or not (named or override.key.startswith("victim.")):
                raise InputError(f"{OPTION} {override.text}: must be victim=NAME or victim.KEY=VALUE")

    @property
    def names_adapter(self) -> bool:
        """Whether it has victim=NAME; else NAME follows from the run."""
        return any(override.key == "victim" for override in self._parsed())

    def keys(self) -> frozenset[str]:
        """The keys of the section that the overrides set."""
        return frozenset(override.key.split(".")[1] for override in self._parsed() if "." in override.key)

    def section(self, adapter: str | None = None) -> dict[str, Any]:
        """The section `victim` of `adapter`, or of the one that it names itself, with these overrides.

        Raises:
            InputError: no adapter is named, a key is missing, or there is no such key.
        """
        overrides = list(self.overrides)
        if not self.names_adapter:
            if adapter is None:
                raise InputError(f"{OPTION} {self}: give victim=NAME too, one of {', '.join(adapters.names())}")
            overrides.insert(0, f"victim={adapter}")
        return plain(compose(overrides).victim)

    def __str__(self) -> str:
        return " ".join(self.overrides)

    def _parsed(self) -> list[Override]:
        return [from_command_line(text) for text in self.overrides]


def again(section: Mapping[str, Any]) -> str:
    """The overrides that give the network of a run's section `victim` again, with the values that the run had."""
    kind = str(section["architecture"])
    named = [
        *adapters.needed(kind, section),
        *(key for key in ("checkpoint", "weights", "options") if section.get(key)),
    ]
    overrides = [
        f"victim.{key}=..." if isinstance(section.get(key), Mapping) else assignment(f"victim.{key}", section.get(key))
        for key in dict.fromkeys(named)
    ]
    return " ".join([f"victim={kind}", *overrides])
