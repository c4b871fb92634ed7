"""Reading the configuration of a run without trusting it: nothing in it is looked up, imported or executed."""

import re
from collections.abc import Mapping
from typing import Any

from benchmark.runs.limited_text import check_plain

SECTIONS = frozenset((
    "seed", "data", "victim", "attacks", "budgets", "warm_start", "warm_passes", "warm_chain", "warm_falling",
    "cold_images", "target", "judge", "perturb", "defences", "engine", "sharding", "training", "adversarial_training",
    "trainer", "loggers", "run",
))  # fmt: skip
"""The sections that the configuration of a run may have; a file with any other section is refused."""

_DEEPEST = 32  # sections within sections
_MOST_PARTS = 20_000  # sections, keys and values
_LONGEST_REFERENCE = 512  # characters of a value that other values refer to

_INTERPOLATION = re.compile(
    r"\$\{(?:of255:\s*(?P<levels>[-+.\deE]+)\s*|(?P<stamp>stamp:)\s*|(?P<key>[A-Za-z_]\w*(?:\.\w+)*))\}"
)


def parse_config(text: str, stamp: str) -> dict[str, Any]:
    """The configuration that a run has written, as plain mappings, lists and values.

    Args:
        text: YAML.
        stamp: what `${stamp:}` stands for.

    Raises:
        ValueError: the text is no YAML, is too deep, has aliases, unknown sections or interpolations that are refused.
    """
    from omegaconf import OmegaConf

    try:
        _check_yaml(text)
        config = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
        check_plain(config)
        if not isinstance(config, dict):
            raise ValueError("it does not hold sections")
        if unknown := sorted(map(str, config.keys() - SECTIONS)):
            raise ValueError(f"a run has no section {unknown[0]}")
        return {str(section): _resolve(node, config, stamp) for section, node in config.items()}
    except Exception as error:  # YAML and OmegaConf raise many kinds of exceptions for damaged text
        raise ValueError(" ".join(str(error).split())) from error


def parse_yaml(text: str) -> Any:
    """What YAML says, as plain values. Raises ValueError as `parse_config` does; nothing is interpolated."""
    import yaml  # type: ignore[import-untyped]

    try:
        _check_yaml(text)
        document = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    check_plain(document)
    return document


def _check_yaml(text: str) -> None:
    """Raise ValueError for aliases, which may expand to any size, sections nested too deeply, and too many values."""
    import yaml

    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        if number > _MOST_PARTS:
            raise ValueError(f"it has more than {_MOST_PARTS} keys and values")
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("it has aliases")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise ValueError(f"it nests sections more than {_DEEPEST} deep")


def _resolve(node: Any, config: Mapping[Any, Any], stamp: str) -> Any:
    if isinstance(node, dict):
        return {key: _resolve(value, config, stamp) for key, value in node.items()}
    if isinstance(node, list):
        return [_resolve(value, config, stamp) for value in node]
    if not isinstance(node, str) or "${" not in node:
        return node
    if "${" in _INTERPOLATION.sub("", node):
        raise ValueError(f"{node!r} would be computed, which a run's folder cannot ask for")
    if whole := _INTERPOLATION.fullmatch(node):
        return _value_of(whole, config, stamp)
    return _INTERPOLATION.sub(lambda match: str(_value_of(match, config, stamp)), node)


def _value_of(match: re.Match[str], config: Mapping[Any, Any], stamp: str) -> Any:
    if match["levels"]:
        return float(match["levels"]) / 255
    if match["stamp"]:
        return stamp
    value: Any = config
    for name in match["key"].split("."):
        if not isinstance(value, dict) or name not in value:
            raise ValueError(f"Interpolation key {match['key']!r} not found")
        value = value[name]
    text = str(value)
    if isinstance(value, dict | list) or "${" in text or len(text) > _LONGEST_REFERENCE:
        raise ValueError(f"{match[0]} does not refer to a plain value")
    return value
