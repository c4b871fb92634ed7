"""MONAI's transforms of intensities and sizes (monai.transforms), on batches of images and with gradients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Size = tuple[int, int]
InverseMode = Literal["bilinear", "nearest", "own"]


class BundleStep:
    """Changes a batch (B, C, H, W), image by image."""

    def __call__(self, images: Tensor) -> Tensor:
        """The changed images (B, C, h, w)."""
        raise NotImplementedError

    def undone(self, logits: Tensor, size: Size) -> Tensor:
        """Logits (B, K, H, W) = (B, K, *size) of images of that size, from those of the changed images."""
        return logits


@dataclass(frozen=True, kw_only=True)
class ScaleIntensity(BundleStep):
    """Each image's, or each channel's, range of values becomes minv to maxv; or values become (1 + factor) as large."""

    minv: float | None = 0.0
    maxv: float | None = 1.0
    factor: float | None = None
    channel_wise: bool = False

    def __call__(self, images: Tensor) -> Tensor:
        if self.minv is None and self.maxv is None:
            return images * (1 + (self.factor or 0))
        axes = (2, 3) if self.channel_wise else (1, 2, 3)
        low, high = images.amin(axes, keepdim=True), images.amax(axes, keepdim=True)
        flat = low == high
        scaled = (images - low) / torch.where(flat, torch.ones_like(low), high - low)
        if self.minv is not None and self.maxv is not None:
            scaled = scaled * (self.maxv - self.minv) + self.minv
        return torch.where(flat, images if self.minv is None else images * self.minv, scaled)


@dataclass(frozen=True, kw_only=True)
class ScaleIntensityRange(BundleStep):
    """Values from a_min to a_max become values from b_min to b_max."""

    a_min: float
    a_max: float
    b_min: float | None = None
    b_max: float | None = None
    clip: bool = False

    def __call__(self, images: Tensor) -> Tensor:
        images = (images - self.a_min) / (self.a_max - self.a_min)
        if self.b_min is not None and self.b_max is not None:
            images = images * (self.b_max - self.b_min) + self.b_min
        if self.clip and not (self.b_min is None and self.b_max is None):
            images = images.clamp(self.b_min, self.b_max)
        return images


@dataclass(frozen=True, kw_only=True)
class NormalizeIntensity(BundleStep):
    """Values minus subtrahend, divided by divisor; None: mean and deviation of the image or of each channel."""

    subtrahend: Any = None
    divisor: Any = None
    nonzero: bool = False
    channel_wise: bool = False

    def __call__(self, images: Tensor) -> Tensor:
        axes = (2, 3) if self.channel_wise else (1, 2, 3)
        counted = images != 0 if self.nonzero else torch.ones_like(images, dtype=torch.bool)
        count = counted.sum(axes, keepdim=True).clamp(min=1)
        mean, std = self._given(self.subtrahend, images), self._given(self.divisor, images)
        own = (images * counted).sum(axes, keepdim=True) / count
        if mean is None:
            mean = own
        if std is None:
            variance = ((images - own) ** 2 * counted).sum(axes, keepdim=True) / count
            flat = variance <= 0  # the square root has no derivative at 0
            std = torch.where(flat, torch.ones_like(variance), torch.where(flat, 1.0, variance).sqrt())
        return torch.where(counted, (images - mean) / torch.where(std == 0, torch.ones_like(std), std), images)

    def _given(self, values: Any, images: Tensor) -> Tensor | None:
        if values is None:
            return None
        given = torch.as_tensor(values, dtype=images.dtype, device=images.device)
        return given.view(1, -1, 1, 1)


@dataclass(frozen=True, kw_only=True)
class ResizeTo(BundleStep):
    """Images are interpolated to spatial_size, and logits back, by the mode `inverse`; "own": that of the images."""

    spatial_size: Any
    size_mode: str = "all"
    mode: str = "area"
    align_corners: bool | None = None
    inverse: InverseMode = "bilinear"

    def __call__(self, images: Tensor) -> Tensor:
        size = self._size((images.shape[2], images.shape[3]))
        if size == tuple(images.shape[2:]):
            return images
        corners = self.align_corners if self.mode in ("bilinear", "bicubic") else None
        return F.interpolate(images, size, mode=self.mode, align_corners=corners)

    def undone(self, logits: Tensor, size: Size) -> Tensor:
        if logits.shape[2:] == size:
            return logits
        own = self.inverse == "own"
        corners = self.align_corners if own and self.mode in ("bilinear", "bicubic") else None
        return F.interpolate(logits, size, mode=self.mode if own else self.inverse, align_corners=corners)

    def _size(self, shape: Size) -> Size:
        if self.size_mode == "longest":
            scale = self.spatial_size / max(shape)
            return round(shape[0] * scale), round(shape[1] * scale)
        return _sides(self.spatial_size, shape)


@dataclass(frozen=True, kw_only=True)
class SpatialPad(BundleStep):
    """Smaller images are padded to spatial_size, evenly or at the end; logits are cropped."""

    spatial_size: Any
    method: str = "symmetric"
    mode: str = "constant"
    value: float = 0.0

    def __call__(self, images: Tensor) -> Tensor:
        return self._padded(images, _sides(self.spatial_size, (images.shape[2], images.shape[3])))

    def undone(self, logits: Tensor, size: Size) -> Tensor:
        top, left = (self._before(wanted - side) for wanted, side in zip(logits.shape[2:], size, strict=True))
        return logits[..., top : top + size[0], left : left + size[1]]

    def _padded(self, images: Tensor, wanted: Size) -> Tensor:
        missing = [max(0, side - length) for side, length in zip(wanted, images.shape[2:], strict=True)]
        top, left = map(self._before, missing)
        around = (left, missing[1] - left, top, missing[0] - top)
        if self.mode == "constant":
            return F.pad(images, around, value=self.value)
        return F.pad(images, around, mode={"edge": "replicate"}.get(self.mode, self.mode))

    def _before(self, total: int) -> int:
        return total // 2 if self.method == "symmetric" else 0


@dataclass(frozen=True, kw_only=True)
class DivisiblePad(SpatialPad):
    """Images are padded until their sides are multiples of k."""

    spatial_size: Any = None
    k: Sequence[int] = (1, 1)

    def __call__(self, images: Tensor) -> Tensor:
        height, width = images.shape[2:]
        across, along = self.k
        return self._padded(images, (-(-height // across) * across, -(-width // along) * along))


def _sides(wanted: Sequence[int], shape: Size) -> Size:
    """The wanted sides, where they are positive, and those of the shape elsewhere."""
    height, width = (side if side > 0 else length for side, length in zip(wanted, shape, strict=True))
    return height, width
