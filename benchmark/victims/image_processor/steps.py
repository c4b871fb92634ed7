"""The steps of an image processor for images of one size, in floating point and with a gradient."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from benchmark.images.output_window import OutputWindow
from benchmark.images.quantisation import EIGHT_BIT
from benchmark.victims.image_processor.resizing import resize

ChannelOrder = Literal["kept", "reversed first", "reversed last"]


@dataclass(frozen=True, kw_only=True)
class ProcessingSteps:
    """What a processor does with images of one size.

    Attributes:
        canvas: height and width of its output.
        box: where in the output the resized image lies; around it is padding.
        resample: the filter, by Pillow's number.
        antialias: whether it is widened where images shrink.
        whole_levels: resized images are rounded to the 256 levels of 8 bits.
        scale: what 1 in an image is before the mean is subtracted: 255 x rescale_factor.
        mean, std: one number, or one for each channel.
        channel_order: channels are reversed (RGB becomes BGR) before they are normalised, after that, or not.
        padded_last: the padding is 0 after normalisation, else before it.
        channels: of the output. Grey images get them by repetition.
        masked: the output has a pixel_mask beside it, 1 in the box and 0 in the padding.
    """

    canvas: tuple[int, int]
    box: OutputWindow
    resample: int
    antialias: bool
    whole_levels: bool
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    channel_order: ChannelOrder
    padded_last: bool
    channels: int
    masked: bool

    @property
    def padded(self) -> bool:
        """Whether there is any padding."""
        return self.canvas != (self.box.height, self.box.width)

    @property
    def resized_to(self) -> tuple[int, int]:
        """Height and width of the resized image."""
        return self.box.height, self.box.width

    def widened(self, images: Tensor) -> Tensor:
        """Grey images (B, 1, H, W) with the channels of the output."""
        return images.expand(-1, self.channels, -1, -1) if images.shape[1] == 1 else images

    def boxed(self, outputs: Tensor) -> Tensor:
        """The resized images in the library's outputs (B, C, *canvas), with their channels in the images' order."""
        inside = self.box.crop(outputs)
        return inside if self.channel_order == "kept" else inside.flip(1)

    def resized(self, images: Tensor, resized_levels: Callable[[Tensor], Tensor]) -> Tensor:
        """Images (B, C, H, W) in [0, 1] -> (B, C, h, w), the box alone.

        For 8-bit images this is the library's result, whose rounding depends on its kernels. Between 8-bit values the
        difference to the same resizing without rounding is kept, so that values change as the gradient says.

        Args:
            images: of float32 or float64.
            resized_levels: the library's resizing, uint8 (B, C, H, W) -> (B, C, h, w) on the CPU.
        """
        if tuple(images.shape[-2:]) == self.resized_to:
            return images
        if not self.whole_levels:
            return self.smoothly_resized(images)
        levels = EIGHT_BIT.to_levels(images.detach())
        exact = EIGHT_BIT.from_levels(resized_levels(levels.cpu()).to(images.device), images.dtype)
        rest = images - EIGHT_BIT.from_levels(levels, images.dtype)
        return exact + self.smoothly_resized(rest)

    def smoothly_resized(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) -> (B, C, h, w) without rounding, linear in the images."""
        return resize(images, self.resized_to, self.resample, self.antialias)

    def coloured(self, images: Tensor) -> Tensor:
        """Resized images (B, C, h, w) -> the processor's output (B, C, *canvas)."""
        if not self.padded_last:
            images = self._on_canvas(images)
        if self.channel_order == "reversed first":
            images = images.flip(1)
        mean, std = (self._per_channel(values, images) for values in (self.mean, self.std))
        # 8-bit values times 255 are whole numbers again, so that nothing is lost where images are not rescaled.
        images = (images * self.scale - mean) / std
        if self.channel_order == "reversed last":
            images = images.flip(1)
        return self._on_canvas(images) if self.padded_last else images

    def pixel_mask(self, images: Tensor) -> Tensor:
        """(B, *canvas), int64."""
        inside = self.box.inside(self.canvas).to(images.device, torch.int64)
        return inside.expand(len(images), *self.canvas)

    def _on_canvas(self, images: Tensor) -> Tensor:
        return self.box.place(images, self.canvas, fill=0.0) if self.padded else images

    def _per_channel(self, values: tuple[float, ...], images: Tensor) -> Tensor:
        return torch.tensor(values, dtype=images.dtype, device=images.device).view(1, -1, 1, 1)


def colour_values(processor: Any, *, normalised: bool) -> dict[str, Any]:
    """`scale`, `mean` and `std` of a processor of the library; without mean and std if it does not normalise."""
    scale = 255.0 * processor.rescale_factor if processor.do_rescale else 255.0
    mean, std = (processor.image_mean, processor.image_std) if normalised else (0.0, 1.0)
    as_tuple = [tuple(map(float, v)) if isinstance(v, tuple | list) else (float(v),) for v in (mean, std)]
    return {"scale": scale, "mean": as_tuple[0], "std": as_tuple[1]}
