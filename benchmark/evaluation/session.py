"""Several attacks on the same images with the same targets: items go in, cases and their results come out."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor, nn

from benchmark.attacks.base import norms
from benchmark.engine import Engine, Measurements
from benchmark.engine.jobs import Finished, Job
from benchmark.engine.model import AttackedModel
from benchmark.errors import InputError
from benchmark.evaluation.case import Case, make_case, valid_pixels, with_padding
from benchmark.evaluation.plan import Attack, Plan
from benchmark.evaluation.warm_starts import ColdStarts, cold_ids
from benchmark.images.output_window import window_of
from benchmark.images.quantisation import Quantizer
from benchmark.targets import Split

_PASSES = tuple(inspect.signature(AttackedModel).parameters)[1:]  # the options of the passes, all but the model


class Session:
    """One engine per attack, all of them with the same frozen model; a context manager.

    The target of an image is chosen once for all attacks. A target that must differ from the model's prediction of the
    clean image costs one forward pass per image. No attack is charged for it: every engine makes its own prediction of
    the clean image and counts that.

    Args:
        plan: what to run.
        model: images (B, C, H, W) in [0, 1] -> logits.
        split: all images that targets may be taken from.
        quantizer: of the saved images.
        watch: called with the name of the attack and the measurements of every step.
        class_pixels: counts the pixels of each class in the training set; called only if a rule weighs classes by them.
        done: (attack, id) -> row of images that are not attacked again.
        point: (attack, id) of one of these -> its result (C, H, W), for the attack that starts from it.

    Attributes:
        engines: attack -> its engine.
        network: the frozen model of all engines.
    """

    def __init__(
        self,
        plan: Plan,
        model: nn.Module,
        split: Split,
        *,
        quantizer: Quantizer,
        watch: Callable[[str, Measurements], None] | None = None,
        class_pixels: Callable[[], Sequence[float]] | None = None,
        done: Mapping[tuple[str, str], Mapping[str, Any]] | None = None,
        point: Callable[[str, str], Tensor] | None = None,
    ) -> None:
        self._plan, self._model, self._done, self._point = plan, model, done or {}, point
        self._cases: dict[str, Case] = {}
        self._unfinished: dict[str, int] = {}  # id -> attacks that have not ended on the image
        self._stack = ExitStack()
        plan.target.prepare(split)
        needs_counts = any(attack.rule.wants_class_pixels for attack in plan.attacks.values())
        counts = class_pixels() if needs_counts and class_pixels is not None else None
        # A number of passes replaces every attack's own number of steps.
        budget = plan.engine.get("max_passes")
        for name, attack in plan.attacks.items():
            if budget is not None and budget < (least := attack.fewest_passes):
                raise InputError(f"engine.max_passes={budget}: allows {name} no step; give at least {least}")
        passes = {name: value for name, value in plan.engine.items() if name in _PASSES}
        options = {n: value for n, value in plan.engine.items() if n not in _PASSES and n != "max_passes"}
        # The engines share it, so that its weights are in memory once.
        self.network = AttackedModel(model, **passes)

        def engine_of(name: str, attack: Attack) -> Engine:
            return Engine(
                self.network,
                attack.rule if attack.start_from is None else attack.rule.warm(),
                judge=plan.judge,
                max_steps=attack.steps if budget is None else None,
                max_passes=None if budget is None else attack.passes(budget),
                stop=attack.stop,
                keep=attack.keep,
                background=split.background,
                class_pixels=counts,
                seed=plan.seed,
                name=name,
                watch=None if watch is None else partial(watch, name),
                quantizer=quantizer,
                **options,
            )

        self.engines = {name: engine_of(name, attack) for name, attack in plan.attacks.items()}
        warm = {name: attack.cold() for name, attack in plan.attacks.items() if attack.start_from is not None}
        ids = cold_ids(split.ids, plan.cold_images, plan.seed) if warm else frozenset()
        self._cold = ColdStarts(ids, {name: engine_of(name, attack) for name, attack in warm.items()} if ids else {})

    def __enter__(self) -> Self:
        for engine in (*self.engines.values(), *self._cold.engines.values()):
            self._stack.enter_context(engine)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def submit(self, item: Mapping[str, Any]) -> None:
        """Queue one item of a data set for every attack. Raises InputError if it cannot be attacked."""
        rows = {name: self._done.get((name, item["id"])) for name in self.engines}
        waiting = [name for name, row in rows.items() if row is None]
        if not waiting:
            return
        row = next((row for row in rows.values() if row is not None), None)
        case = self._case(item, self._predict(item) if row is None else None, row)
        self._cases[case.id] = case
        self._unfinished[case.id] = len(waiting)
        for name in waiting:
            attack = self._plan.attacks[name]
            if attack.equal_norm:
                if (original := rows[attack.equal_norm]) is not None:
                    self.engines[name].submit(self._job(name, case, eps=float(original[f"l{attack.rule.norm}"])))
            elif attack.start_from is None:
                self.engines[name].submit(self._job(name, case))
            elif rows[attack.start_from] is not None and self._point is not None:
                self._start_warm(name, case, self._point(attack.start_from, case.id))

    def check(self, items: Iterable[Mapping[str, Any]]) -> None:
        """Raise InputError if one of the items cannot be attacked, or if the target of each is its own mask.

        Targets are chosen without predictions. Only the first image is predicted, to check the model's output.
        """
        classes, attackable = None, not any(attack.rule.targeted for attack in self._plan.attacks.values())
        for item in items:
            case = self._case(item)
            attackable = attackable or bool(((case.target != case.truth) & case.target_valid).any())
            for name in self.engines:
                job = self._job(name, case)
                job.check()
                classes = classes or self._logits(job).shape[1]
                job.check_classes(classes)
        if not attackable:
            raise InputError(
                f"target={self._plan.target.kind}: the target of every image is its own mask, so there is nothing to "
                "attack; give another target or other parameters"
            )

    def _predict(self, item: Mapping[str, Any]) -> Tensor | None:
        """The prediction (H, W) of the clean image, if the choice of targets depends on it.

        Images are predicted one by one: in a batch, rounding depends on the batch, and with it a class that is nearly
        as probable as another.
        """
        if self._plan.target.max_iou is None:
            return None
        window = window_of(self._model, *item["mask"].shape)
        job = Job(
            id=item["id"],
            image=item["image"].cpu(),
            labels=window.crop(item["mask"].cpu()),
            valid=window.crop(valid_pixels(item, window)),
        )
        job.check()
        # Outside the window any class will do, because no pixel there is valid.
        return window.place(self.network.classes(self._logits(job))[0].cpu(), item["mask"].shape, fill=0)

    def _logits(self, job: Job) -> Tensor:
        """(1, K, h, w) of the clean image. Raises InputError if they do not fit to the labels."""
        network = self.network
        with torch.inference_mode(False), torch.no_grad():
            logits = network(job.detached().image[None].to(network.device, network.dtype), exact=True)
        job.check_against(logits[0].cpu())
        return logits

    def _case(
        self, item: Mapping[str, Any], prediction: Tensor | None = None, row: Mapping[str, Any] | None = None
    ) -> Case:
        window = window_of(self._model, *item["mask"].shape)
        case = make_case(item, self._plan.target, window=window, prediction=prediction, row=row)
        return with_padding(case, self._model) if self._plan.perturb == "input" else case

    def _start_warm(self, name: str, case: Case, start: Tensor) -> None:
        job = self._job(name, case)
        self._cold.submit(name, job)
        self.engines[name].submit(replace(job, start=start))

    def _job(self, name: str, case: Case, eps: float | None = None) -> Job:
        targeted = self._plan.attacks[name].rule.targeted
        return Job(
            id=case.id,
            image=case.image,
            labels=case.window.crop(case.target if targeted else case.truth),
            valid=case.window.crop(case.target_valid if targeted else case.valid),
            truth=case.window.crop(case.truth),
            eps=eps,
        )

    def run(self, drain: bool) -> Iterator[tuple[str, Finished, Case]]:
        """Attack until all images are done or, with drain=False, until every attack has a free slot.

        Yields attack, result and case of each image as it finishes.
        """
        for name, engine in self.engines.items():
            for one in self._cold.engines_before(name, engine):
                for finished in self._cold.joined(name, one.run(drain)):
                    yield name, finished, self._ended(name, finished)
                if len(self.engines) > 1 and one.network.device.type != "cpu":
                    one.park()

    def finished(self) -> Iterator[tuple[str, Finished, Case]]:
        """What `run` would yield without further passes, for when there is no time for more."""
        for name, engine in self.engines.items():
            for one in self._cold.engines_before(name, engine):
                for finished in self._cold.joined(name, one.finished()):
                    yield name, finished, self._ended(name, finished)

    def _ended(self, name: str, finished: Finished) -> Case:
        """The case of an image that an attack has ended on; attacks that need the result follow."""
        case = self._cases[finished.job.id]
        self._unfinished[case.id] -= 1
        if not self._unfinished[case.id]:
            del self._cases[case.id], self._unfinished[case.id]
        delta = finished.adv.double() - finished.job.image.double()
        for other, attack in self._plan.attacks.items():
            if (other, case.id) in self._done:
                continue
            if attack.start_from == name:
                self._start_warm(other, case, finished.adv)
            elif attack.equal_norm == name:
                eps = float(norms(delta[None], attack.rule.norm))
                self.engines[other].submit(self._job(other, case, eps))
        return case
