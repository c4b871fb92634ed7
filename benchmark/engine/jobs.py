"""What goes into the engine and what comes out of it: one image each."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from benchmark.engine.tensor_tree import map_tensors
from benchmark.errors import InputError


@dataclass(kw_only=True)
class Job:
    """One image to attack.

    Args:
        id: names the image in results and seeds its randomness.
        image: (C, H, W) float in [0, 1].
        labels: (h, w) int: the target map for a targeted rule, else the truth; any value where not valid.
        valid: (h, w) bool, pixels that count; None: all.
        truth: (h, w) int, needed only when a targeted rule is judged against the truth.
        eps: this image's budget in the rule's norm, in place of the rule's own; None: the rule's.
        start: (C, H, W) float in [0, 1], such as what the attack has kept at another budget. Projected onto the
            budget it is the best so far; moved away from the image until it meets the bound, it takes the place of the
            rule's first iterate. `Rule.warm` gives a rule that suits it. None: the rule's first iterate.
    """

    id: str
    image: Tensor
    labels: Tensor
    valid: Tensor | None = None
    truth: Tensor | None = None
    eps: float | None = None
    start: Tensor | None = None

    def check(self) -> None:
        """Raise InputError unless image, labels, valid and truth are what the class says."""
        image = self.image
        if image.ndim != 3 or not image.is_floating_point() or not image.numel():
            given = f"{image.dtype} of shape {tuple(image.shape)}"
            raise InputError(f"image {self.id}: {given}; give float (C,H,W) in [0,1]")
        if not image.isfinite().all():
            raise InputError(f"image {self.id}: holds NaN or infinite values; give finite values in [0,1]")
        low, high = image.min().item(), image.max().item()
        if low < 0 or high > 1:
            given = f"values from {low:.4g} to {high:.4g}"
            raise InputError(f"image {self.id}: {given}; give images in [0,1] and normalise in the model")
        for name, labels in (("labels", self.labels), ("truth", self.truth)):
            if labels is not None and (labels.ndim != 2 or labels.is_floating_point() or labels.dtype == torch.bool):
                given = f"{labels.dtype} of shape {tuple(labels.shape)}"
                raise InputError(f"image {self.id}: {name} are {given}; give an integer map (H,W)")
        for name, other in (("valid", self.valid), ("truth", self.truth)):
            if other is not None and other.shape != self.labels.shape:
                shapes = f"{tuple(other.shape)} but labels {tuple(self.labels.shape)}"
                raise InputError(f"image {self.id}: {name} has shape {shapes}; they must be equal")
        if self.valid is not None and self.valid.dtype != torch.bool:
            raise InputError(f"image {self.id}: valid is {self.valid.dtype}; give a bool map (H,W)")
        if self.start is not None and (
            self.start.shape != image.shape or not self.start.isfinite().all() or not _in_range(self.start)
        ):
            given = f"{self.start.dtype} of shape {tuple(self.start.shape)}"
            raise InputError(f"image {self.id}: start is {given}; give values in [0,1], as many as the image has")
        if self.eps is not None and not self.eps >= 0:
            raise InputError(f"image {self.id}: eps={self.eps}; a budget must not be negative")

    def check_against(self, logits: Tensor) -> None:
        """Raise InputError unless the model's logits (K, h, w) for this image can be compared with its labels."""
        if not logits.isfinite().all():
            raise InputError(f"image {self.id}: the model's logits are not finite; check its weights and input range")
        if self.labels.shape != logits.shape[1:]:
            shapes = f"{tuple(self.labels.shape)} but the model's output {tuple(logits.shape[1:])}"
            raise InputError(f"image {self.id}: labels have shape {shapes}; give labels of the output's size")
        self.check_classes(len(logits))

    def check_classes(self, classes: int) -> None:
        """Raise InputError if a pixel that counts has a label the model has no class for."""
        for name, labels in (("labels", self.labels), ("truth", self.truth)):
            counted = labels if labels is None or self.valid is None else labels[self.valid]
            if counted is not None and counted.numel() and not 0 <= counted.min() <= counted.max() < classes:
                values = f"{name} from {counted.min().item()} to {counted.max().item()}"
                raise InputError(
                    f"image {self.id}: {values}, but the model has classes 0 to {classes - 1}; "
                    "map the labels or mark those pixels as not valid"
                )

    def detached(self) -> "Job":
        """A copy whose tensors nobody else holds; made outside inference mode they can take part in backward passes."""
        return map_tensors(lambda tensor: tensor.detach().clone(), self)


def _in_range(points: Tensor) -> bool:
    return bool(((points >= 0) & (points <= 1)).all())


@dataclass(kw_only=True)
class Finished:
    """What became of one image; tensors on the CPU.

    Attributes:
        job: as submitted.
        adv: (C, H, W) the kept iterate, in [0, 1].
        clean_preds, adv_preds, adv8_preds: (h, w) int64, predicted in full precision from the clean image, the kept
            iterate, and that iterate rounded to 8 bits.
        success_clean, success, success8: whether the judge holds for each of these.
        steps: updates the image went through until it ended; if a success ended it, those that led to that success.
        kept_step: updates that led to the kept iterate.
        forwards, backwards: passes spent on this image, judging and 8-bit confirmation included; only the final
            prediction of what is reported is not counted.
        success_passes: forward and backward passes spent when the first success was confirmed (with keep="score", when
            one was first seen); None: there was none.
        seconds: its share of the wall-clock time: each step's time divided by the images in it.
        zero_gradients: how many gradients were exactly zero.
        nonfinite_gradient: whether a gradient that is not finite ended it.
        at_floor: whether no step was taken because the job's start could not be improved: the judge holds for it and
            the attack stops at a success, or no score is better.
        trace: one dict per step: "step", "iou" and "pixel_acc" to the labels, "l2", "linf", "loss" and what the rule
            reports, measured at the iterate before that step's update.
        cold: what became of the same image without the job's start, if whoever submitted it has tried that, too.
    """

    job: Job
    adv: Tensor
    clean_preds: Tensor
    adv_preds: Tensor
    adv8_preds: Tensor
    success_clean: bool
    success: bool
    success8: bool
    steps: int
    kept_step: int
    forwards: int
    backwards: int
    success_passes: int | None
    seconds: float
    zero_gradients: int
    nonfinite_gradient: bool
    at_floor: bool
    trace: list[dict[str, float]]
    cold: "Finished | None" = None


@dataclass(eq=False)
class InFlight:
    """The host's side of an image in a slot.

    Attributes:
        job: as submitted.
        clean_preds: (h, w) int64, predicted from the clean image.
        success_clean: whether the judge holds for the clean image.
        seconds, trace: so far, as in `Finished`.
    """

    job: Job
    clean_preds: Tensor
    success_clean: bool
    seconds: float = 0.0
    trace: list[dict[str, float]] = field(default_factory=list)
