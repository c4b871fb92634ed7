"""What runs have logged, as the dashboard chooses from it: no panel can name anything else."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from benchmark.results.budget_sweeps import Sweep, sweeps
from benchmark.results.metric_keys import key_of
from benchmark.tracking.points import AttackLog

GLOBAL_STEP = "trainer/global_step"
"""The axis Lightning's logger gives all it logs."""


class LoggedAttack(NamedTuple):
    """`facts`: family, norm, eps, equal_norm, targeted; `axes`: keys of curves by the key of their axis."""

    facts: Mapping[str, Any]
    axes: Mapping[str, frozenset[str]]
    keys: frozenset[str]

    @classmethod
    def of(cls, facts: Mapping[str, Any], log: AttackLog) -> "LoggedAttack":
        """From what is logged of it, and a summary or any of its rows."""
        axes = {points.axis: frozenset(points.keys) for points in (log.over_steps, log.over_images)}
        return cls(facts, axes, frozenset(log.keys))

    def and_of(self, other: "LoggedAttack") -> "LoggedAttack":
        """The same attack of two runs."""
        axes = {axis: keys | other.axes.get(axis, frozenset()) for axis, keys in self.axes.items()}
        return LoggedAttack(self.facts, axes, self.keys | other.keys)


@dataclass(frozen=True)
class Logged:
    """What one or more runs have logged.

    Attributes:
        training: Lightning's metrics, over `GLOBAL_STEP`.
        attacks: by name.
    """

    training: frozenset[str]
    attacks: Mapping[str, LoggedAttack]

    @classmethod
    def union(cls, several: "Iterable[Logged]") -> "Logged":
        """What any of them has."""
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
        """Of the attacks, in that order."""
        return [name for sweep in self.sweeps for name in sweep.budgets]

    @property
    def targeted(self) -> list[str]:
        """Those that aim at a target."""
        return [name for name in self.names if self.attacks[name].facts.get("targeted")]

    def key(self, attack: str, *path: str) -> list[str]:
        """The key of one value of an attack, or nothing if no run has logged it."""
        key = key_of(attack, *path)
        return [key] if key in self.attacks[attack].keys else []

    def keys(self, attacks: Iterable[str], *paths: str) -> list[str]:
        """Those of several attacks, of each every path such as "l2/median" that has been logged."""
        return [key for attack in attacks for path in paths for key in self.key(attack, *path.split("/"))]

    def curves(self, attack: str, axis: str) -> list[str]:
        """The keys of an attack's curves over the axis of that path, such as "image/index"."""
        return sorted(self.attacks[attack].axes.get(key_of(attack, *axis.split("/")), ()))
