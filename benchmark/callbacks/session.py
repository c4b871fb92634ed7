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
from benchmark.data.datamodule import SegmentationData
from benchmark.engine import Engine, Measurements
from benchmark.errors import InputError
from benchmark.jobs import Finished, Job
from benchmark.maps import VOID
from benchmark.network import Network
from benchmark.pixels import EIGHT, Grid
from benchmark.scoring import score_prediction
from benchmark.targets import Chosen, Split, Target
from benchmark.windows import Window, window_of

_PASSES = ("precision", "channels_last", "fold", "compiled")
_COLUMN: dict[Any, str] = {1: "l1", 2: "l2", "inf": "linf"}  # where a row has the norm of its perturbation


@dataclass(frozen=True)
class Case:
    """What is attacked: image (C, H, W) in [0, 1]; truth, target (H, W) int64; valid, target_valid (H, W) bool.

    `valid` are the pixels whose truth is known and that the model says something about, all of them in its `window`
    (None: the whole image); `target_valid` those of them that the target says something about. How
    the target was come by is in `target_name`, `target_draw`, `target_draws` and `target_too_close`, see
    `targets.Chosen`.
    """

    id: str
    group: str
    image: Tensor
    truth: Tensor
    target: Tensor
    target_name: str
    valid: Tensor
    target_valid: Tensor
    target_draw: int = 1
    target_draws: int = 1
    target_too_close: bool = False
    window: Window | None = None

    def cropped(self, labels: Tensor) -> Tensor:
        """A map (H, W) as the model's output has it, (h, w)."""
        return labels if self.window is None else self.window.crop(labels)

    def placed(self, preds: Tensor, fill: int = VOID) -> Tensor:
        """What the model says (h, w), as a map of the image's size (H, W) with `fill` where it says nothing."""
        if self.window is None or preds.shape == self.truth.shape:
            return preds
        return self.window.place(preds, (*self.truth.shape,), fill)

    def columns(self) -> dict[str, Any]:
        """What rows say about the image, whatever is done to it."""
        return {
            "id": self.id,
            "group": self.group or None,
            "target": self.target_name,
            "height": self.image.shape[1],
            "width": self.image.shape[2],
            "valid_pixels": int(self.valid.sum()),
            "target_draw": self.target_draw,
            "target_draws": self.target_draws,
            "target_too_close": self.target_too_close,
        }

    def scores(self, preds: Tensor, classes: int, background: int | None) -> dict[str, Any]:
        """`scoring.score_prediction` of a prediction (h, w)."""
        maps = (self.placed(preds), self.truth, self.target, self.valid)
        return score_prediction(*maps, classes, background, self.target_valid)

    def success(self, judge: Criterion, preds: Tensor, targeted: bool, classes: int, background: int | None) -> bool:
        """Whether the judge holds for a prediction (h, w), over the pixels that count for what the attack aims at."""
        references = {"target": self.target[None], "truth": self.truth[None]}
        judged = self.target_valid if targeted else self.valid
        return bool(judge.holds(judge.score(self.placed(preds)[None], references, judged[None], classes, background)))


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
        grid: Grid = EIGHT,
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
        network = Network(model, **passes)
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
                grid=grid,
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
        window = item["window"] or Window.whole(*item["mask"].shape)
        labels, valid = (window.crop(item[name].cpu()) for name in ("mask", "valid"))
        job = Job(item["id"], item["image"].cpu(), labels, valid)
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
        return Job(case.id, case.image, case.cropped(labels), case.cropped(valid), case.cropped(case.truth))

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


def framed(item: Mapping[str, Any], model: nn.Module) -> dict[str, Any]:
    """A data set's item with the model's "window" in it (None: all of the image), outside of which nothing is valid."""
    size = (*item["mask"].shape,)
    window = window_of(model, *size)
    if window == Window.whole(*size):
        return {**item, "window": None}
    return {**item, "valid": item["valid"] & window.inside(size).to(item["valid"].device), "window": window}


def with_padding(case: Case, model: nn.Module) -> Case:
    """The case of what the model itself makes of the image by padding; the same where it does not pad.

    Attacked like that, the perturbation covers the padding too, norms are of the padded image, and that is what is
    saved; the model does not pad it again. Maps get pixels that do not count.
    """
    height, width = case.truth.shape
    frame = getattr(model, "frame", None)
    if frame is None or not any(padding := frame(height, width).padding):
        return case
    left, _, top, _ = padding
    image = model.pad(case.image[None])[0]  # type: ignore[operator]
    own, size = Window(top, left, height, width), (*image.shape[-2:],)
    names = ("truth", "target", "valid", "target_valid")
    maps: dict[str, Any] = {name: own.place(getattr(case, name), size, fill=0) for name in names}
    return replace(case, image=image, window=window_of(model, *size), **maps)


def split_of(data: SegmentationData, split: str) -> Split:
    """What targets need to know of a data set's split."""
    ids = data.test_ids() if split == "test" else data.splits()[split]
    return Split(ids, lambda image_id: data.mask(image_id, split), data.background)


def make_case(item: Mapping[str, Any], target: Target, prediction: Tensor | None = None) -> Case:
    """A data set's item (image, mask, valid, id, group) with its target chosen, `prediction` as of `Target.choose`."""
    return _case(item, target.choose(item["id"], item["mask"].cpu(), item["valid"].cpu(), prediction))


def repeat_case(item: Mapping[str, Any], target: Target, row: Mapping[str, Any]) -> Case:
    """The same with the target that was chosen when the item's `row` was made; needs no prediction."""
    # Rows of older runs say nothing of it; theirs was the first.
    draw, draws = (row.get(name) or 1 for name in ("target_draw", "target_draws"))
    drawn = target.repeat(item["id"], item["mask"].cpu(), item["valid"].cpu(), draw)
    return _case(item, Chosen(*drawn, draw, draws, bool(row.get("target_too_close"))))


def _case(item: Mapping[str, Any], chosen: Chosen) -> Case:
    truth, valid, aims = item["mask"].cpu(), item["valid"].cpu(), chosen.mask != VOID
    maps = (truth, chosen.mask.masked_fill(~aims, 0), chosen.name, valid, valid & aims)
    how = (chosen.draw, chosen.draws, chosen.too_close, item.get("window"))
    return Case(item["id"], item["group"], item["image"].cpu(), *maps, *how)


def _named(watch: Callable[[str, Measurements], None], name: str) -> Callable[[Measurements], None]:
    return lambda measurements: watch(name, measurements)
