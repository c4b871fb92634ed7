"""What nnU-Net 2 predicts for one picture, in NumPy and from its description, independent of the adapter."""

from collections.abc import Callable, Sequence
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, gaussian_filter

Array = NDArray[Any]


def network_input(picture: Array, schemes: Sequence[str], masked: Sequence[bool], flat: bool = False) -> Array:
    """The crop (C, h, w), normalised, of intensities (C, H, W).

    `flat` says that the picture has been read with a depth of one, along which no hole is closed.
    """
    found = (picture != 0).any(0)
    found = binary_fill_holes(found[None])[0] if flat else binary_fill_holes(found)
    top, bottom, left, right = box(picture)
    crop, inside = picture[:, top:bottom, left:right].astype(np.float64), found[top:bottom, left:right]
    for channel, (scheme, only_inside) in enumerate(zip(schemes, masked, strict=True)):
        values = crop[channel]
        if scheme == "ZScoreNormalization":
            of = inside if only_inside else np.ones_like(inside)
            values[of] = (values[of] - values[of].mean()) / max(values[of].std(), 1e-8)
        elif scheme == "RescaleTo01Normalization":
            crop[channel] = (values - values.min()) / max((values - values.min()).max(), 1e-8)
        elif scheme == "RGBTo01Normalization":
            crop[channel] = values / 255
        else:
            assert scheme == "NoNormalization"
    return crop


def box(picture: Array) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of what is not zero in intensities (C, H, W)."""
    rows, columns = np.nonzero((picture != 0).any(0))
    return rows.min(), rows.max() + 1, columns.min(), columns.max() + 1


def slid(network: Callable[[Array], Array], inputs: Array, patch: tuple[int, int]) -> Array:
    """Logits (K, h, w) of inputs (C, h, w) by windows of the patch's size; `network` takes one window (C, ph, pw)."""
    missing = [max(0, side - length) for side, length in zip(patch, inputs.shape[1:], strict=True)]
    around = [(total // 2, total - total // 2) for total in missing]
    padded = np.pad(inputs, [(0, 0), *around])
    peak = np.zeros(patch)
    peak[patch[0] // 2, patch[1] // 2] = 1
    weights = gaussian_filter(peak, [side / 8 for side in patch], mode="constant")
    weights /= weights.max()
    total: Any = 0
    counts = np.zeros(padded.shape[1:])
    for row in _steps(padded.shape[1], patch[0]):
        for column in _steps(padded.shape[2], patch[1]):
            place = slice(row, row + patch[0]), slice(column, column + patch[1])
            logits = network(padded[(slice(None), *place)])
            total = np.zeros((len(logits), *padded.shape[1:])) if isinstance(total, int) else total
            total[(slice(None), *place)] += logits * weights
            counts[place] += weights
    (top, _), (left, _) = around
    return (total / counts)[:, top : top + inputs.shape[1], left : left + inputs.shape[2]]


def _steps(length: int, size: int) -> list[int]:
    count = ceil((length - size) / (size / 2)) + 1
    return [round((length - size) / (count - 1) * step) for step in range(count)] if count > 1 else [0]
