"""The attack loop: continuous batching of any update rule over any number of images.

A fixed number of images (`slots`) is on the device at once. Each has its own step count, state, best iterate and end.
When one is finished, the next image of the queue takes its place. The host looks at the device only every `sync_every`
steps. An image that needs the host's decision waits for it, so no result depends on when it looks, or on other images.
"""

import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Self

import torch
from torch import Tensor, nn

from benchmark import metrics
from benchmark.attacks.base import Rule, check_points
from benchmark.criterion import Criterion
from benchmark.distributed.termination import check_stop
from benchmark.engine.admission import Admission
from benchmark.engine.jobs import Finished, InFlight, Job
from benchmark.engine.keep_and_stop import IterateSelector, Keep
from benchmark.engine.limits import Limits
from benchmark.engine.model import AttackedModel
from benchmark.engine.parking import Parking
from benchmark.engine.precision import frozen
from benchmark.engine.query import EngineQuery
from benchmark.engine.slots import Slots
from benchmark.engine.telemetry import Measurements, Telemetry, take_measurements
from benchmark.errors import InputError
from benchmark.images.quantisation import Quantizer
from benchmark.label_subsets import NO_LABEL


class Engine:
    """Runs one rule against one model. A context manager, inside of which the model is frozen.

    Args:
        model: images (B, C, H, W) in [0, 1] -> logits (B, K, h, w), K ≥ 1; or an `AttackedModel` that engines share.
        rule: the update rule.
        quantizer: rounds images as their files will be; where it has other than 8 bits, read "8-bit" as those.
        judge: what counts as success.
        max_steps: at most this many updates per image; None: as many as `max_passes` allows.
        max_passes: at most this many forward and backward passes per image, including those that judge and confirm;
            None: no limit. The clean image and the first iterate are judged in any case, in at most 3 passes.
        slots: images on the device at once. Halved when the device runs out of memory; then work goes on.
        stop: end an image at its first confirmed success; False: run all steps.
        keep: "best": the smallest norm among confirmed successes, else among successes, else the best judged score.
            Once one is confirmed, another is confirmed when its norm is 5 % smaller, and at the end the smallest;
            "last": the iterate after the last update (with `stop`, the one that ended it); "score": the best judged
            score whatever its norm, for which `stop` must be False; nothing is confirmed on the way.
        confirm: a success must also hold on the image rounded to 8 bits, else the image goes on (one more forward
            pass each time); False: a success in float is enough.
        background: the class that is not foreground, if any; of no effect for a multilabel model.
        class_pixels: how often each class occurs in the training set, for rules that weigh classes by it.
        seed, name: seed random starts, together with the image's id.
        sync_every: steps after which the host looks at the device; None: 1 on a CPU, else 4.
        watch: called with the measurements of every step.
        **passes: options of `AttackedModel`, such as precision, fold, multilabel; not with one that is shared.
    """

    def __init__(
        self,
        model: nn.Module | AttackedModel,
        rule: Rule,
        *,
        quantizer: Quantizer,
        judge: Criterion | None = None,
        max_steps: int | None = 500,
        max_passes: int | None = None,
        slots: int = 16,
        stop: bool = True,
        keep: Keep = "best",
        confirm: bool = True,
        background: int | None = 0,
        class_pixels: Sequence[float] | None = None,
        seed: int = 0,
        name: str | None = None,
        sync_every: int | None = None,
        watch: Callable[[Measurements], None] | None = None,
        **passes: Any,
    ) -> None:
        for option, value in (("slots", slots), ("sync_every", sync_every)):
            if value is not None and value < 1:
                raise InputError(f"engine.{option}={value}: must be at least 1")
        self.judge = judge or Criterion()
        if not rule.targeted and self.judge.reference == "target":
            raise InputError(f"judge '{self.judge}' needs a target but the rule is untargeted; judge against the truth")
        if passes and isinstance(model, AttackedModel):
            raise InputError(f"{', '.join(passes)}: options of the AttackedModel; set them where it is made")
        self.network = model if isinstance(model, AttackedModel) else AttackedModel(model, **passes)
        # In reduced precision a success is judged again before it is confirmed.
        self._limits = Limits(max_steps, max_passes, confirmation=2 if self.network.reduced else 1)
        self.rule, self.slots = rule, slots
        self._selector = IterateSelector(
            self.network, rule, self.judge, stop=stop, keep=keep, confirm=confirm, quantizer=quantizer
        )
        self._admit = Admission(
            network=self.network,
            rule=rule,
            judge=self.judge,
            selector=self._selector,
            limits=self._limits,
            background=NO_LABEL if self.network.multilabel else background,
            class_pixels=None if class_pixels is None else tuple(float(count) for count in class_pixels),
            seed=seed,
            name=name or type(rule).__name__,
        )
        self._sync_every = sync_every or (1 if self.network.device.type == "cpu" else 4)
        self._telemetry = Telemetry(watch)
        self._stack = ExitStack()
        self._queue: deque[Job] = deque()
        self._parking = Parking()
        self._slots: Slots | None = None
        self._in_flight: list[InFlight] = []
        self._done: deque[Finished] = deque()
        self._since_sync = 0

    def __enter__(self) -> Self:
        self._stack.enter_context(frozen(self.network.model, self.network.dtype))
        self.network.discard_copy()
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
        return len(self._queue) + len(self._parking)

    def submit(self, job: Job) -> None:
        """Queue an image. Raises InputError if it cannot be attacked."""
        self._admit.check(job)
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
        """Hand out finished images, without any work: those left when a caller stopped iterating over `run`."""
        while self._done:
            yield self._done.popleft()

    def park(self) -> None:
        """Take all images off the device until the next `run`, so that another engine can use its memory."""
        if self._slots is not None:
            self._telemetry.read(self._in_flight)
            self._parking.put(self._slots, self._in_flight)
            self._slots, self._in_flight = None, []

    def _refill(self) -> None:
        """Fill free slots, parked images first; one that needs no attack, or no further one, is done."""
        while self._parking and (free := self.slots - self.active) > 0:
            self._join(*self._parking.take(free))
        while self._queue and (free := self.slots - self.active) > 0:
            jobs = [self._queue.popleft() for _ in range(min(free, len(self._queue)))]
            slots, in_flight = self._admit(jobs, [image.job for image in self._in_flight])
            slots, in_flight = self._dismiss(slots, in_flight, self._selector.dismiss_clean(slots))
            self._join(*self._dismiss(slots, in_flight, self._selector.dismiss_started(slots, self._limits)))

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
            self._slots, fitted = self._step(slots), True
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
        before, slots = slots.batch.state, slots.begin_step()
        batch = slots.batch
        query = EngineQuery(self.network, batch, lambda logits: self.judge.holds(self._selector.score(slots, logits)))
        following = self.rule.step(batch, query)
        check_points(self.rule, following, batch.images)
        logits = query.forward() if query.logits is None else query.logits
        awake = ~slots.waiting
        query.finite &= metrics.is_finite(logits)
        preds = self.network.classes(logits)
        measured = take_measurements(batch, preds, query.loss)
        success = self._selector.record(slots, awake, logits, preds)
        slots.advance(awake, following, before, query, self._limits)
        if not self._selector.confirms:
            slots.record_success(success)
        self._telemetry.record(awake, measured)
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
        self._parking.put(slots.pick(places[keep:]), self._in_flight[keep:])
        # Picked by index, which copies: slices would keep the memory of all.
        self._slots, self._in_flight, self.slots = slots.pick(places[:keep]), self._in_flight[:keep], keep
        if self.network.device.type == "cuda":
            torch.cuda.empty_cache()
