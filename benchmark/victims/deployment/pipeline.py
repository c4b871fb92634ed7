"""The pipeline in which a network is used, as the configuration describes it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from math import log
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.errors import InputError
from benchmark.label_subsets import are_subsets
from benchmark.transforms import InputTransform, input_transforms
from benchmark.victims.deployment.input_transforms import in_front
from benchmark.victims.deployment.named_steps import chosen
from benchmark.victims.deployment.postprocessing import Step, postprocess, steps
from benchmark.victims.deployment.sliding_window import WEIGHTINGS, Weighting, slide

_LARGEST = 8192  # pixels of a side


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The steps before and after a network, in the order in which they are applied; None or [] leaves a step out.

    Args:
        transform: input transforms, at the image's size; see `input_transforms.in_front`.
        resize: the working size, [height, width] or one number for both. Images are interpolated bilinearly
            (antialiased where they shrink), and logits are interpolated back to the images' size.
        window: size of the sliding window, in the same form, at the working size; see `sliding_window.slide`.
        overlap, weighting: of the windows.
        threshold: class 1 is predicted where its probability exceeds this; for two classes.
        postprocess: steps of `postprocessing`, applied to predicted maps. They do not enter gradients, but scores.

    Raises:
        InputError: a step that does not exist, or a value that cannot be used.
    """

    transform: Sequence[Any] | None = None
    resize: int | Sequence[int] | None = None
    window: int | Sequence[int] | None = None
    overlap: float | None = None
    weighting: Weighting | None = None
    threshold: float | None = None
    postprocess: Sequence[Any] | None = None

    def __post_init__(self) -> None:
        # Computed here, so that a step that cannot be made is reported at the start.
        _ = self._transforms, self._steps, self._working_size, self._window_size
        if self.overlap is not None and not 0 <= self.overlap < 1:
            raise InputError(f"victim.overlap={self.overlap}: must be at least 0 and below 1")
        if self.weighting is not None and self.weighting not in WEIGHTINGS:
            raise InputError(f"victim.weighting={self.weighting!r}: must be {' or '.join(WEIGHTINGS)}")
        if self.threshold is not None and not 0 < self.threshold < 1:
            raise InputError(f"victim.threshold={self.threshold}: is a probability, above 0 and below 1")

    @cached_property
    def _transforms(self) -> list[InputTransform]:
        return chosen(self.transform or [], input_transforms(), "victim.transform")

    @cached_property
    def _steps(self) -> list[Step]:
        return chosen(self.postprocess or [], steps(), "victim.postprocess")

    @cached_property
    def _working_size(self) -> tuple[int, int] | None:
        return _size(self.resize, "victim.resize")

    @cached_property
    def _window_size(self) -> tuple[int, int] | None:
        return _size(self.window, "victim.window")

    @classmethod
    def of(cls, given: Any) -> Self:
        """Build from a mapping, such as that of a checkpoint. Raises InputError for an unknown key or a bad value."""
        known = {field.name for field in fields(cls)}
        if not isinstance(given, Mapping) or not given.keys() <= known:
            raise InputError(f"deployment {given!r}: is no mapping of {', '.join(sorted(known))}")
        try:
            return cls(**given)
        except TypeError as error:
            raise InputError(f"deployment {given!r}: {error}") from error

    def but(self, given: Mapping[str, Any]) -> Self:
        """A copy with these values replaced; None keeps a value, [] and 0 switch a step off."""
        return replace(self, **{name: value for name, value in given.items() if value is not None})

    def plain(self) -> dict[str, Any]:
        """The steps that are applied, as plain values; empty if there are none."""
        off: tuple[Any, ...] = (None, [], ())
        steps_on = {name: value for name, value in asdict(self).items() if value not in off}
        return {name: value for name, value in steps_on.items() if name not in ("resize", "window") or value != 0}

    def label(self) -> str:
        """The suffix of the victim's name in rows, such as "+jpeg+median+resize+window+largest_component", or ""."""
        parts = [*(f"+{one.name}" for one in self._transforms)]
        parts += [f"+{name}" for name in ("resize", "window", "threshold") if name in self.plain()]
        return "".join([*parts, *(f"+{step.name}" for step in self._steps)])

    def check_against(self, classes: int, background: int | None) -> None:
        """Raise InputError if data of these classes cannot be predicted in this way."""
        if self.threshold is not None and classes != 2 and not are_subsets(background):
            raise InputError(f"victim.threshold={self.threshold}: tells 2 classes apart, the data have {classes}")
        if self._steps and background is None:
            raise InputError("victim.postprocess: the data have no background to put in place of what is removed")

    def logits(self, network: Callable[[Tensor], Tensor], images: Tensor, sigmoids: bool = False) -> Tensor:
        """Logits (B, K, H, W) of images (B, C, H, W) in [0, 1]; `network` gives logits of the size of its images.

        Without `resize` and `window` they may be of a part of them, as `network` has it. `sigmoids`: every logit is of
        a label alone, and the threshold is for each.
        """
        size = (images.shape[-2], images.shape[-1])
        images = in_front(images, self._transforms)
        if self._working_size is not None:
            images = _interpolated(images, self._working_size)
        if self._window_size is None:
            logits = network(images)
        else:
            overlap = 0.5 if self.overlap is None else self.overlap
            logits = slide(network, images, self._window_size, overlap, self.weighting or "gaussian")
        if self._working_size is not None:
            logits = _interpolated(logits, size)
        return logits if self.threshold is None else _shifted(logits, self.threshold, sigmoids)

    def predictions(self, preds: Tensor, classes: int, background: int | None) -> Tensor:
        """Predicted maps (B, H, W) after post-processing."""
        if not self._steps or background is None:
            return preds
        return postprocess(preds, self._steps, classes, background)


def _size(given: Any, key: str) -> tuple[int, int] | None:
    if given is None or given == 0:
        return None
    sides = [given, given] if isinstance(given, int) else given
    pair = isinstance(sides, Sequence) and len(sides) == 2
    if not pair or not all(type(side) is int and 1 <= side <= _LARGEST for side in sides):
        raise InputError(f"{key}={given!r}: must be a number of pixels up to {_LARGEST}, or [height, width]")
    return sides[0], sides[1]


def _interpolated(images: Tensor, size: tuple[int, int]) -> Tensor:
    if images.shape[-2:] == size:
        return images
    return F.interpolate(images, size, mode="bilinear", antialias=True)


def _shifted(logits: Tensor, threshold: float, sigmoids: bool) -> Tensor:
    """Logits whose sign, or maximum, says whether class 1, or a label, has a probability above the threshold."""
    shift = log(threshold / (1 - threshold))
    if sigmoids or logits.shape[1] == 1:
        return logits - shift
    return logits - torch.tensor([0.0, shift], device=logits.device, dtype=logits.dtype).view(1, 2, 1, 1)
