"""What an attack epoch is to do: the attacks, each perhaps at several budgets, the targets, the judge."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from torch import Tensor

from benchmark.attacks.base import Rule
from benchmark.criterion import Criterion
from benchmark.engine.selection import Keep
from benchmark.errors import InputError, did_you_mean
from benchmark.targets import Target

Perturb = Literal["image", "input"]
"""What a perturbation may cover: the image's own pixels, or all of what the network is given, padding included."""


@dataclass(frozen=True)
class Attack:
    """One entry of the configuration's `attacks`: a rule and how long it may try.

    Args:
        rule: the update rule.
        max_steps: updates per image.
        stop, keep: as of `Engine`.
        budgets: attack once with each of these as eps, in units of 1/255 for norm "inf" and as they are for others;
            None: with the rule's own.
        equal_norm: the name of another attack; image by image the budget is the norm of what that one has made.
        nominal_eps: of a copy, the budget of the attack it copies, if that has one in the same norm.
        family: the name without a budget; None: the entry's own name.
    """

    rule: Rule
    max_steps: int = 500
    stop: bool = True
    keep: Keep = "best"
    budgets: Sequence[float] | None = None
    equal_norm: str | None = None
    family: str | None = None
    nominal_eps: float | None = None

    def with_budgets(self, budgets: Sequence[float] | None) -> "Attack":
        """The same at these budgets, if it has one in the norm "inf", none in particular, and copies no other."""
        takes = _has_budget(self.rule) and self.rule.norm == "inf" and not self.budgets and not self.equal_norm
        return replace(self, budgets=budgets) if takes and budgets is not None else self

    def columns(self, name: str) -> dict[str, Any]:
        """What rows say about an attack of this name."""
        return {
            "attack": name,
            "family": self.family or name,
            "norm": str(self.rule.norm),
            "eps": self.nominal_eps if self.equal_norm else self.rule.eps,
            "targeted": self.rule.targeted,
            "equal_norm": self.equal_norm,
        }


@dataclass(frozen=True)
class Plan:
    """What to run, as the configuration says it.

    Attributes:
        attacks: name -> attack, as `expand` returns them.
        target: draws the target maps.
        judge: decides success for all of them alike.
        engine: further options of `Engine`: slots, precision, sync_every, max_passes.
        seed: of random starts.
        defences: name -> input transform of an 8-bit image (C, H, W) uint8, which the files are also shown through.
        perturb: what a perturbation may cover, see `session.with_padding`.
        background_writer: whether a thread beside the attack's makes pictures and rows; None: unless that is on a CPU.
    """

    attacks: Mapping[str, Attack]
    target: Target
    judge: Criterion
    engine: Mapping[str, Any]
    seed: int
    defences: Mapping[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)
    perturb: Perturb = "image"
    background_writer: bool | None = None

    def __post_init__(self) -> None:
        if self.perturb not in get_args(Perturb):
            raise InputError(f"perturb={self.perturb}: must be {' or '.join(get_args(Perturb))}")


def expand(attacks: Mapping[str, Attack]) -> dict[str, Attack]:
    """One attack for each budget, called NAME@BUDGET, and one for each attack whose norm is copied; copies come last.

    Raises:
        InputError: budgets for a rule without one, the norm of an attack that is not there.
    """
    expanded: dict[str, Attack] = {}
    for name, attack in attacks.items():
        if not attack.equal_norm:
            expanded |= _at_each_budget(name, attack)
    originals = dict(expanded)
    for name, attack in attacks.items():
        if attack.equal_norm:
            expanded |= _copies(name, attack, attack.equal_norm, originals)
    return expanded


def _at_each_budget(name: str, attack: Attack) -> dict[str, Attack]:
    if attack.budgets is None:
        return {name: attack}
    _need_budget(name, attack, "budgets")
    unit = 255 if attack.rule.norm == "inf" else 1
    if isinstance(attack.budgets, float | int | str) or not all(isinstance(b, int | float) for b in attack.budgets):
        raise InputError(f"attacks.{name}.budgets={attack.budgets}: give a list of numbers, such as [1,2,4]")
    if len(set(attack.budgets)) < len(attack.budgets):
        raise InputError(f"attacks.{name}.budgets={list(attack.budgets)}: holds a number twice; give each once")
    if not attack.budgets or min(attack.budgets) <= 0:
        raise InputError(f"attacks.{name}.budgets={list(attack.budgets)}: give one or more positive numbers")
    return {
        f"{name}@{budget:g}": replace(attack, rule=replace(attack.rule, eps=budget / unit), budgets=None, family=name)  # type: ignore[type-var]
        for budget in attack.budgets
    }


def _copies(name: str, attack: Attack, copied: str, originals: Mapping[str, Attack]) -> dict[str, Attack]:
    _need_budget(name, attack, "equal_norm")
    if attack.budgets is not None:
        raise InputError(f"attacks.{name}: has both budgets and equal_norm; leave one out")
    if copied in originals:
        return {name: _copy(attack, copied, originals)}
    family = [entry for entry, original in originals.items() if original.family == copied]
    if not family:
        near = did_you_mean(copied, originals)
        raise InputError(
            f"attacks.{name}.equal_norm={copied}: is not among the attacks of this run{near}; "
            f"give one of {', '.join(originals) or 'them beside it'}"
        )
    return {f"{name}@{entry.split('@')[1]}": replace(_copy(attack, entry, originals), family=name) for entry in family}


def _copy(attack: Attack, original: str, originals: Mapping[str, Attack]) -> Attack:
    rule = originals[original].rule
    eps = rule.eps if rule.norm == attack.rule.norm else None
    return replace(attack, equal_norm=original, nominal_eps=eps)


def _has_budget(rule: Rule) -> bool:
    return "eps" in getattr(rule, "__dataclass_fields__", ())


def _need_budget(name: str, attack: Attack, key: str) -> None:
    if not _has_budget(attack.rule):
        raise InputError(f"attacks.{name}.{key}: {type(attack.rule).__name__} has no budget eps")
