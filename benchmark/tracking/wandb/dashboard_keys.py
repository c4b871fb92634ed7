"""The keys that runs have logged; the panels of a dashboard use only these."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from benchmark.results.budget_sweeps import Sweep, sweeps
from benchmark.results.metric_keys import key_of
from benchmark.tracking.points import AttackLog

GLOBAL_STEP = "trainer/global_step"
"""The axis of all metrics that Lightning logs."""


class LoggedAttack(NamedTuple):
    """What runs have logged of one attack: all its keys, and the keys of the curves over the key of each axis.

    `facts` are its family, norm, eps, equal_norm and targeted.
    """

    facts: Mapping[str, Any]
    axes: Mapping[str, frozenset[str]]
    keys: frozenset[str]

    @classmethod
    def of(cls, facts: Mapping[str, Any], log: AttackLog) -> "LoggedAttack":
        """From its log, and from its summary or one of its rows as `facts`."""
        axes = {points.axis: frozenset(points.keys) for points in (log.over_steps, log.over_images)}
        return cls(facts, axes, frozenset(log.keys))

    def and_of(self, other: "LoggedAttack") -> "LoggedAttack":
        """The keys of this attack in either of two runs."""
        axes = {axis: keys | other.axes.get(axis, frozenset()) for axis, keys in self.axes.items()}
        return LoggedAttack(self.facts, axes, self.keys | other.keys)


@dataclass(frozen=True)
class Logged:
    """The keys that one or more runs have logged: Lightning's metrics over `GLOBAL_STEP`, and those of each attack."""

    training: frozenset[str]
    attacks: Mapping[str, LoggedAttack]

    @classmethod
    def union(cls, several: "Iterable[Logged]") -> "Logged":
        """The keys of several runs together."""
        training: set[str] = set()
        attacks: dict[str, LoggedAttack] = {}
        for logged in several:
            training |= logged.training
            for name, attack in logged.attacks.items():
                attacks[name] = attacks[name].and_of(attack) if name in attacks else attack
        return cls(frozenset(training), attacks)

    @property
    def sweeps(self) -> list[Sweep]:
        """The attacks by family and rising budget."""
        return sweeps({name: attack.facts for name, attack in self.attacks.items()})

    @property
    def names(self) -> list[str]:
        """The names of the attacks, in the order of `sweeps`."""
        return [name for sweep in self.sweeps for name in sweep.budgets]

    @property
    def targeted(self) -> list[str]:
        """The names of the targeted attacks."""
        return [name for name in self.names if self.attacks[name].facts.get("targeted")]

    def key(self, attack: str, *path: str) -> list[str]:
        """The key of one value of an attack as a list, which is empty if no run has logged it."""
        key = key_of(attack, *path)
        return [key] if key in self.attacks[attack].keys else []

    def keys(self, attacks: Iterable[str], *paths: str) -> list[str]:
        """The keys of several attacks, for each of the paths, such as "l2/median", that a run has logged."""
        return [key for attack in attacks for path in paths for key in self.key(attack, *path.split("/"))]

    def curves(self, attack: str, axis: str) -> list[str]:
        """The keys of an attack's curves over an axis, which is given by its path, such as "image/index"."""
        return sorted(self.attacks[attack].axes.get(key_of(attack, *axis.split("/")), ()))
