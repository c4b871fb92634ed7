"""The attack loop: continuous batching of any update rule over any number of images.

A fixed number of images (`slots`) is on the device at once. Each has its own step count, state, best iterate and end;
a finished image leaves and the next one of the queue takes its place, so that the batch stays full. The host looks at
the device only every `sync_every` steps. What becomes of an image depends neither on that nor on its neighbours: one
that has reached something the host must look at stands still until it does.
"""

import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from benchmark.attacks.base import Batch, Rule, image_seed, norms
from benchmark.criterion import Criterion
from benchmark.errors import InputError
from benchmark.jobs import Finished, Job
from benchmark.network import Network, Precision, frozen, model_dtype, normalise_precision
from benchmark.pixels import round8
from benchmark.referee import Referee
from benchmark.slots import SUCCESS8, Asked, Slots

Measurements = dict[str, Any]
"""One step: "ids" (list of str) and "step", "iou", ... each (len(ids),) float64 on the CPU, as in `Finished.trace`."""


class _Guest:
    """The host's side of one slot."""

    def __init__(self, job: Job, clean_preds: Tensor, satisfied: bool) -> None:
        self.job, self.clean_preds, self.satisfied = job, clean_preds, satisfied
        self.seconds = 0.0
        self.trace: list[dict[str, float]] = []


