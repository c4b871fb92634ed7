"""The contract between an attack and the engine.

An attack is an update rule: how an image's perturbation starts, and how it goes from one iterate to the next. The
engine does everything else: forward and backward passes, judging, keeping the best iterate, stopping, counting.
Every tensor here has one leading entry per image, and no rule may let images of a batch influence each other.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol, Self, get_args, get_origin, get_type_hints

import torch
from torch import Tensor

from benchmark import metrics

Loss = Callable[[Tensor, Tensor], Tensor]
"""(logits (B,K,H,W), points (B,C,H,W)) -> one loss per image (B,). The engine sums it only to take one gradient."""


@dataclass(kw_only=True)
class Batch:
    """The images being attacked, as a rule sees them.

    Attributes:
        images: (B, C, H, W) clean, in [0, 1].
        iterates: (B, C, H, W) current iterates, in [0, 1].
        labels: (B, h, w) int64 in [0, classes): the target map for a targeted rule, else the truth; 0 where not valid.
        valid: (B, h, w) bool, pixels that count.
        steps: (B,) int64, updates done so far, per image.
        max_steps: how many updates an image may take, the N of schedules.
        seeds: (B,) int64, made from (seed, attack, image id, restart): the only source of randomness a rule may use.
        classes: K, at least 2 (one-logit heads arrive as two logits).
        background: the class that is not foreground, if any.
        clean_lead: (B,) by how much the largest logit of the clean image leads the second, the mean over the pixels
            that count; 0 where none does.
        eps: (B,) budget in the rule's norm, infinite where there is none; may differ from image to image.
        best_norm: (B,) norm of the smallest confirmed success, infinite while there is none.
        done: (B,) bool, all False when a step begins; a rule says here whose update was the last one.
        class_pixels: K pixel counts, how often each class occurs in the training set; None: not known.
        state: the rule's own tensors, one leading entry per image, all of them made in `start`. A rule replaces
            entries, it does not write into them: images that are waiting keep their old ones.
        report: numbers (B,) a rule wants to be seen in the telemetry of this step, such as "multiplier".
    """

    images: Tensor
    iterates: Tensor
    labels: Tensor
    valid: Tensor
    steps: Tensor
    max_steps: int
    seeds: Tensor
    classes: int
    background: int | None
    clean_lead: Tensor
    eps: Tensor
    best_norm: Tensor
    done: Tensor
    class_pixels: tuple[float, ...] | None = None
    state: dict[str, Tensor] = field(default_factory=dict)
    report: dict[str, Tensor] = field(default_factory=dict)


class Query(Protocol):
    """How a rule asks for passes through the model; each call is counted for every image in the batch.

    Without `points` the current iterates are evaluated, and the engine judges them from the same pass. A rule that
    never asks there costs one more forward pass per step, made by the engine.

    Attributes:
        logits: (B, K, h, w) of the current iterates; None: the rule has not asked for them in this step.
    """

    logits: Tensor | None

    def forward(self, points: Tensor | None = None) -> Tensor:
        """Logits (B, K, h, w) without a gradient."""
        ...

    def gradient(self, loss: Loss, points: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Logits (B, K, h, w) and the gradient (B, C, H, W) of each image's own loss with respect to its points."""
        ...

    def judge(self, logits: Tensor) -> Tensor:
        """Whether the engine's judge holds for each image's logits; (B, K, h, w) -> (B,) bool. Costs no pass."""
        ...


