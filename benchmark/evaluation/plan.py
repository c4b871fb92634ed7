"""The plan of an attack epoch: its attacks, each at one or several budgets, its targets and its judge."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any, Literal, Self, get_args

from torch import Tensor

from benchmark.attacks.base import Rule
from benchmark.criterion import Criterion
from benchmark.data.datamodule import SegmentationData
from benchmark.engine.keep_and_stop import Keep
from benchmark.errors import InputError, did_you_mean
from benchmark.targets import Target

Perturb = Literal["image", "input"]
"""The pixels that an attack may perturb: those of the image, or the network's whole input, padding included."""

_SEEDS = 2**32  # NumPy's generators take no larger ones


@dataclass(frozen=True)
class Attack:
    """One entry of `attacks` in the configuration: a rule and the number of its steps.

    Args:
        rule: the update rule.
        max_steps: updates per image, at most.
        stop, keep: as for `Engine`.
        budgets: the attack is made once with each of these as eps, in units of 1/255 for norm "inf" and unscaled for
            other norms; None: once, with the eps of the rule.
        equal_norm: the name of another attack; each image's eps is the norm of that attack's perturbation of it.
        family: the name without a budget; None: the name of the entry.
        nominal_eps: with `equal_norm`, the eps of the other attack, if that has one in the same norm.
        start_from: the name of the attack from whose result each image starts, see `expand`; None: it starts as the
            rule says.
        passes_share: of the steps, or of the passes that the engine allows, a cold start has 1 and a warm start less.
    """

    rule: Rule
    _: KW_ONLY
    max_steps: int = 500
    stop: bool = True
    keep: Keep = "best"
    budgets: Sequence[float] | None = None
    equal_norm: str | None = None
    family: str | None = None
    nominal_eps: float | None = None
    start_from: str | None = None
    passes_share: float = 1.0

    @property
    def steps(self) -> int:
        """Updates per image, at most, by `max_steps` and `passes_share`."""
        return math.ceil(self.passes_share * self.max_steps)

    @property
    def fewest_passes(self) -> int:
        """Passes without which an image takes no step, whatever `passes_share` is."""
        # The clean image and the start, a step, a confirmation, the judgement of what it leads to, and a confirmation.
        return 4 + self.rule.passes_per_step + 2 * (self.start_from is not None)

    def passes(self, limit: int) -> int:
        """Passes per image, at most, where a cold start has `limit`."""
        return min(limit, max(self.fewest_passes, math.ceil(self.passes_share * limit)))

    def passes_saved(self, passes: int, limit: int | None) -> int | None:
        """By how many a cold start that takes all its steps needs more than these `passes`; None: this is one.

        `limit` is the passes that the engine allows a cold start; None: it has `max_steps`.
        """
        if self.start_from is None:
            return None
        # The clean image, the steps, and the iterate after the last one.
        most = 2 + self.rule.passes_per_step * self.max_steps if limit is None else limit
        return max(0, most - passes)

    def cold(self) -> "Attack":
        """The same attack, started as the rule says, with all its steps."""
        return replace(self, start_from=None, passes_share=1.0)

    def with_budgets(self, budgets: Sequence[float] | None) -> "Attack":
        """The attack at these budgets; unchanged unless its rule has an eps in norm "inf" that is still free."""
        is_free = _has_budget(self.rule) and self.rule.norm == "inf" and not self.budgets and not self.equal_norm
        return replace(self, budgets=budgets) if is_free and budgets is not None else self

    def columns(self, name: str) -> dict[str, Any]:
        """The columns of a row that describe the attack, which has this name."""
        return {
            "attack": name,
            "family": self.family or name,
            "norm": str(self.rule.norm),
            "eps": self.nominal_eps if self.equal_norm else self.rule.eps,
            "targeted": self.rule.targeted,
            "stop": self.stop,
            "equal_norm": self.equal_norm,
            "start_from": self.start_from,
        }


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to run, built from the configuration.

    Attributes:
        attacks: name -> attack, as `expand` returns them.
        target: chooses the target maps.
        judge: decides success, for every attack alike.
        engine: further options of `Engine`, such as slots, precision, sync_every and max_passes.
        seed: of random starts.
        defences: name -> input transform, (C, H, W) uint8 -> the same; saved images are also scored after each of them.
        perturb: "input" lets attacks perturb the padding, too, see `case.with_padding`.
        background_writer: whether a thread writes pictures and rows; None: yes, unless the model is on a CPU.
        cold_images: of the images that start warm, how many are also started cold, to compare.
    """

    attacks: Mapping[str, Attack]
    target: Target
    judge: Criterion
    engine: Mapping[str, Any]
    seed: int
    defences: Mapping[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)
    perturb: Perturb = "image"
    background_writer: bool | None = None
    cold_images: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.seed < _SEEDS:
            limit = "at least 0" if self.seed < 0 else f"less than {_SEEDS}"
            raise InputError(f"seed={self.seed}: must be {limit}")
        if self.perturb not in get_args(Perturb):
            raise InputError(f"perturb={self.perturb}: must be {' or '.join(get_args(Perturb))}")

    def is_start(self, attack: str) -> bool:
        """Whether another attack starts from the results of this one."""
        return any(other.start_from == attack for other in self.attacks.values())

    def for_data(self, data: SegmentationData) -> Self:
        """The same plan with a judge that knows the names of classes. Raises InputError if it judges none of them.

        Unchanged as long as the victim has not said which classes there are.
        """
        return self if data.classes_open else replace(self, judge=self.judge.for_names(data.scored_names))


def expand(
    attacks: Mapping[str, Attack],
    warm_passes: float | None = None,
    warm_chain: bool = False,
    warm_falling: bool = False,
) -> dict[str, Attack]:
    """The attacks with one entry per budget, called NAME@BUDGET; those with `equal_norm` come last.

    With `warm_passes` the budgets of an attack rise, and each but the first starts from the result of the one before,
    with this share of its passes, if its rule may start anywhere. With `warm_chain` such attacks of one norm and sense
    follow one another within each budget, too: the first of them starts from the last one's result at the budget
    before. With `warm_falling` the budgets fall.

    Raises:
        InputError: a rule without eps has `budgets` or `equal_norm`, or `equal_norm` names no attack of the run.
    """
    expanded: dict[str, Attack] = {}
    chains: dict[tuple[Any, ...], dict[str, Attack]] = {}
    for name, attack in attacks.items():
        if not attack.equal_norm:
            entries = _at_each_budget(name, attack)
            if warm_passes is None or not (_has_budget(attack.rule) and attack.rule.may_start_anywhere):
                expanded |= entries
            else:
                own = None if warm_chain else name
                chains.setdefault((own, attack.rule.norm, attack.rule.targeted), {}).update(entries)
    for entries in chains.values():
        expanded |= _warm(entries, warm_passes or 1, warm_falling)
    originals = dict(expanded)
    for name, attack in attacks.items():
        if attack.equal_norm:
            expanded |= _with_equal_norm(name, attack, attack.equal_norm, originals)
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


def _warm(entries: Mapping[str, Attack], share: float, falling: bool) -> dict[str, Attack]:
    """The entries by rising or falling budget, in their order within a budget, each started from the one before."""
    ordered = sorted(entries, key=lambda name: (-1 if falling else 1) * (entries[name].rule.eps or 0.0))
    before = dict(zip(ordered[1:], ordered, strict=False))
    return {
        name: replace(entries[name], start_from=before[name], passes_share=share) if name in before else entries[name]
        for name in ordered
    }


def _with_equal_norm(name: str, attack: Attack, other: str, originals: Mapping[str, Attack]) -> dict[str, Attack]:
    _need_budget(name, attack, "equal_norm")
    if attack.budgets is not None:
        raise InputError(f"attacks.{name}: has both budgets and equal_norm; leave one out")
    copied = [other] if other in originals else [entry for entry, one in originals.items() if one.family == other]
    if not copied:
        near = did_you_mean(other, originals)
        raise InputError(
            f"attacks.{name}.equal_norm={other}: is not among the attacks of this run{near}; "
            f"give one of {', '.join(originals) or 'its other attacks'}"
        )
    copies = {}
    for entry in copied:
        rule = originals[entry].rule
        eps = rule.eps if rule.norm == attack.rule.norm else None
        copy = name if entry == other else f"{name}@{entry.split('@')[1]}"
        copies[copy] = replace(attack, equal_norm=entry, nominal_eps=eps, family=attack.family or name)
    return copies


def _has_budget(rule: Rule) -> bool:
    # Rules around a rule have the field whether or not that one has a budget.
    return "eps" in getattr(rule, "__dataclass_fields__", ()) and rule.eps is not None


def _need_budget(name: str, attack: Attack, key: str) -> None:
    if not _has_budget(attack.rule):
        raise InputError(f"attacks.{name}.{key}: {type(attack.rule).__name__} has no budget eps")