class Engine:
    """Runs one rule against one model; a context manager, inside of which the model is frozen.

    Args:
        model: images (B, C, H, W) in [0, 1] -> logits (B, K, h, w), K ≥ 1.
        rule: the update rule.
        judge: what counts as success.
        max_steps: at most this many updates per image.
        slots: images on the device at once; halved, and work goes on, when the device runs out of memory.
        stop: end an image at its first confirmed success; False: run all steps.
        keep: "best": the smallest norm among confirmed successes, else among successes, else the best judged score;
            "last": the iterate after the last update (with `stop`, the one that ended it).
        confirm: a success must also hold on the image rounded to 8 bits, else the image goes on (one more forward
            pass each time); False: a success in float is enough.
        precision: of the passes (64, 32, "bf16", 16); None: the model's own.
        background: the class that is not foreground, if any.
        seed, name: what randomness is seeded by, beside the image's id.
        sync_every: steps between looks of the host at the device; None: 1 on a CPU, else 4.
        watch: called with the measurements of every step.
    """

    def __init__(
        self,
        model: nn.Module,
        rule: Rule,
        *,
        judge: Criterion | None = None,
        max_steps: int = 500,
        slots: int = 16,
        stop: bool = True,
        keep: Literal["best", "last"] = "best",
        confirm: bool = True,
        precision: Precision | None = None,
        background: int | None = 0,
        seed: int = 0,
        name: str | None = None,
        sync_every: int | None = None,
        watch: Callable[[Measurements], None] | None = None,
    ) -> None:
        for option, value, least in (("max_steps", max_steps, 0), ("slots", slots, 1), ("sync_every", sync_every, 1)):
            if value is not None and value < least:
                raise InputError(f"{option}={value}: must be at least {least}")
        if keep not in ("best", "last"):
            raise InputError(f"keep={keep!r}: must be 'best' or 'last'")
        self.judge = judge or Criterion()
        if not rule.targeted and self.judge.reference == "target":
            raise InputError(f"judge '{self.judge}' needs a target but the rule is untargeted; judge against the truth")
        dtype = model_dtype(model)
        if dtype not in (torch.float32, torch.float64):
            raise InputError(f"the model's parameters are {dtype}; attack it in float32 and set the engine's precision")
        own: Precision = 64 if dtype == torch.float64 else 32
        self.network = Network(model, own if precision is None else normalise_precision(precision))
        self.rule, self.max_steps, self.slots = rule, max_steps, slots
        self.background = background
        self._stop, self._keep = stop, keep
        self._referee = Referee(self.network, rule, self.judge, confirm)
        self._seed, self._name = seed, name or type(rule).__name__
        self._sync_every = sync_every or (1 if self.network.device.type == "cpu" else 4)
        self._watch = watch
        self._model, self._stack = model, ExitStack()
        self._queue: deque[Job] = deque()
        self._parked: list[tuple[Slots, list[_Guest]]] = []
        self._slots: Slots | None = None
        self._guests: list[_Guest] = []
        self._unread: list[tuple[Tensor, dict[str, Tensor]]] = []
        self._since_sync = 0
        self._clock = 0.0

    def __enter__(self) -> Self:
        self._stack.enter_context(frozen(self._model, self.network.dtype))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def active(self) -> int:
        """Images in slots."""
        return len(self._guests)

    @property
    def waiting(self) -> int:
        """Images submitted and not in a slot."""
        return len(self._queue) + sum(len(guests) for _, guests in self._parked)

    def submit(self, job: Job) -> None:
        """Queue an image. Raises InputError if it cannot be attacked."""
        job.check()
        if self.rule.targeted and self.judge.reference == "truth" and job.truth is None:
            raise InputError(f"image {job.id}: the judge '{self.judge}' needs the truth beside the target; give truth")
        # Tensors made in inference mode cannot take part in a backward pass, copies made outside it can.
        with torch.inference_mode(False):
            self._queue.append(job.detached())

    def run(self, drain: bool = True) -> Iterator[Finished]:
        """Work, yielding each image as it finishes: until all are done or, drain=False, until none waits for a slot."""
        while True:
            # Entered anew for every stretch of work, so that the caller's code between two images runs in its own mode.
            with torch.inference_mode(False), torch.enable_grad():
                self._clock = time.perf_counter()
                done = self._refill()
                busy = self._slots is not None and (drain or self.waiting > 0)
                if self._slots is not None and busy:
                    done += self._advance(self._slots)
            yield from done
            if not busy:
                return

    def _refill(self) -> list[Finished]:
        """Fill free slots, parked images first; an image that is a success before it is attacked is done."""
        while self._parked and (free := self.slots - self.active) > 0:
            slots, guests = self._parked.pop()
            if len(guests) > free:
                self._parked.append((slots.pick(slice(free, None)), guests[free:]))
            self._join(slots.pick(slice(free)), guests[:free])
        done: list[Finished] = []
        while self._queue and (free := self.slots - self.active) > 0:
            slots, guests = self._admit([self._queue.popleft() for _ in range(min(free, len(self._queue)))])
            satisfied = torch.tensor([guest.satisfied and self._keep == "best" for guest in guests])
            done += self._finish(slots, guests, satisfied.nonzero().flatten())
            rest = (~satisfied).nonzero().flatten()
            if len(rest):
                self._join(slots.pick(rest.to(self.network.device)), [guests[i] for i in rest.tolist()])
        return done

    def _admit(self, jobs: Sequence[Job]) -> tuple[Slots, list[_Guest]]:
        """Put images onto the device and judge them clean."""
        shapes = {tuple(job.image.shape) for job in [*jobs, *(guest.job for guest in self._guests)]}
        if len(shapes) > 1:
            raise InputError(f"images of different shapes in one attack: {sorted(shapes)}; resize them to one size")
        device = self.network.device
        images = torch.stack([job.image for job in jobs]).to(device, self.network.dtype)
        logits = self._referee.predict(images)
        for job, scores in zip(jobs, logits, strict=True):
            job.check_against(scores)
        valid = torch.stack([torch.ones_like(j.labels, dtype=torch.bool) if j.valid is None else j.valid for j in jobs])
        valid = valid.to(device)
        labels = torch.stack([job.labels for job in jobs]).to(device, torch.int64).masked_fill(~valid, 0)
        truths = torch.stack([job.labels if job.truth is None else job.truth for job in jobs])
        truths = truths.to(device, torch.int64).masked_fill(~valid, 0)
        seeds = torch.tensor([image_seed(self._seed, self._name, job.id) for job in jobs], device=device)
        batch = Batch(images, images, labels, valid, torch.zeros_like(seeds), seeds, logits.shape[1], self.background)
        batch.iterates = self.rule.start(batch)
        preds = logits.argmax(1)
        slots = Slots.fresh(batch, truths)
        slots.best_score = self._referee.score(slots, preds)
        slots.waiting = slots.batch.steps >= self.max_steps
        satisfied = self.judge.holds(slots.best_score).tolist()
        return slots, [_Guest(*parts) for parts in zip(jobs, preds.cpu(), satisfied, strict=True)]

    def _join(self, slots: Slots, guests: list[_Guest]) -> None:
        slots = slots.to(self.network.device)
        self._slots = slots if self._slots is None else self._slots.join(slots)
        self._guests = self._guests + guests

    def _advance(self, slots: Slots) -> list[Finished]:
        """One step of every slot, and the host's look at the device when it is due."""
        try:
            self._step(slots)
        except torch.OutOfMemoryError:
            if len(self._guests) == 1:
                raise
            self._halve(slots)
            return []
        finally:
            self._bill()
        self._since_sync += 1
        return self._sync(slots) if self._since_sync >= self._sync_every else []

    def _step(self, slots: Slots) -> None:
        batch = slots.batch
        asked = Asked(self.network, batch)
        before = batch.state
        batch.state = dict(before)
        try:
            following = self.rule.step(batch, asked)
            logits = asked.forward() if asked.logits is None else asked.logits
        except torch.OutOfMemoryError:
            batch.state = before
            raise
        preds = logits.argmax(1)
        awake = ~slots.waiting
        self._unread.append((awake, slots.measure(preds, asked.loss)))
        batch.report = {}
        score = self._referee.score(slots, preds)
        size = norms(batch.iterates - batch.images, self.rule.norm)
        slots.judged(awake, self.judge.holds(score), score, size, self.judge.better)
        slots.advance(awake, following, before, asked, self.max_steps)

    def _sync(self, slots: Slots) -> list[Finished]:
        """Look at the device: read measurements, confirm successes, end what has ended."""
        self._since_sync = 0
        self._read()
        candidates = slots.candidate.nonzero().flatten()
        self._referee.consider(slots, candidates, slots.found, slots.found_step, slots.found_score)
        ended = slots.nonfinite | (slots.batch.steps >= self.max_steps)
        succeeded = (slots.tier == SUCCESS8) & self._stop
        # The iterate after the last update has not been through the model yet.
        last = (ended & ~slots.nonfinite & ~succeeded).nonzero().flatten()
        self._referee.consider(slots, last, slots.batch.iterates, slots.batch.steps)
        ended |= (slots.tier == SUCCESS8) & self._stop
        slots.candidate = torch.zeros_like(ended)
        slots.waiting = ended
        self._bill()
        done = self._finish(slots, self._guests, ended.nonzero().flatten())
        if done:
            rest = (~ended).nonzero().flatten()
            self._guests = [self._guests[i] for i in rest.tolist()]
            self._slots = slots.pick(rest) if len(rest) else None
        return done

    def _finish(self, slots: Slots, guests: Sequence[_Guest], index: Tensor) -> list[Finished]:
        """Predict what the images at `index` keep once more, in full precision, check it and hand it out."""
        if not len(index):
            return []
        slots, guests = slots.pick(index.to(self.network.device)), [guests[i] for i in index.tolist()]
        by_success = (slots.tier == SUCCESS8) & self._stop
        adv, kept_step = slots.best, slots.kept_step
        if self._keep == "last":
            adv = torch.where(by_success.view(-1, 1, 1, 1), adv, slots.batch.iterates)
            kept_step = torch.where(by_success, kept_step, slots.batch.steps)
        steps = torch.where(by_success, kept_step, slots.batch.steps)
        self._referee.verify(adv, slots.batch.images, [guest.job.id for guest in guests])
        preds, preds8 = self._referee.predict(adv).argmax(1), self._referee.predict(round8(adv)).argmax(1)
        success, success8 = (self.judge.holds(self._referee.score(slots, p)).tolist() for p in (preds, preds8))
        counts = torch.stack([steps, kept_step, slots.forwards, slots.backwards, slots.zero_gradients], 1).tolist()
        nonfinite = slots.nonfinite.tolist()
        return [
            Finished(
                *(guest.job, adv[i].cpu(), guest.clean_preds, preds[i].cpu(), preds8[i].cpu()),
                *(guest.satisfied, success[i], success8[i]),
                *(*counts[i][:4], guest.seconds, counts[i][4], nonfinite[i], guest.trace),
            )
            for i, guest in enumerate(guests)
        ]

    def _halve(self, slots: Slots) -> None:
        """Park half of the images with all their state and go on with the others."""
        self._read()
        keep = len(self._guests) // 2
        warnings.warn(f"out of memory with {len(self._guests)} slots, going on with {keep}", stacklevel=2)
        self._parked.append((slots.pick(slice(keep, None)).to(torch.device("cpu")), self._guests[keep:]))
        self._slots, self._guests, self.slots = slots.pick(slice(keep)), self._guests[:keep], keep
        if self.network.device.type == "cuda":
            torch.cuda.empty_cache()

    def _read(self) -> None:
        """Bring the measurements since the last look to the host."""
        for awake, measured in self._unread:
            names, chosen = list(measured), awake.cpu()
            table = torch.stack(list(measured.values())).cpu()[:, chosen]
            guests = [guest for guest, is_awake in zip(self._guests, chosen.tolist(), strict=True) if is_awake]
            for guest, column in zip(guests, table.T.tolist(), strict=True):
                guest.trace.append(dict(zip(names, column, strict=True)))
            if self._watch and guests:
                ids = [guest.job.id for guest in guests]
                self._watch({"ids": ids, **dict(zip(names, table, strict=True))})
        self._unread = []

    def _bill(self) -> None:
        """Divide the time since the last bill among the images in the slots."""
        now = time.perf_counter()
        for guest in self._guests:
            guest.seconds += (now - self._clock) / len(self._guests)
        self._clock = now


