"""A shape that has nothing to do with the image."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from benchmark.label_subsets import are_subsets
from benchmark.targets.base import Split, TargetMap, TargetWithBackground, generator, require
from benchmark.targets.one_label import one_label

Form = Literal["disc", "square"]

PLACES = 20


@dataclass(eq=False)
class Shape(TargetWithBackground):
    """A disc or a square on background, in the middle of the image; further draws, up to 20, are at random places.

    The name of a map has the place of the centre, from the left and from the top, relative to the image.

    Args:
        form: "disc" or "square".
        area: its share of the image.
        label: its class, by name or number; None: the first that is not background. Of labels that overlap all others
            stay as they are.
        seed: of the places.
    """

    kind: ClassVar[str] = "shape"

    form: Form = "disc"
    area: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.form in get_args(Form), f"form={self.form!r}: must be {' or '.join(get_args(Form))}")
        require(0 < self.area <= 0.5, f"area={self.area}: must be above 0 and at most .5, a share of the image")

    def about_one(self, split: Split) -> bool:
        return self.label is not None and are_subsets(split.background)

    def prepare(self, split: Split) -> None:
        super().prepare(split)
        if self.label is None or self.about_one(split):
            self._label = int(self.background == 0)
        else:
            self._label = one_label(self.label, split.names, split.background).index

    def draws(self, image_id: str, truth: Tensor, valid: Tensor) -> Iterator[TargetMap]:
        random = generator(self.seed, self.kind, image_id)
        height, width = truth.shape
        half = math.sqrt(self.area * height * width / (math.pi if self.form == "disc" else 4))
        # The shape lies inside the image if it fits.
        room_right, room_down = max(0.0, 0.5 - half / width), max(0.0, 0.5 - half / height)
        for place in range(PLACES):
            right, down = (0.0, 0.0) if place == 0 else (random.uniform(-1, 1), random.uniform(-1, 1))
            centre = (0.5 + right * room_right, 0.5 + down * room_down)
            name = f"{self.kind}:{self.form}@{centre[0]:.3f},{centre[1]:.3f}"
            yield TargetMap(self._map(truth, centre, half), name)

    def _map(self, truth: Tensor, centre: tuple[float, float], half: float) -> Tensor:
        """The map (H, W): its centre relative to the image, its radius or half its side in pixels."""
        height, width = truth.shape
        right = (torch.arange(width, dtype=torch.float64) + 0.5 - centre[0] * width).abs()[None, :]
        down = (torch.arange(height, dtype=torch.float64) + 0.5 - centre[1] * height).abs()[:, None]
        inside = right.square() + down.square() < half**2 if self.form == "disc" else torch.maximum(right, down) < half
        return torch.full_like(truth, self.background).masked_fill(inside, self._label)
