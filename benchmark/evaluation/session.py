"""Several attacks over the same images and the same targets: from data items to what the attacks made of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from benchmark.attacks.base import norms
from benchmark.engine import Engine, Measurements
from benchmark.engine.jobs import Finished, Job
from benchmark.engine.model import AttackedModel
from benchmark.errors import InputError
from benchmark.evaluation.case import Case, framed, make_case, repeat_case, with_padding
from benchmark.evaluation.plan import Plan
from benchmark.images.output_window import OutputWindow
from benchmark.images.quantisation import EIGHT_BIT, Quantizer
from benchmark.targets import Split

_PASSES = ("precision", "channels_last", "fold", "compiled")
_COLUMN: dict[Any, str] = {1: "l1", 2: "l2", "inf": "linf"}  # where a row has the norm of its perturbation


class Session:
    """One engine per attack over one frozen model; a context manager.

    Targets are chosen once for all attacks. Where they must keep apart from what the model sees in the clean image,
    that is one forward pass for each image, which no attack is billed for: every engine predicts the clean image itself
    and counts that.

    Args:
        plan: what to run.
        model: images (B, C, H, W) in [0, 1] -> logits.
        split: the images, all of them, from which targets may be drawn.
        watch: called with the attack's name and the measurements of every step.
        class_pixels: counts the training set's pixels of each class; called only if a rule weighs classes by them.
        done: (attack, id) -> row of what need not be attacked again.
        grid: of the files that images are saved as.
    """

    def __init__(
        self,
        plan: Plan,
        model: nn.Module,
        split: Split,
        watch: Callable[[str, Measurements], None] | None = None,
        class_pixels: Callable[[], Sequence[float]] | None = None,
        done: Mapping[tuple[str, str], Mapping[str, Any]] | None = None,
        quantizer: Quantizer = EIGHT_BIT,
    ) -> None:
        self._plan, self._model, self._done = plan, model, done or {}
        self._drawn = {image_id: row for (_, image_id), row in self._done.items()}
        self._cases: dict[str, Case] = {}
        self._left: dict[str, int] = {}
        self._stack = ExitStack()
        plan.target.prepare(split)
        wanted = any(attack.rule.wants_class_pixels for attack in plan.attacks.values())
        counts = class_pixels() if wanted and class_pixels is not None else None
        # Given a number of passes, every attack gets just that, whatever its own number of steps.
        budget = plan.engine.get("max_passes")
        for name, attack in plan.attacks.items():
            # The clean image, a step, a confirmation, the judgement of what it leads to, and another confirmation.
            if budget is not None and budget < (least := 4 + attack.rule.passes_per_step):
                raise InputError(f"engine.max_passes={budget}: allows {name} no step; give at least {least}")
        passes = {name: value for name, value in plan.engine.items() if name in _PASSES}
        options = {name: value for name, value in plan.engine.items() if name not in _PASSES}
        # One for all, so that the weights that make its passes fast are there once.
        network = AttackedModel(model, **passes)
        self.engines = {
            name: Engine(
                network,
                attack.rule,
                judge=plan.judge,
                max_steps=attack.max_steps if budget is None else None,
                stop=attack.stop,
                keep=attack.keep,
                background=split.background,
                class_pixels=counts,
                seed=plan.seed,
                name=name,
                watch=None if watch is None else _named(watch, name),
                quantizer=quantizer,
                **options,
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
        asked = [name for name in self.engines if (name, item["id"]) not in self._done]
        if not asked:
            return
        item = framed(item, self._model)
        target, row = self._plan.target, self._drawn.get(item["id"])
        case = make_case(item, target, self._predict(item)) if row is None else repeat_case(item, target, row)
        case = self._covered(case)
        self._cases[case.id] = case
        self._left[case.id] = len(asked)
        for name in asked:
            attack = self._plan.attacks[name]
            if not attack.equal_norm:
                self.engines[name].submit(self._job(name, case))
            elif row := self._done.get((attack.equal_norm, case.id)):
                self.engines[name].submit(replace(self._job(name, case), eps=float(row[_COLUMN[attack.rule.norm]])))

    def check(self, items: Iterable[Mapping[str, Any]]) -> None:
        """Raise InputError if one of the items cannot be attacked, or if there is nothing to aim at for any of them.

        Targets are drawn without regard to predictions; only the first image is predicted, to see whether it can be.
        """
        classes, aims = None, not any(attack.rule.targeted for attack in self._plan.attacks.values())
        for item in items:
            case = self._covered(make_case(framed(item, self._model), self._plan.target))
            aims = aims or bool(((case.target != case.truth) & case.target_valid).any())
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
        if not aims:
            raise InputError(
                f"target={self._plan.target.kind}: the target of every image is its own mask, so there is nothing to "
                "attack; give another target or other parameters"
            )

    def _predict(self, item: Mapping[str, Any]) -> Tensor | None:
        """Classes (H, W) of the clean image, if targets depend on them.

        Image by image, because a batch's other images might turn the rounding of a close call.
        """
        if self._plan.target.max_iou is None:
            return None
        window = item["window"] or OutputWindow.whole(*item["mask"].shape)
        labels, valid = (window.crop(item[name].cpu()) for name in ("mask", "valid"))
        job = Job(id=item["id"], image=item["image"].cpu(), labels=labels, valid=valid)
        job.check()
        network = next(iter(self.engines.values())).network
        with torch.inference_mode(False), torch.no_grad():
            logits = network(job.detached().image[None].to(network.device, network.dtype), exact=True)
        job.check_against(logits[0].cpu())
        # Whatever stands outside the window, nobody looks there: no pixel is valid.
        return window.place(network.classes(logits)[0].cpu(), item["mask"].shape, fill=0)

    def _covered(self, case: Case) -> Case:
        return with_padding(case, self._model) if self._plan.perturb == "input" else case

    def _job(self, name: str, case: Case) -> Job:
        targeted = self._plan.attacks[name].rule.targeted
        labels, valid = (case.target, case.target_valid) if targeted else (case.truth, case.valid)
        return Job(
            id=case.id,
            image=case.image,
            labels=case.cropped(labels),
            valid=case.cropped(valid),
            truth=case.cropped(case.truth),
        )

    def run(self, drain: bool) -> Iterator[tuple[str, Finished, Case]]:
        """Work until all are done or, drain=False, until every attack has a free slot; yields what has finished."""
        for name, engine in self.engines.items():
            for finished in engine.run(drain):
                yield name, finished, self._ended(name, finished)
            if len(self.engines) > 1 and engine.network.device.type != "cpu":
                engine.park()

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


def _named(watch: Callable[[str, Measurements], None], name: str) -> Callable[[Measurements], None]:
    return lambda measurements: watch(name, measurements)