class Rule(ABC):
    """An update rule. Subclasses are frozen dataclasses whose fields are the attack's parameters."""

    norm: Literal[1, 2, "inf"] = 2
    """The norm in which "smallest" is meant when the best of several successes is kept."""

    targeted: bool = True
    """Whether labels are maps to reach (True) or the truth to leave (False)."""

    eps: float | None = None
    """Budget in `norm`, verified by the engine on every result; None: no budget. A rule reads `batch.eps`, which the
    engine fills from here or from the image's own budget."""

    passes_per_step: int = 2
    """Forward and backward passes of one step, from which the N of schedules follows when passes are limited. A rule
    whose steps cost less than it says here would take more than N."""

    gradients_per_step: int = 1
    """The backward passes among them."""

    most_steps: int | None = None
    """Updates after which the rule ends every image itself; None: it leaves that to the engine's limits."""

    ends_images: bool = False
    """Whether the rule may end an image itself, by `batch.done`, before `most_steps` or the limits do."""

    may_start_anywhere: bool = False
    """Whether the engine may put another point in place of the rule's own first iterate, as a warm start does. What
    `start` keeps in `batch.state` must then not depend on the first iterate."""

    wants_class_pixels: bool = False
    """Whether `batch.class_pixels` is read, so that the training set has to be counted."""

    def __post_init__(self) -> None:
        """Raise ValueError for a value that is not among the `Literal`s of its field.

        One that is written alike becomes that choice: `norm=inf` of a command line is a number, and means "inf".
        """
        try:
            hints = get_type_hints(type(self))
        except NameError:  # a type that its module imports for type checkers only
            return
        for name, hint in hints.items():
            value, choices = getattr(self, name, None), get_args(hint)
            if get_origin(hint) is not Literal or value in choices:
                continue
            alike = [choice for choice in choices if str(choice) == str(value)]
            if alike:
                self.declare(**{name: alike[0]})
            else:
                allowed = ", ".join(str(choice) for choice in choices)
                raise ValueError(f"{type(self).__name__}: {name}={value!r} is not one of {allowed}")

    def declare(self, **facts: object) -> None:
        """Set what the attributes above say, where it follows from the parameters; called by `__post_init__`."""
        for name, value in facts.items():
            object.__setattr__(self, name, value)

    def check_range(self, interval: str, *names: str) -> None:
        """Raise ValueError for a field that lies outside of an interval, written as "[0, 1)"; None passes."""
        low, high = (float(end) for end in interval[1:-1].split(","))
        for name in names:
            value = getattr(self, name)
            if value is None:
                continue
            above = value >= low if interval[0] == "[" else value > low
            below = value <= high if interval[-1] == "]" else value < high
            if not (above and below):
                raise ValueError(f"{type(self).__name__}: {name}={value}: must be in {interval}")

    def start(self, batch: Batch) -> Tensor:
        """The first iterates (B, C, H, W) in [0, 1], by default the clean images; fills `batch.state`."""
        return batch.images

    def warm(self) -> Self:
        """The rule for images that start from what another attack or budget has kept, by default the same."""
        return self

    @abstractmethod
    def step(self, batch: Batch, query: Query) -> Tensor:
        """The next iterates (B, C, H, W) in [0, 1]."""


def check_points(rule: Rule, points: Tensor, images: Tensor) -> None:
    """Raise ValueError unless what a rule returned fits the images; other shapes would be broadcast to all of them."""
    if points.shape != images.shape or points.dtype != images.dtype:
        returned = f"{points.dtype} of shape {tuple(points.shape)}"
        raise ValueError(f"{type(rule).__name__} returned {returned} for {images.dtype} {tuple(images.shape)}")


def image_seed(seed: int, attack: str, image_id: str, restart: int = 0) -> int:
    """A 63-bit seed that depends on these four things and on nothing else, such as an image's place in a batch."""
    text = "\x1f".join((str(seed), attack, image_id, str(restart)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def norms(delta: Tensor, norm: Literal[1, 2, "inf"]) -> Tensor:
    """‖δ‖ per image; (B, C, H, W) -> (B,)."""
    if norm == "inf":
        return metrics.linf(delta)
    return torch.linalg.vector_norm(delta.flatten(1), ord=float(norm), dim=1)


def unsqueeze_like(values: Tensor, like: Tensor) -> Tensor:
    """One number per image (B,), shaped (B, 1, ..., 1) so that it can be combined with `like` (B, ...)."""
    return values.view(-1, *[1] * (like.ndim - 1))
