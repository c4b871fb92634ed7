"""Several attacks over the same images and the same targets: from data items to what the attacks made of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from benchmark.attacks.base import norms
from benchmark.callbacks.plan import Plan
from benchmark.criterion import Criterion
from benchmark.data.source import VOID
from benchmark.engine import Engine, Measurements
from benchmark.errors import InputError
from benchmark.jobs import Finished, Job
from benchmark.scoring import score_prediction
from benchmark.targets import Masks, Target

_COLUMN: dict[Any, str] = {1: "l1", 2: "l2", "inf": "linf"}  # where a row has the norm of its perturbation


@dataclass(frozen=True)
class Case:
    """What is attacked: image (C, H, W) in [0, 1]; truth, target (H, W) int64; valid, target_valid (H, W) bool.

    `valid` are the pixels whose truth is known, `target_valid` those of them that the target says something about.
    """

    id: str
    group: str
    image: Tensor
    truth: Tensor
    target: Tensor
    target_name: str
    valid: Tensor
    target_valid: Tensor

    def columns(self) -> dict[str, Any]:
        """What rows say about the image, whatever is done to it."""
        return {
            "id": self.id,
            "group": self.group or None,
            "target": self.target_name,
            "height": self.image.shape[1],
            "width": self.image.shape[2],
            "valid_pixels": int(self.valid.sum()),
        }

    def scores(self, preds: Tensor, classes: int, background: int | None) -> dict[str, Any]:
        """`scoring.score_prediction` of a prediction (H, W)."""
        return score_prediction(preds, self.truth, self.target, self.valid, classes, background, self.target_valid)

    def success(self, judge: Criterion, preds: Tensor, targeted: bool, classes: int, background: int | None) -> bool:
        """Whether the judge holds for a prediction (H, W), over the pixels that count for what the attack aims at."""
        references = {"target": self.target[None], "truth": self.truth[None]}
        judged = self.target_valid if targeted else self.valid
        return bool(judge.holds(judge.score(preds[None], references, judged[None], classes, background)))


class Session:
    """One engine per attack over one frozen model; a context manager.

    Args:
        plan: what to run.
        model: images (B, C, H, W) in [0, 1] -> logits.
        ids: of all images of the split, from which targets may be drawn.
        masks: id -> mask of the split.
        background: the class that is not foreground, if any.
        watch: called with the attack's name and the measurements of every step.
        class_pixels: counts the training set's pixels of each class; called only if a rule weighs classes by them.
        done: (attack, id) -> row of what need not be attacked again.
    """

    def __init__(
        self,
        plan: Plan,
        model: nn.Module,
        ids: Sequence[str],
        masks: Masks,
        background: int | None,
        watch: Callable[[str, Measurements], None] | None = None,
        class_pixels: Callable[[], Sequence[float]] | None = None,
        done: Mapping[tuple[str, str], Mapping[str, Any]] | None = None,
    ) -> None:
        self._plan, self._masks, self._done = plan, masks, done or {}
        self._cases: dict[str, Case] = {}
        self._left: dict[str, int] = {}
        self._stack = ExitStack()
        plan.target.prepare(ids)
        wanted = any(attack.rule.wants_class_pixels for attack in plan.attacks.values())
        counts = class_pixels() if wanted and class_pixels is not None else None
        # Given a number of passes, every attack gets just that, whatever its own number of steps.
        passes = plan.engine.get("max_passes")
        for name, attack in plan.attacks.items():
            # The clean image, a step, a confirmation, the judgement of what it leads to, and another confirmation.
            if passes is not None and passes < (least := 4 + attack.rule.passes_per_step):
                raise InputError(f"engine.max_passes={passes}: allows {name} no step; give at least {least}")
        self.engines = {
            name: Engine(
                model,
                attack.rule,
                judge=plan.judge,
                max_steps=attack.max_steps if passes is None else None,
                stop=attack.stop,
                keep=attack.keep,
                background=background,
                class_pixels=counts,
                seed=plan.seed,
                name=name,
                watch=None if watch is None else _named(watch, name),
                **plan.engine,
            )
            for name, attack in plan.attacks.items()
        }

    def __enter__(self) -> Self:
        for engine in self.engines.values():
            self._stack.enter_context(engine)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def submit(self, item: Mapping[str, Any]) -> None:
        """Queue one item of a data set for every attack. Raises InputError if it cannot be attacked."""
        case = make_case(item, self._plan.target, self._masks)
        asked = [name for name in self.engines if (name, case.id) not in self._done]
        if asked:
            self._cases[case.id] = case
            self._left[case.id] = len(asked)
        for name in asked:
            attack = self._plan.attacks[name]
            if not attack.equal_norm:
                self.engines[name].submit(self._job(name, case))
            elif row := self._done.get((attack.equal_norm, case.id)):
                self.engines[name].submit(replace(self._job(name, case), eps=float(row[_COLUMN[attack.rule.norm]])))

    def check(self, items: Iterable[Mapping[str, Any]]) -> None:
        """Raise InputError if one of the items cannot be attacked; the first one is also predicted."""
        classes = None
        for item in items:
            case = make_case(item, self._plan.target, self._masks)
            for name, engine in self.engines.items():
                job = self._job(name, case)
                job.check()
                if classes is None:
                    with torch.no_grad():
                        points = case.image[None].to(engine.network.device, engine.network.dtype)
                        logits = engine.network(points, exact=True)[0].cpu()
                    job.check_against(logits)
                    classes = len(logits)
                job.check_classes(classes)

    def _job(self, name: str, case: Case) -> Job:
        targeted = self._plan.attacks[name].rule.targeted
        labels, valid = (case.target, case.target_valid) if targeted else (case.truth, case.valid)
        return Job(case.id, case.image, labels, valid, case.truth)

    def run(self, drain: bool) -> Iterator[tuple[str, Finished, Case]]:
        """Work until all are done or, drain=False, until every attack has a free slot; yields what has finished."""
        for name, engine in self.engines.items():
            for finished in engine.run(drain):
                yield name, finished, self._ended(name, finished)
            if len(self.engines) > 1 and engine.network.device.type != "cpu":
                engine.rest()

    def finished(self) -> Iterator[tuple[str, Finished, Case]]:
        """What `run` would yield without any work, for when there is no time for more."""
        for name, engine in self.engines.items():
            for finished in engine.finished():
                yield name, finished, self._ended(name, finished)

    def _ended(self, name: str, finished: Finished) -> Case:
        case = self._cases[finished.job.id]
        self._submit_copies(name, finished, case)
        self._left[case.id] -= 1
        if not self._left[case.id]:
            del self._cases[case.id], self._left[case.id]
        return case

    def _submit_copies(self, name: str, finished: Finished, case: Case) -> None:
        """Queue the image for the attacks that take their norm from this one; they come after it in `engines`."""
        delta = finished.adv.double() - finished.job.image.double()
        for other, attack in self._plan.attacks.items():
            if attack.equal_norm == name and (other, case.id) not in self._done:
                eps = float(norms(delta[None], attack.rule.norm))
                self.engines[other].submit(replace(self._job(other, case), eps=eps))


def make_case(item: Mapping[str, Any], target: Target, masks: Masks) -> Case:
    """A data set's item (image, mask, valid, id, group) with its target drawn."""
    truth, valid = item["mask"].cpu(), item["valid"].cpu()
    drawn = target.draw(item["id"], truth, valid, masks)
    aims = drawn.mask != VOID
    mask = drawn.mask.masked_fill(~aims, 0)
    return Case(item["id"], item["group"], item["image"].cpu(), truth, mask, drawn.name, valid, valid & aims)


def _named(watch: Callable[[str, Measurements], None], name: str) -> Callable[[Measurements], None]:
    return lambda measurements: watch(name, measurements)
