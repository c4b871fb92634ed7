"""The league of attacks that look for the smallest norm: who comes closest to the smallest norms known.

The norm of an image is that of its 8-bit file where the file succeeds (`success8`), else it is infinite; so the saved
bytes are enough to compute it. The envelope is the smallest norm that any attack of the scenario, or of a reference,
reaches on the image. Images that no attack reaches are left out. An image whose clean version satisfies the judge
already has the norm 0, for every attack.

Attacks that are run together, a preset, are ranked beside the others as if they were one: image by image with their
smallest norm and, of their first successes, with that after the fewest passes. Each of them still had all its passes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from benchmark.results.column_arrays import column, cost_of_success, flag, groups_of
from benchmark.results.entries import Entry
from benchmark.results.league_scenarios import Row, Scenario, Terms, scenarios
from benchmark.results.optimality import mean_intervals, optimality, optimality_intervals, snapped

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The place of one attack.

    Medians and shares are over the images on which the envelope is above 0; failures count as infinite.

    Attributes:
        optimality: see `results.optimality`; None if no image needs a norm. Over several scenarios the mean of theirs,
            without those in which none does; None for an attack that is not in all of them.
        ci95: its interval, a bootstrap over images or, where known, groups of images; None for fewer than two.
        images: those on which the envelope is above 0 and finite.
        reached: on how many of them the attack succeeds.
        holds: on how many of them its norm is the envelope's.
        alone: on how many of these no other attack has that norm; of a preset no attack that is not of it.
        ratio, ratio90: the median of its norm over the envelope's, and the smallest ratio that 90 % do not exceed.
        median: of its norms.
        passes: the median of the passes to the first success.
    """

    attack: str
    optimality: float | None
    ci95: list[float] | None
    images: int
    reached: int
    holds: int
    alone: int
    ratio: float
    ratio90: float
    median: float
    passes: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Field:
    """The attacks of one scenario with their norms.

    Attributes:
        attacks: their names, followed by those of the presets whose attacks are all among them.
        members: of each of these the attacks it consists of; of an attack that itself.
        norms: (N, A) of the images that some attack reaches, infinite for a failure.
        envelope: (N,) the smallest of each image.
        passes: (N, A) to the first success, infinite for a failure.
        groups: N, the group of each image, which a bootstrap resamples as a whole; the same in all fields on the data.
        unreached: images that no attack reaches.
    """

    scenario: Scenario
    attacks: Sequence[str]
    members: Sequence[frozenset[str]]
    norms: Array
    envelope: Array
    passes: Array
    groups: Sequence[object]
    unreached: int

    @property
    def needing(self) -> NDArray[np.bool_]:
        """Images (N,) whose envelope is above 0."""
        return self.envelope > 0

    def alone(self, attack: str) -> NDArray[np.bool_]:
        """On which of the images that need a norm the attack has that of the envelope, and no other attack has it."""
        index, held = self.attacks.index(attack), self.norms == self.envelope[:, None]
        others = [k for k, own in enumerate(self.members) if len(own) == 1 and not own <= self.members[index]]
        return (held[:, index] & ~held[:, others].any(axis=1))[self.needing]

    @property
    def satisfied(self) -> int:
        """Images whose clean version satisfies the judge already, so that the envelope is 0."""
        return int((~self.needing).sum())

    @cached_property
    def standings(self) -> list[Standing]:
        """The attacks, the highest optimality first."""
        bounds = optimality_intervals(self.norms, self.envelope, self.groups)
        return _ranked([_standing([self], attack, ci95) for attack, ci95 in zip(self.attacks, bounds, strict=True)])


@dataclass(frozen=True)
class League:
    """The fields of all scenarios under the same terms.

    `of_files` says whether norms are those of the 8-bit files, or of the float results that became them.
    """

    terms: Terms
    fields: Sequence[Field]
    of_files: bool = True

    @property
    def is_contest(self) -> bool:
        """Whether attacks meet somewhere; an attack alone is its own envelope."""
        return any(len(field.attacks) > 1 for field in self.fields)

    @property
    def decided(self) -> list[Field]:
        """The fields in which some image needs a norm and some attack reaches it."""
        return [field for field in self.fields if field.needing.any()]

    @cached_property
    def standings(self) -> list[Standing]:
        """Over all scenarios: the attacks that are in each of them by the mean of their optimality, then the others."""
        names = sorted({attack for field in self.fields for attack in field.attacks})
        common = [name for name in names if self.decided and all(name in field.attacks for field in self.decided)]
        bounds = mean_intervals(
            [field.norms[:, [field.attacks.index(name) for name in common]] for field in self.decided],
            [field.envelope for field in self.decided],
            [field.groups for field in self.decided],
        )
        intervals = dict(zip(common, bounds, strict=True))
        return _ranked([_standing(self.decided, attack, intervals.get(attack)) for attack in names])