@dataclass
class AttackResult:
    """Per image, in input order; N images.

    Attributes:
        adv: (N, C, H, W) in [0, 1], on the CPU.
        success, success8, success_clean, nonfinite_gradient: (N,) bool.
        steps, kept_step, forwards, backwards, zero_gradients: (N,) int64.
        seconds: (N,) float64.
        finished: everything about each image, see `Finished`.
    """

    adv: Tensor
    success: Tensor
    success8: Tensor
    success_clean: Tensor
    nonfinite_gradient: Tensor
    steps: Tensor
    kept_step: Tensor
    forwards: Tensor
    backwards: Tensor
    zero_gradients: Tensor
    seconds: Tensor
    finished: list[Finished]


def attack(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    rule: Rule,
    *,
    valid: Tensor | None = None,
    truth: Tensor | None = None,
    ids: Sequence[str] | None = None,
    **options: Any,
) -> AttackResult:
    """Attack any number of images.

    Args:
        model: images (B, C, H, W) in [0, 1] -> logits (B, K, h, w), K ≥ 1; K = 1 is a sigmoid head.
        images: (N, C, H, W) float in [0, 1].
        labels: (N, h, w) int: the target maps for a targeted rule, else the truth.
        rule: any update rule.
        valid: (N, h, w) bool, pixels that count; None: all.
        truth: (N, h, w) int, for a targeted rule that is judged against the truth.
        ids: N names that seed random starts; None: "0", "1", ...
        **options: of `Engine`: judge, max_steps, slots, stop, keep, confirm, precision, background, seed, ...

    Raises:
        InputError: for images outside [0, 1] or not finite, labels out of range, shapes that do not fit.
    """
    names = [str(i) for i in range(len(images))] if ids is None else list(ids)
    if len(set(names)) != len(images):
        raise InputError(f"ids: {len(set(names))} different ones for {len(images)} images; give one for each")
    for name, other in (("labels", labels), ("valid", valid), ("truth", truth)):
        if other is not None and len(other) != len(images):
            raise InputError(f"{name}: {len(other)} for {len(images)} images; give one for each")
    done: dict[str, Finished] = {}
    with Engine(model, rule, **options) as engine:
        for i, name in enumerate(names):
            maps = (other if other is None else other[i].cpu() for other in (valid, truth))
            engine.submit(Job(name, images[i].cpu(), labels[i].cpu(), *maps))
        for finished in engine.run():
            done[finished.job.id] = finished
    finished_images = [done[name] for name in names]
    per_image = [f.name for f in fields(AttackResult) if f.name not in ("adv", "finished")]
    return AttackResult(
        adv=torch.stack([image.adv for image in finished_images]) if finished_images else images.cpu(),
        finished=finished_images,
        **{name: torch.tensor([getattr(image, name) for image in finished_images]) for name in per_image},
    )
