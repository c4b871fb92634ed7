"""Clean-up of predicted maps. It enters every prediction that is judged, but no gradient.

Components are 8-connected, and what is removed becomes background.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.errors import InputError
from benchmark.label_subsets import are_subsets, label_count

Labels = NDArray[np.int64]


class Step:
    """Changes a map (H, W) of classes in place; `name` is its name in `victim.postprocess`."""

    name: ClassVar[str]

    def __call__(self, labels: Labels, label: int, background: int) -> None:
        """Change the pixels of one class, which is not the background."""
        raise NotImplementedError


@dataclass(frozen=True)
class LargestComponent(Step):
    """Only the largest component of each class stays; of equally large ones the first, row by row."""

    name = "largest_component"

    def __call__(self, labels: Labels, label: int, background: int) -> None:
        parts, sizes = _components(labels == label)
        if len(sizes) > 1:
            labels[(parts > 0) & (parts != 1 + int(sizes.argmax()))] = background


@dataclass(frozen=True)
class RemoveSmall(Step):
    """Components of fewer than `pixels` pixels, at least 1, are removed."""

    name = "remove_small"
    pixels: int = 16

    def __post_init__(self) -> None:
        if not self.pixels >= 1:
            raise InputError(f"victim.postprocess: remove_small: pixels={self.pixels}: must be at least 1")

    def __call__(self, labels: Labels, label: int, background: int) -> None:
        parts, sizes = _components(labels == label)
        small = np.concatenate([[False], sizes < self.pixels])
        labels[small[parts]] = background


@dataclass(frozen=True)
class FillHoles(Step):
    """Background that a class surrounds becomes that class; other classes in there stay."""

    name = "fill_holes"

    def __call__(self, labels: Labels, label: int, background: int) -> None:
        from scipy.ndimage import binary_fill_holes

        filled = binary_fill_holes(labels == label)
        labels[filled & (labels == background)] = label


def steps() -> dict[str, type[Step]]:
    """The classes of all steps, by name."""
    return {kind.name: kind for kind in Step.__subclasses__()}


def postprocess(preds: Tensor, chosen: list[Step], classes: int, background: int) -> Tensor:
    """The maps (B, H, W) of classes after the chosen steps, each for one class after the other; int64.

    Classes that are subsets of labels are taken apart, and each label is changed as if there were no other.
    """
    if are_subsets(background):
        labels_of = ((preds >> label & 1, label) for label in range(label_count(classes)))
        return sum((postprocess(one, chosen, 2, 0) << label for one, label in labels_of), torch.zeros_like(preds))
    maps = preds.cpu().numpy().copy()
    for labels in maps:
        for step in chosen:
            for label in range(classes):
                if label != background and (labels == label).any():
                    step(labels, label, background)
    return torch.from_numpy(maps).to(preds.device)


def _components(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Each pixel's component from 1, 0 outside, and the components' sizes."""
    from scipy.ndimage import label

    parts, count = label(mask, structure=np.ones((3, 3)))
    return parts, np.bincount(parts.ravel(), minlength=count + 1)[1:]
