"""The configuration of a run as dotted keys, and the keys that rows do not depend on."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

FREE = (
    *("run", "loggers", "sharding", "engine.slots", "engine.sync_every", "engine.background_writer"),
    *("data.root", "data.num_workers", "data.cache_mb"),
    *("victim.ckpt", "victim.allow", "victim.program", "victim.folder", "victim.weights"),
    *("trainer.accelerator", "trainer.devices", "trainer.num_nodes", "trainer.strategy", "trainer.log_every_n_steps"),
)
"""Keys and sections that rows do not depend on: where and how fast rows are computed, names, and loggers. Data and
victim are identified by their contents, not by their paths."""


def flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as {dotted key: leaf}; lists are leaves."""
    if not isinstance(node, Mapping) or not node:
        return {prefix.rstrip("."): node}
    return {key: value for name in node for key, value in flat(node[name], f"{prefix}{name}.").items()}


def is_in(key: str, sections: Iterable[str]) -> bool:
    """Whether a dotted key is one of `sections` or in one of them."""
    return any(key == section or key.startswith(f"{section}.") for section in sections)


def settings_sha256(config: Mapping[str, Any]) -> str:
    """A hash of all that rows depend on in the configuration of a run, of plain values."""
    settings = {key: value for key, value in flat(config).items() if not is_in(key, FREE)}
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def settings_of(config: Mapping[str, Any], attack: str, family: str | None) -> dict[str, Any]:
    """The settings that an attack's rows depend on, {key: value}; keys of the attack itself begin with "attack."."""
    settings = {key: value for key, value in flat(config).items() if not is_in(key, (*FREE, "attacks"))}
    attacks = config.get("attacks")
    attacks = attacks if isinstance(attacks, Mapping) else {}
    of_attack = attacks.get(family) or attacks.get(attack) or {}
    return settings | ({f"attack.{key}": value for key, value in flat(of_attack).items()} if of_attack else {})