def leagues(
    compared: Sequence[Entry],
    reference: Sequence[Entry] = (),
    *,
    presets: Sequence[Sequence[str]] = (),
    of_files: bool = True,
) -> list[League]:
    """One league for each of the terms under which the entries have attacks without a budget.

    The norms of `reference`, entries with any number of passes, belong to the envelope; their attacks have no place.
    Attacks that are named together in `presets` are ranked as one, too, wherever all of them are in a scenario. With
    `of_files` false, norms are those of the float results whose files succeed; they cannot be computed again.
    """
    found = scenarios(compared, reference)
    return [League(terms, [_field(terms, one, presets, of_files) for one in found[terms]], of_files) for terms in found]


def _field(terms: Terms, scenario: Scenario, presets: Sequence[Sequence[str]], of_files: bool) -> Field:
    rows = list(scenario.rows.values())
    clean = np.logical_or.reduce([flag(one, "success_clean") for one in rows])
    norms = np.stack([_norms(one, terms.column, of_files) for one in rows], axis=1)
    norms = np.where(clean[:, None], 0.0, norms)
    passes = np.stack([cost_of_success(one, "success_passes") for one in rows], axis=1)
    known_to_others = [_norms(one, terms.column, of_files).min(initial=math.inf) for one in scenario.reference]
    smallest = np.minimum(norms.min(axis=1, initial=math.inf), known_to_others)
    known: NDArray[np.bool_] = np.isfinite(smallest)
    kept = [row for row, is_known in zip(rows[0], known, strict=True) if is_known]
    norms, passes = snapped(norms[known], smallest[known]), passes[known]
    names = list(scenario.rows)
    ranked = [(one,) for one in names] + [tuple(preset) for preset in presets if set(preset) <= set(names)]
    places = [[names.index(name) for name in one] for one in ranked]
    return Field(
        scenario=scenario,
        attacks=[" + ".join(one) for one in ranked],
        members=[frozenset(one) for one in ranked],
        norms=np.stack([norms[:, own].min(axis=1) for own in places], axis=1),
        envelope=smallest[known],
        passes=np.stack([passes[:, own].min(axis=1) for own in places], axis=1),
        groups=[
            (row["data"], row["data_fingerprint"], group) for row, group in zip(kept, groups_of(kept), strict=True)
        ],
        unreached=int((~known).sum()),
    )


def _norms(rows: Sequence[Row], name: str, of_files: bool) -> Array:
    """Infinite for a failure, and for a norm that is none: a success at 0 would be one of the clean image."""
    values = column(rows, f"adv8_{name}" if of_files else name)
    return np.where(flag(rows, "success8") & (values > 0), values, math.inf)


def _standing(fields: Sequence[Field], attack: str, ci95: list[float] | None) -> Standing:
    among = [(field, field.attacks.index(attack)) for field in fields if attack in field.attacks]
    values = [float(optimality(field.norms, field.envelope)[0, index]) for field, index in among]
    norms, smallest, passes = (
        np.concatenate([np.zeros(0), *parts])
        for parts in (
            [field.norms[field.needing, index] for field, index in among],
            [field.envelope[field.needing] for field, _ in among],
            [field.passes[field.needing, index] for field, index in among],
        )
    )
    alone = [field.alone(attack) for field, _ in among]
    with np.errstate(over="ignore"):
        ratio = norms / smallest
    mean = float(np.mean(values)) if values and len(among) == len(fields) else math.nan
    return Standing(
        attack=attack,
        optimality=None if math.isnan(mean) else mean,
        ci95=ci95,
        images=len(ratio),
        reached=int(np.isfinite(ratio).sum()),
        holds=int((ratio == 1).sum()),
        alone=sum(int(one.sum()) for one in alone),
        ratio=_median(ratio),
        ratio90=float(np.quantile(ratio, 0.9, method="inverted_cdf")) if len(ratio) else math.nan,
        median=_median(norms),
        passes=_median(passes),
    )


def _median(values: Array) -> float:
    return float(np.median(values)) if len(values) else math.nan


def _ranked(standings: Sequence[Standing]) -> list[Standing]:
    return sorted(standings, key=lambda one: (math.inf if one.optimality is None else -one.optimality, one.attack))
