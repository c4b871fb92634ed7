"""Splits of small random masks: rectangles of several classes, some images empty, some alike, with void patches."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmark.images.label_maps import VOID
from benchmark.targets import Split


class RandomSplit(NamedTuple):
    """masks: id -> (H, W), `VOID` where void; classes, background: of the data."""

    masks: dict[str, Tensor]
    classes: int
    background: int

    def split(self, order: list[str] | None = None) -> Split:
        return Split(order or list(self.masks), self.masks.__getitem__, self.background)

    def item(self, image_id: str) -> tuple[str, Tensor, Tensor]:
        """Id, truth and valid as a data set has them."""
        mask = self.masks[image_id]
        return image_id, mask.masked_fill(mask == VOID, 0), mask != VOID

    def prediction(self, image_id: str, seed: int) -> Tensor:
        """Sometimes near the truth, sometimes near another image's mask, sometimes neither."""
        random = np.random.default_rng([seed, 1])
        source = str(random.choice([image_id, *self.masks]))
        mask = self.masks[source].masked_fill(self.masks[source] == VOID, self.background)
        noise = torch.from_numpy(random.random(mask.shape) < random.choice([0, 0.05, 0.5]))
        return torch.where(noise, torch.full_like(mask, (self.background + 1) % self.classes), mask)


def random_split(seed: int, count: int = 5) -> RandomSplit:
    random = np.random.default_rng(seed)
    classes = int(random.integers(2, 4))
    background = int(random.integers(0, classes))
    height, width = random.integers(8, 15, 2)
    masks: dict[str, Tensor] = {}
    for i in range(count):
        mask = np.full((height, width), background)
        for _ in range(random.integers(0, 4)):
            top, left = random.integers(0, (height, width))
            down, right = random.integers(1, (height, width))
            mask[top : top + down, left : left + right] = random.integers(0, classes)
        if random.random() < 0.3:
            top, left = random.integers(0, (height, width))
            mask[top : top + 2, left : left + 4] = VOID
        alike = masks and random.random() < 0.2
        masks[f"im {i}"] = masks[str(random.choice(list(masks)))] if alike else torch.from_numpy(mask)
    return RandomSplit(masks, classes, background)


def foreground_iou(one: Tensor, other: Tensor, counted: Tensor, background: int) -> float:
    """Mean IoU over the foreground classes of either map, over the counted pixels; 1 if both are empty."""
    a, b = one.numpy()[counted.numpy()], other.numpy()[counted.numpy()]
    shown = (set(a) | set(b)) - {background}
    return float(np.mean([((a == c) & (b == c)).sum() / ((a == c) | (b == c)).sum() for c in shown])) if shown else 1.0
