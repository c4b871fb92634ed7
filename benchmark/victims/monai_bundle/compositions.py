"""The transforms of a section, one after the other: those of a Compose, also of one within another."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.errors import InputError
from benchmark.victims.monai_bundle.configuration import OWN, BundleConfiguration
from benchmark.victims.monai_bundle.options import TransformOptions
from benchmark.victims.monai_bundle.sections import Section

_DEEPEST = 8  # a Compose within another
_MOST = 1000  # transforms


@dataclass(frozen=True)
class ListedTransform:
    """One transform of a section.

    Attributes:
        target: its class, without the module.
        arguments: not yet looked up.
        keys: of the dictionary that it changes; empty for a transform that takes no dictionary.
        place: of the list that it stands in, for messages.
    """

    target: str
    arguments: Mapping[str, Any]
    keys: Sequence[str]
    place: str

    def base(self, known: Collection[str]) -> str:
        """Its name without the ending of those that take dictionaries, where that is known."""
        for ending in ("Dict", "d", "D"):
            short = self.target.removesuffix(ending)
            if short != self.target and short in known:
                return short
        return self.target


def listed_transforms(configuration: BundleConfiguration, section: Section) -> list[ListedTransform]:
    """All that are not switched off, in their order. Raises InputError for what is no list of transforms."""
    found: list[ListedTransform] = []
    _collect(configuration, section, found, 0)
    return found


def _collect(configuration: BundleConfiguration, section: Section, found: list[ListedTransform], depth: int) -> None:
    if depth > _DEEPEST or len(found) > _MOST:
        raise InputError(f"{configuration.file}: {section.place}: too many transforms within each other; restore it")
    value, place = configuration.followed(section.value, section.place)
    parts = [] if value is None else value
    if not isinstance(parts, list):
        made = configuration.component(value, place)
        if made is None:
            return
        target, arguments = made
        if target != "Compose":
            found.append(_listed(configuration, target, arguments, place))
            return
        options = TransformOptions(configuration, place, arguments, keys=(), key="")
        parts = configuration.shallow(arguments.get("transforms"), f"{place}.transforms") or []
        options.harmless("transforms", "map_items", "unpack_items", "log_stats")
        options.choice("lazy", False, (False, None))
        options.choice("overrides", None, (None,))
        options.finish()
    if not isinstance(parts, list):
        raise InputError(f"{configuration.file}: {place} is no list of transforms; {OWN}")
    for index, part in enumerate(parts):
        one, at = configuration.followed(part, f"{place}.{index}")
        if isinstance(one, list) or (
            isinstance(one, dict) and str(one.get("_target_")).rpartition(".")[2] == "Compose"
        ):
            _collect(configuration, Section(one, at), found, depth + 1)
        elif (made := configuration.component(one, at)) is not None:
            found.append(_listed(configuration, *made, place))


def _listed(
    configuration: BundleConfiguration, target: str, arguments: Mapping[str, Any], place: str
) -> ListedTransform:
    given = configuration.plain(arguments.get("keys", []), f"{place}: {target}.keys")
    keys = [str(key) for key in given] if isinstance(given, list | tuple) else [str(given)]
    return ListedTransform(target, arguments, keys, place)
