"""Whether the configuration of a run has the values that its command line set."""

from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from benchmark.config.overrides import Override, parse
from benchmark.errors import InputError
from benchmark.past_runs.mismatch import Mismatch, same
from benchmark.runs import layout


def override_mismatches(config: Mapping[str, Any], environment: Mapping[str, Any], moved: bool) -> Iterator[Mismatch]:
    """Keys that the command line set and that the configuration has with another value.

    Of several overrides of one key the last counts. Choices of a group, deletions and interpolations are left out,
    because the command line does not hold the values that they stand for.

    Args:
        config: config.yaml.
        environment: environment.json.
        moved: whether `config` has another data.root than the run had.
    """
    recorded = environment.get("overrides")
    if not isinstance(recorded, list):
        yield _mismatch("does not hold the command line of the run")
        return
    places = ("run.dir", "data.root") if moved else ("run.dir",)  # the folder of the run may have moved
    overrides: dict[str, Override] = {}
    for text in map(str, recorded):
        try:
            override = parse(text)
        except InputError:
            override = None
        if override is None or override.sweep:
            yield _mismatch(f"{text!r} cannot stand on a command line")
        elif not override.delete and "${" not in text and override.key not in places:
            overrides[override.key] = override
    cfg = OmegaConf.create(dict(config))
    absent = object()  # None is a value
    for key, override in overrides.items():
        node = OmegaConf.select(cfg, key, default=absent)
        if node is absent or (isinstance(node, DictConfig) and not isinstance(override.value, dict)):
            continue
        configured = OmegaConf.to_container(node) if OmegaConf.is_config(node) else node
        # A configuration holds the value as plain lists and mappings.
        given = OmegaConf.to_object(OmegaConf.create({"value": override.value}))["value"]  # type: ignore[index, call-overload]
        if not same(given, configured) and given != configured:
            yield _mismatch(f"{override.text} was given, {layout.CONFIG} says {configured!r}")


def _mismatch(what: str) -> Mismatch:
    return Mismatch(layout.ENVIRONMENT, what, column="overrides")
