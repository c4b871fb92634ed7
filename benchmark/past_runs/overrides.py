"""What a run was asked for on its command line, beside what its config.yaml says."""

from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from benchmark.config.overrides import Override, parse
from benchmark.errors import InputError
from benchmark.past_runs.mismatch import Mismatch, same

_PLACE = "environment.json"


def override_mismatches(config: Mapping[str, Any], environment: Mapping[str, Any], moved: bool) -> Iterator[Mismatch]:
    """Keys that the command line set and that config.yaml has with another value, the last one where given twice.

    Args:
        config, environment: config.yaml and environment.json.
        moved: `config` has another data.root than the run.
    """
    said = environment.get("overrides")
    if not isinstance(said, list):
        yield Mismatch(_PLACE, "does not say what was asked for", column="overrides")
        return
    cfg, asked = OmegaConf.create(dict(config)), {}
    for text in map(str, said):
        override = _parsed(text)
        if override is None:
            yield Mismatch(_PLACE, f"{text!r} is nothing a command line can set", column="overrides")
        # What a group's file brings is not on the command line, nor what an interpolation stands for.
        elif not override.delete and "${" not in text and not (moved and override.key == "data.root"):
            asked[override.key] = (text, override.value)
    for key, (text, value) in asked.items():
        found = OmegaConf.select(cfg, key, default=_Nothing)
        if found is _Nothing or (isinstance(found, DictConfig) and not isinstance(value, dict)):
            continue
        plain = OmegaConf.to_container(found) if OmegaConf.is_config(found) else found
        given = OmegaConf.to_container(OmegaConf.create({"value": value}))["value"]  # type: ignore[index, call-overload]
        if not same(given, plain) and given != plain:
            yield Mismatch(_PLACE, f"{text} was asked for, config.yaml says {plain!r}", column="overrides")


def _parsed(text: str) -> Override | None:
    try:
        override = parse(text)
    except InputError:
        return None
    return None if override.sweep else override


class _Nothing:
    """Stands for a key that is not there, because None is a value."""
