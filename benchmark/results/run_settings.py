"""A run's configuration as keys and values, and which of them its rows do not depend on."""

from collections.abc import Iterable, Mapping
from typing import Any

FREE = (
    *("run", "loggers", "sharding", "engine.slots", "engine.sync_every", "engine.background_writer"),
    *("data.root", "data.num_workers", "data.cache_mb", "victim.ckpt"),
    *("trainer.accelerator", "trainer.devices", "trainer.num_nodes", "trainer.strategy", "trainer.log_every_n_steps"),
)
"""Keys, and sections of them, that say where and how fast rows are computed, what they are called and who is told. Data
and victim are known by their contents, not by where they lie."""


def flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """A tree of mappings as dotted key -> leaf; lists are leaves."""
    if not isinstance(node, Mapping) or not node:
        return {prefix.rstrip("."): node}
    return {key: value for name in node for key, value in flat(node[name], f"{prefix}{name}.").items()}


def is_in(key: str, sections: Iterable[str]) -> bool:
    """Whether a dotted key is one of `sections` or in one of them."""
    return any(key == section or key.startswith(f"{section}.") for section in sections)


def settings_of(config: Mapping[str, Any], attack: str, family: str | None) -> dict[str, Any]:
    """What the rows of an attack depend on: key -> value, those of the attack itself beginning with "attack."."""
    found = {key: value for key, value in flat(config).items() if not is_in(key, (*FREE, "attacks"))}
    attacks = config.get("attacks") or {}
    own = attacks.get(family) or attacks.get(attack) or {}
    return found | ({f"attack.{key}": value for key, value in flat(own).items()} if own else {})
