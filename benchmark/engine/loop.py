"""The attack loop: continuous batching of any update rule over any number of images.

A fixed number of images (`slots`) is on the device at once. Each has its own step count, state, best iterate and end;
a finished image leaves and the next one of the queue takes its place, so that the batch stays full. The host looks at
the device only every `sync_every` steps. What becomes of an image depends neither on that nor on its neighbours: one
that has reached something the host must look at stands still until it does.
"""

import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Self, get_args

import torch
from torch import Tensor, nn

from benchmark.attacks.base import Rule, check_points, norms
from benchmark.criterion import Criterion
from benchmark.distributed.termination import check_stop
from benchmark.engine.admission import Admission
from benchmark.engine.jobs import Finished, InFlight, Job
from benchmark.engine.limits import Limits
from benchmark.engine.model import AttackedModel, Precision, frozen, is_finite
from benchmark.engine.query import EngineQuery
from benchmark.engine.selection import IterateSelector, Keep
from benchmark.engine.slots import SUCCESS8, Slots
from benchmark.engine.telemetry import Measurements, Telemetry
from benchmark.errors import InputError
from benchmark.images.quantisation import EIGHT_BIT, Quantizer


class Engine:
    """Runs one rule against one model; a context manager, inside of which the model is frozen.

    Args:
        model: images (B, C, H, W) in [0, 1] -> logits (B, K, h, w), K ≥ 1; or a `Network` that several engines share.
        rule: the update rule.
        judge: what counts as success.
        max_steps: at most this many updates per image; None: as many as `max_passes` allows.
        max_passes: no step is begun that could take an image over so many forward and backward passes together, those
            for judging and confirming included (judging the clean image and the first iterate, 3 at most, comes before
            any step); None: no limit.
        slots: images on the device at once; halved, and work goes on, when the device runs out of memory.
        stop: end an image at its first confirmed success; False: run all steps.
        keep: "best": the smallest norm among confirmed successes, else among successes, else the best judged score.
            Once one is confirmed, another is confirmed when its norm is 5 % smaller, and at the end the smallest;
            "last": the iterate after the last update (with `stop`, the one that ended it); "score": the best judged
            score whatever its norm, for which `stop` must be False; nothing is confirmed on the way.
        confirm: a success must also hold on the image rounded to 8 bits, else the image goes on (one more forward
            pass each time); False: a success in float is enough.
        precision: of the passes (64, 32, "tf32", "bf16", 16); None: the model's own.
        channels_last, fold, compiled: how passes are made, see `Network`; like precision not read with a shared one.
        background: the class that is not foreground, if any.
        class_pixels: how often each class occurs in the training set, for rules that weigh classes by it.
        seed, name: what randomness is seeded by, beside the image's id.
        sync_every: steps between looks of the host at the device; None: 1 on a CPU, else 4.
        watch: called with the measurements of every step.
        grid: of the files images are saved as; for others than 8 bits read "8-bit" as those.
    """

    def __init__(
        self,
        model: nn.Module | AttackedModel,
        rule: Rule,
        *,
        judge: Criterion | None = None,
        max_steps: int | None = 500,
        max_passes: int | None = None,
        slots: int = 16,
        stop: bool = True,
        keep: Keep = "best",
        confirm: bool = True,
        precision: Precision | None = None,
        channels_last: bool = True,
        fold: bool = True,
        compiled: bool = False,
        background: int | None = 0,
        class_pixels: Sequence[float] | None = None,
        seed: int = 0,
        name: str | None = None,
        sync_every: int | None = None,
        watch: Callable[[Measurements], None] | None = None,
        quantizer: Quantizer = EIGHT_BIT,
    ) -> None:
        for option, value, least in (
            *(("max_steps", max_steps, 0), ("max_passes", max_passes, 1)),
            *(("slots", slots, 1), ("sync_every", sync_every, 1)),
        ):
            if value is not None and value < least:
                raise InputError(f"{option}={value}: must be at least {least}")
        if max_steps is None and max_passes is None:
            raise InputError("max_steps and max_passes are both null; an attack needs an end, give one of them")
        if keep not in get_args(Keep):
            raise InputError(f"keep={keep!r}: must be 'best', 'last' or 'score'")
        if keep == "score" and stop:
            raise InputError("keep='score' looks for the best score of all steps; set stop=False")
        self.judge = judge or Criterion()
        if not rule.targeted and self.judge.reference == "target":
            raise InputError(f"judge '{self.judge}' needs a target but the rule is untargeted; judge against the truth")
        self.network: AttackedModel = (
            model
            if isinstance(model, AttackedModel)
            else AttackedModel(model, precision, channels_last, fold, compiled)
        )
        # In reduced precision a success is judged again before it is confirmed.
        self._limits = Limits(max_steps, max_passes, confirmation=2 if self.network.reduced else 1)
        self.rule, self.slots = rule, slots
        self._selector = IterateSelector(
            self.network, rule, self.judge, stop=stop, keep=keep, confirm=confirm, quantizer=quantizer
        )
        self._admit = Admission(
            *(self.network, rule, self.judge, self._selector, self._limits, background),
            None if class_pixels is None else tuple(float(count) for count in class_pixels),
            *(seed, name or type(rule).__name__),
        )
        self._sync_every = sync_every or (1 if self.network.device.type == "cpu" else 4)
        self._telemetry = Telemetry(watch)
        self._stack = ExitStack()
        self._queue: deque[Job] = deque()
        self._parked: list[tuple[Slots, list[InFlight]]] = []
        self._slots: Slots | None = None
        self._in_flight: list[InFlight] = []
        self._done: deque[Finished] = deque()
        self._since_sync = 0

    def __enter__(self) -> Self:
        self._stack.enter_context(frozen(self.network.model, self.network.dtype))
        self.network.forget()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def active(self) -> int:
        """Images in slots."""
        return len(self._in_flight)

    @property
    def waiting(self) -> int:
        """Images submitted and not in a slot."""
        return len(self._queue) + sum(len(in_flight) for _, in_flight in self._parked)

    def submit(self, job: Job) -> None:
        """Queue an image. Raises InputError if it cannot be attacked."""
        job.check()
        if self.rule.targeted and self.judge.reference == "truth" and job.truth is None:
            raise InputError(f"image {job.id}: the judge '{self.judge}' needs the truth beside the target; give truth")
        if job.eps is not None and self.rule.eps is None:
            raise InputError(f"image {job.id}: eps={job.eps:g}, but {type(self.rule).__name__} keeps to no budget")
        # Tensors made in inference mode cannot take part in a backward pass, copies made outside it can.
        with torch.inference_mode(False):
            self._queue.append(job.detached())

    def run(self, drain: bool = True) -> Iterator[Finished]:
        """Work, yielding each image as it finishes: until all are done or, drain=False, until a slot is free."""
        busy = True
        while busy:
            check_stop()
            # Entered anew for every stretch of work, so that the caller's code between two images runs in its own mode.
            with torch.inference_mode(False), torch.enable_grad():
                self._telemetry.start_clock()
                self._refill()
                busy = self._slots is not None and (drain or self.active + self.waiting >= self.slots)
                if self._slots is not None and busy:
                    self._advance(self._slots)
            yield from self.finished()

    def finished(self) -> Iterator[Finished]:
        """What has finished and has not been handed out, without any work.

        Kept by the engine until taken: a caller who stops listening to `run` finds the rest here or in the next run.
        """
        while self._done:
            yield self._done.popleft()

    def rest(self) -> None:
        """Take all images off the device until the next `run`, so that another engine can have its memory."""
        if self._slots is not None:
            self._telemetry.read(self._in_flight)
            self._parked.append((self._slots.to(torch.device("cpu")), self._in_flight))
            self._slots, self._in_flight = None, []

    def _refill(self) -> None:
        """Fill free slots, parked images first; an image that is a success before it is attacked is done."""
        while self._parked and (free := self.slots - self.active) > 0:
            slots, in_flight = self._parked.pop()
            if len(in_flight) > free:
                self._parked.append((slots.pick(slice(free, None)), in_flight[free:]))
            self._join(slots.pick(slice(free)), in_flight[:free])
        while self._queue and (free := self.slots - self.active) > 0:
            jobs = [self._queue.popleft() for _ in range(min(free, len(self._queue)))]
            slots, in_flight = self._admit(jobs, [image.job for image in self._in_flight])
            self._join(*self._dismiss(slots, in_flight, self._selector.dismiss_clean(slots)))

    def _join(self, slots: Slots, in_flight: list[InFlight]) -> None:
        if in_flight:
            slots = slots.to(self.network.device)
            self._slots = slots if self._slots is None else self._slots.join(slots)
            self._in_flight = self._in_flight + in_flight

    def _dismiss(self, slots: Slots, in_flight: list[InFlight], ended: Tensor) -> tuple[Slots, list[InFlight]]:
        """Hand out the images `ended` (B,) bool; returns those that stay."""
        places = ended.nonzero().flatten()
        if not len(places):
            return slots, in_flight
        self._done += self._selector.finish(slots.pick(places), [in_flight[i] for i in places.tolist()])
        stay = (~ended).nonzero().flatten()
        return slots.pick(stay), [in_flight[i] for i in stay.tolist()]

    def _advance(self, slots: Slots) -> None:
        """One step of every slot, and the host's look at the device when it is due."""
        try:
            self._slots = self._step(slots)
            fitted = True
        except torch.OutOfMemoryError:
            if len(self._in_flight) == 1:
                raise
            fitted = False
        # Not while the error is being handled: until then it holds on to what the step had computed.
        if not fitted:
            self._halve(slots)
        self._telemetry.bill(self._in_flight)
        self._since_sync += int(fitted)
        if self._slots is not None and self._since_sync >= self._sync_every:
            self._sync(self._slots)

    def _step(self, slots: Slots) -> Slots:
        """All images one step on. What was given stays as it is, in case memory does not suffice for a whole step."""
        before, slots = slots.batch.state, slots.copy()
        batch = slots.batch
        batch.best_norm = torch.where(slots.confirmation == SUCCESS8, slots.best_norm, float("inf"))
        batch.done = torch.zeros_like(slots.waiting)
        asked = EngineQuery(self.network, batch, lambda logits: self.judge.holds(self._selector.score(slots, logits)))
        following = self.rule.step(batch, asked)
        check_points(self.rule, following, batch.images)
        logits = asked.forward() if asked.logits is None else asked.logits
        awake = ~slots.waiting
        asked.finite &= is_finite(logits)
        preds = self.network.classes(logits)
        measured = slots.measure(preds, asked.loss)
        batch.report = {}
        size = norms(batch.iterates - batch.images, self.rule.norm)
        score = self._selector.score(slots, logits, size, preds)
        success = self.judge.holds(score)
        slots.judged(awake, success, score, size, self.judge.better, self._selector.gain)
        slots.advance(awake, following, before, asked, self._limits)
        if not self._selector.confirms:
            slots.succeeded(awake & success)
        self._telemetry.note(awake, measured)
        return slots

    def _sync(self, slots: Slots) -> None:
        """Look at the device: read measurements, confirm successes, end what has ended."""
        self._since_sync = 0
        self._telemetry.read(self._in_flight)
        ended = self._selector.settle(slots)
        self._telemetry.bill(self._in_flight)
        slots, self._in_flight = self._dismiss(slots, self._in_flight, ended)
        self._slots = slots if self._in_flight else None

    def _halve(self, slots: Slots) -> None:
        """Park half of the images with all their state and go on with the others."""
        self._telemetry.read(self._in_flight)
        keep = len(self._in_flight) // 2
        warnings.warn(f"out of memory with {len(self._in_flight)} slots, going on with {keep}", stacklevel=2)
        places = torch.arange(len(slots), device=self.network.device)
        self._parked.append((slots.pick(places[keep:]).to(torch.device("cpu")), self._in_flight[keep:]))
        # Picked by index, which copies: slices would keep the memory of all.
        self._slots, self._in_flight, self.slots = slots.pick(places[:keep]), self._in_flight[:keep], keep
        if self.network.device.type == "cuda":
            torch.cuda.empty_cache()
