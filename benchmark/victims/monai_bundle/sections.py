"""Where a configuration has its network, preprocessing, inferer and postprocessing: what its evaluator uses counts."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.errors import InputError
from benchmark.victims.monai_bundle.configuration import OWN, BundleConfiguration
from benchmark.victims.monai_bundle.engines import check_handlers, data_transform, evaluator_arguments

# What MONAI runs, by the names that bundles have for it.
_COMMANDS = ("initialize", "run", "evaluating", "inferring", "finalize")
# What is read, or what it needs, where no evaluator says what is used.
_KNOWN = ("network", "network_def", "net", "inferer", "preprocessing", "postprocessing", "dataset", "dataloader")
_HARMLESS = ("handlers", "checkpointloader", "data", "datalist", "imports", "import", *_COMMANDS)
_REFERENCE = re.compile(r"@(\w+)")
# The evaluator starts, or a handler or a file gives the network its weights.
_PLAIN_COMMAND = re.compile(
    r"\$\s*@[\w:#]+\s*(?:\.run\(\)|\(@[\w:#]+\)|\.eval\(\)|\.load_state_dict\(.*\)|\.to\(@\w*device\w*\))\s*"
)


@dataclass(frozen=True)
class Section:
    """A value in a configuration, not yet looked up, and its place, for messages."""

    value: Any
    place: str


@dataclass(frozen=True)
class BundleSections:
    """What a bundle computes with; None: nothing of that kind."""

    network: Section
    preprocessing: Section | None = None
    inferer: Section | None = None
    postprocessing: Section | None = None


def read_sections(configuration: BundleConfiguration) -> BundleSections:
    """Follow the evaluator, its data loader and the loader's data set; without them, the usual names count.

    Raises:
        InputError: the configuration runs, or has, something that changes the result and cannot be done.
    """
    _check_commands(configuration)
    place = _evaluator_place(configuration)
    evaluator = evaluator_arguments(configuration, place) if place else None
    if evaluator is None:
        _check_all_known(configuration)
        if configuration.has("handlers"):
            check_handlers(configuration, "@handlers", "handlers")
    used = evaluator or {}

    def section(name: str, *others: str) -> Section | None:
        if used.get(name) is not None:
            return Section(used[name], f"{place}.{name}")
        found = next((other for other in (name, *others) if configuration.has(other)), None)
        return Section(f"@{found}", found) if found else None

    network = section("network", "network_def", "net")
    if network is None:
        raise InputError(f"{configuration.file}: has no network_def; {OWN}")
    inferer = section("inferer")
    if evaluator is not None and inferer is not None and used.get("inferer") is None:
        inferer = _named_by_none(configuration, inferer, f"{place}.inferer")
    return BundleSections(network, _preprocessing(configuration, used, place), inferer, section("postprocessing"))


def _named_by_none(configuration: BundleConfiguration, inferer: Section, place: str) -> Section | None:
    """Without an inferer, MONAI's evaluator gives whole images to the network."""
    value, at = configuration.followed(inferer.value, inferer.place)
    made = None if value is None else configuration.component(value, at)
    if made is not None and made[0] != "SimpleInferer":
        raise InputError(f"{configuration.file}: {place} is missing, but there is an inferer; write @inferer there")
    return None


def _preprocessing(configuration: BundleConfiguration, used: Mapping[str, Any], place: str) -> Section | None:
    own = Section("@preprocessing", "preprocessing") if configuration.has("preprocessing") else None
    loader: tuple[Any, str] | None = None
    if used.get("val_data_loader") is not None:
        loader = used["val_data_loader"], f"{place}.val_data_loader"
    elif configuration.has("dataloader"):
        loader = "@dataloader", "dataloader"
    value, at = data_transform(configuration, loader)
    if at and value is None and own is not None:
        raise InputError(
            f"{configuration.file}: {at} is missing, but there is a preprocessing; write @preprocessing there"
        )
    return own if not at else None if value is None else Section(value, at)


def _evaluator_place(configuration: BundleConfiguration) -> str:
    """The place of the evaluator that is run, else of the only one; empty: there is none."""
    commands = json.dumps([value for name, value in configuration.items() if name in _COMMANDS], default=str)
    run = set(re.findall(r"@([\w:#]+)\.run\(", commands))
    found = run or {
        name
        for name, value in configuration.items()
        if isinstance(value, dict) and str(value.get("_target_")).endswith("Evaluator")
    }
    if len(found) > 1:
        raise InputError(f"{configuration.file}: {' and '.join(sorted(found))}: which one counts is open; keep one")
    return next(iter(found), "").replace("#", "::")


def _check_commands(configuration: BundleConfiguration) -> None:
    """Raise InputError for a command that could change what is read otherwise than by giving the network weights."""
    for name, value in configuration.items():
        if name not in _COMMANDS:
            continue
        for command in value if isinstance(value, list) else [value]:
            text = command if isinstance(command, str) else json.dumps(command, default=str)
            if _REFERENCE.search(text) and not _PLAIN_COMMAND.fullmatch(text):
                cure = f"take it out where it changes no result, else {OWN}"
                raise InputError(f"{configuration.file}: {name}: {text}: is not run; {cure}")


def _check_all_known(configuration: BundleConfiguration) -> None:
    """Raise InputError for a component that nothing reaches from the usual names."""
    contents = {name: json.dumps(value, default=str) for name, value in configuration.items()}
    reached: set[str] = set()
    ahead = [name for name in _KNOWN if name in contents]
    while ahead:
        name = ahead.pop()
        reached.add(name)
        ahead += [other for other in _REFERENCE.findall(contents[name]) if other in contents and other not in reached]
    for name, text in contents.items():
        if name not in reached and name not in _HARMLESS and not name.startswith("_") and '"_target_"' in text:
            raise InputError(
                f"{configuration.file}: {name}: nothing that is read uses it; name it in an evaluator, or take it out"
            )
