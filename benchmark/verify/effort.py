"""Relations that the cost of an attacked image must satisfy: its steps, its passes, and why it ended.

An image ends at a confirmed success, where its attack stops there; at a limit; where its rule ends it; or at a value
that is not finite. The engine (`engine/loop.py`) counts one pass for the clean image, those of each step, and those
that judge and confirm.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from benchmark.evaluation.plan import Attack
from benchmark.evaluation.row_writer import TRACE_POINTS
from benchmark.verify.relations import Relation, Trace, numbers

_LAST = 2  # passes, at most, that judge the iterate after the last update


class Counting(NamedTuple):
    """How the engine counted passes.

    Attributes:
        max_passes: of an image, in place of each attack's max_steps; None: no such limit.
        confirm: whether a success has to hold on the 8-bit image, too.
        confirmation: passes, at most, that confirm a success.
    """

    max_passes: int | None
    confirm: bool
    confirmation: int


@dataclass(frozen=True, kw_only=True)
class _Image:
    """What became of an image.

    Attributes:
        executed: steps of which passes were made.
        dismissed: the clean image was a success, and nothing was tried.
        started: it had a point to start from, which was judged first.
        floored: that point could not be improved, and no step was taken.
        stopped: a confirmed success ended it.
        cut: something that was not finite ended it.
        refused: its first iterates that the judge refuses.
    """

    executed: int
    dismissed: bool
    started: bool
    floored: bool
    stopped: bool
    cut: bool
    refused: int


def effort(
    row: Mapping[str, Any], attack: Attack | None, counting: Counting, trace: Trace | None, *, decided: bool
) -> Iterator[Relation]:
    """Relations of steps, passes and seconds.

    Args:
        row: the row.
        attack: of the row; None: unknown, so that relations which need its rule are left out.
        counting: of the run's engine.
        trace: of the row; None: it has none.
        decided: whether `success8` of the row does not hang on rounding.
    """
    v = numbers(row)
    yield Relation("passes", v["passes"] == v["forwards"] + v["backwards"], "must be forwards + backwards")
    yield Relation("forwards", v["forwards"] >= 1, "must be at least 1")
    yield Relation("backwards", v["backwards"] >= 0, "must be at least 0")
    yield Relation("steps", v["steps"] >= 0, "must be at least 0")
    yield Relation("kept_step", 0 <= v["kept_step"] <= v["steps"], f"must be from 0 to steps={row['steps']}")
    yield Relation(
        "zero_gradients", 0 <= v["zero_gradients"] <= v["backwards"], f"must be from 0 to backwards={row['backwards']}"
    )
    fits = row["success_passes"] is None or 1 <= v["success_passes"] <= v["passes"]
    yield Relation("success_passes", fits, f"must be from 1 to passes={row['passes']}")
    yield Relation("seconds", 0 <= v["seconds"] < math.inf, "must be finite and at least 0")
    executed = trace.last + 1 if trace else 0
    # The update after which an image is a success is not counted as a step, nor one that is not finite.
    ends = v["steps"] <= executed <= v["steps"] + 1
    yield Relation("steps", ends, f"its trace ends at step {trace.last if trace else 'none'}")
    if trace is not None:
        kept = min(executed, TRACE_POINTS)
        yield Relation("steps", trace.points == kept, f"its trace has {trace.points} steps of {kept}")
    if attack is not None:
        clean = bool(row["success_clean"]) and (attack.stop or attack.keep == "best")
        stopped = attack.stop and row["success_passes"] is not None
        started = not clean and attack.start_from is not None
        floored = started and row["at_floor"] is True
        stopped = stopped and not clean
        image = _Image(
            executed=executed,
            dismissed=clean,
            started=started,
            floored=floored,
            stopped=stopped,
            cut=bool(row["nonfinite_gradient"]),
            # A start is judged by a pass of its own, before the one that its trace is of.
            refused=trace.refused if trace and not started else 0,
        )
        yield Relation("at_floor", row["at_floor"] is floored, "must be that of an image which starts at its floor")
        yield from _passes(row, v, attack, counting, image)
        yield from _end(row, v, attack, counting, image)
        yield from _success(row, v, attack, counting, image, decided=decided)


def _passes(
    row: Mapping[str, Any], v: Mapping[str, float], attack: Attack, counting: Counting, image: _Image
) -> Iterator[Relation]:
    gradients, executed = attack.rule.gradients_per_step, image.executed
    each = f"{gradients} for each of its {executed} steps"
    yield Relation("backwards", v["backwards"] == gradients * executed, f"must be {each}")
    least = 1 + (attack.rule.passes_per_step - gradients) * executed
    most = least + counting.confirmation * executed + _LAST
    if image.started:
        # The start is judged, and confirmed; at the floor of its score its rounded image is judged, too.
        least, most = least + 1, most + 1 + counting.confirmation
    if image.dismissed:
        most = least
    elif not (image.stopped or image.cut or image.floored):
        least += 1
    yield Relation("forwards", least <= v["forwards"] <= most, f"must be from {least} to {most} for {executed} steps")
    if counting.max_passes is not None:
        limit = attack.passes(counting.max_passes)
        yield Relation("passes", v["passes"] <= limit, f"must be at most {limit}, the limit of the attack")


def _end(
    row: Mapping[str, Any], v: Mapping[str, float], attack: Attack, counting: Counting, image: _Image
) -> Iterator[Relation]:
    """Whether the image had a reason to end where it did."""
    rule, steps = attack.rule, math.inf if attack.rule.most_steps is None else attack.rule.most_steps
    if counting.max_passes is None:
        steps = min(steps, attack.steps)
    yield Relation("steps", v["steps"] <= steps, f"must be at most {steps}, the limit of the attack")
    if image.dismissed:
        yield Relation("steps", v["steps"] == 0, "its clean image satisfies the judge and is not attacked")
        return
    if image.floored:
        yield Relation("steps", v["steps"] == 0, "its start cannot be improved and is not attacked")
        return
    if image.stopped or image.cut or rule.ends_images:
        return
    why = "and no confirmed success ended it" if attack.stop else "and the attack does not stop at a success"
    if math.isfinite(steps):
        yield Relation("steps", v["steps"] == steps, f"the attack makes {steps} {why}")
    elif counting.max_passes is not None:
        # The engine ends an image when a step, its judgement and its confirmations might not fit.
        limit = attack.passes(counting.max_passes)
        least = limit - rule.passes_per_step - 2 * counting.confirmation
        ends = f"must be {least} at least of {limit} {why}"
        yield Relation("passes", v["passes"] >= least, ends)


def _success(
    row: Mapping[str, Any], v: Mapping[str, float], attack: Attack, counting: Counting, image: _Image, *, decided: bool
) -> Iterator[Relation]:
    """Whether the first success was seen where the row says."""
    if row["success_clean"]:
        what = "its clean image satisfies the judge, after one pass"
        yield Relation("success_passes", v["success_passes"] == 1, what)
        return
    if row["success_passes"] is not None and image.refused:
        # The clean image, the steps that lead to the first iterate that may be a success, and the pass that judges it.
        least = 2 + attack.rule.passes_per_step * image.refused
        what = f"must be at least {least}: its trace has no success before step {image.refused}"
        yield Relation("success_passes", v["success_passes"] >= least, what)
    if image.floored and decided:
        success = "success8" if counting.confirm else "success"
        what = f"its start cannot be improved, but {success} is {row[success]}"
        yield Relation("at_floor", bool(row[success]), what)
        yield Relation("at_floor", attack.stop or attack.keep != "best", "the attack looks for smaller norms")
    if image.stopped:
        yield Relation("success_passes", v["success_passes"] == v["passes"], f"it ended after {row['passes']} passes")
    if image.stopped or attack.keep == "last":
        what = "keeps the last iterate" if attack.keep == "last" else "ended at a success, which it keeps"
        yield Relation("kept_step", v["kept_step"] == v["steps"], f"{what}, of step {row['steps']}")
    if row["success_passes"] is not None and decided and (attack.stop or attack.keep == "best"):
        success = "success8" if counting.confirm else "success"
        what = f"{success} is {row[success]}, so that no success was confirmed"
        yield Relation("success_passes", bool(row[success]), what)
