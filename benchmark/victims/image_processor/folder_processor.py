"""An image processor of transformers as differentiable steps, compared with the library's for every size of images."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import torch
from torch import Tensor

from benchmark.errors import InputError, first_line
from benchmark.images.output_window import OutputWindow
from benchmark.images.quantisation import EIGHT_BIT
from benchmark.victims.image_processor.keys import AS_IT_IS
from benchmark.victims.image_processor.resizing import LANCZOS
from benchmark.victims.image_processor.steps import ChannelOrder, ProcessingSteps, colour_values

_TOLERANCE = 1e-4
_LEVELS = 2.0  # of 255: what rounding in the library's kernels makes of a resized image, at most
_TRIED = ((64, 64), (72, 56))  # height and width of the images that are compared when a folder is loaded

Key = tuple[int, int, int]


class FolderProcessor:
    """Does with tensors in [0, 1] what the library's processor does with 8-bit pictures, with a gradient.

    For each size of images, what the library makes of a few pictures of its own shows where the image lies in the
    output, and which of the steps the class takes. The outputs have to agree to 1e-4, or the folder is refused.
    """

    def __init__(self, processor: Any, where: str) -> None:
        """Take the library's `processor`; `where` names it in messages. Raises InputError as `check` does."""
        self._processor, self._where = processor, where
        self._steps: dict[Key, ProcessingSteps] = {}

    def __deepcopy__(self, memo: Any) -> "FolderProcessor":
        """The processor itself: it never changes, and what is known of a size is known to every copy of a network."""
        return self

    def check(self, channels: int) -> int:
        """Compare with the library for images of some sizes; the number of channels that the network gets.

        Raises:
            InputError: none of them is processed alike. What depends on the size is found when images of a size come.
        """
        found, errors = [], []
        for height, width in _TRIED:
            try:
                found.append(self.steps(channels, height, width))
            except InputError as error:
                errors.append(error)
        if not found:
            raise errors[0]
        return found[0].channels

    def __call__(self, images: Tensor) -> tuple[Tensor, ProcessingSteps]:
        """Images (B, C, H, W) in [0, 1] -> what the network gets, (B, C, h, w), and how it came about.

        Raises:
            InputError: the library's processor makes something else of images of this size.
        """
        steps = self.steps(*images.shape[-3:])
        exact = steps.widened(images if images.dtype == torch.float64 else images.float())
        resized = steps.resized(exact, lambda levels: steps.boxed(self._levels(levels)))
        return steps.coloured(resized).to(images.dtype), steps

    def steps(self, channels: int, height: int, width: int) -> ProcessingSteps:
        """The steps for images of this size, compared with the library. Raises InputError if they differ."""
        key = (channels, height, width)
        if key not in self._steps:
            self._steps[key] = self._found(*key)
        return self._steps[key]

    def _found(self, *shape: int) -> ProcessingSteps:
        probes = _probes(shape)
        output = self._library(probes[:1])
        wanted = output["pixel_values"].float()
        if not bool(wanted.isfinite().all()):
            raise self._refusal("its output is not finite", shape)
        limit = _TOLERANCE * max(1.0, float(wanted.abs().max()) / 100)  # float32 has 7 digits
        levels = self._levels(probes)
        smallest = float("inf")
        for steps in self._candidates(levels[2:], wanted, "pixel_mask" in output):
            picture, even = (_of_levels(one, steps) for one in probes[:2].split(1))
            found, found_even = steps.boxed(levels[:2]).split(1)
            unrounded = steps.smoothly_resized(even) * 255
            if float((unrounded - found_even).abs().max()) > _LEVELS:
                continue
            made = steps.coloured(steps.resized(picture, partial(_same, found)))
            smallest = min(smallest, float((made - wanted).abs().max()))
            if smallest <= limit:
                return steps
        if smallest < float("inf"):
            raise self._refusal(f"its output differs by {smallest:.2g}", shape)
        if self._processor.do_center_crop or getattr(self._processor, "crop_pct", None):
            raise self._refusal(
                "it cuts out a part (do_center_crop, crop_size), so that other pixels would have no logits; "
                "do_center_crop: false shows the network whole images",
                shape,
            )
        raise self._refusal("where it puts the image is not known here", shape)

    def _candidates(self, white: Tensor, wanted: Tensor, masked: bool) -> Iterator[ProcessingSteps]:
        """What the processor may do, the likeliest first; `white` is its output for a white image, in levels."""
        shown = (white == 255).all(1)[0]
        rows, columns = (shown.any(axis).nonzero().flatten().tolist() for axis in (1, 0))
        if not rows:
            return
        resample = self._processor.resample
        first = ProcessingSteps(
            canvas=(wanted.shape[-2], wanted.shape[-1]),
            box=OutputWindow(rows[0], columns[0], len(rows), len(columns)),
            resample=2 if resample is None else int(resample),
            antialias=True,
            whole_levels=True,
            **colour_values(self._processor, normalised=bool(self._processor.do_normalize)),
            channel_order="kept",
            padded_last=True,
            channels=wanted.shape[1],
            masked=masked,
        )
        orders: tuple[ChannelOrder, ...] = ("kept", "reversed first", "reversed last")
        plain = colour_values(self._processor, normalised=False)
        likeliest = (True, False)
        widened = likeliest if first.resample != LANCZOS else (True,)  # torchvision has no other
        for antialias, whole, order, last in product(widened, likeliest, orders, likeliest):
            steps = replace(first, antialias=antialias, whole_levels=whole, channel_order=order, padded_last=last)
            yield steps
            if self._processor.do_normalize:  # some classes do not, whatever it says
                yield replace(steps, **plain)

    def _levels(self, levels: Tensor) -> Tensor:
        """The library's output in levels of 8 bits: neither rescaled nor normalised."""
        return self._library(levels, do_rescale=False, do_normalize=False)["pixel_values"]

    def _library(self, levels: Tensor, **changes: bool) -> Any:
        shape = tuple(levels.shape[1:])
        try:
            with torch.no_grad():
                output = self._processor(
                    images=list(levels), return_tensors="pt", input_data_format="channels_first", **changes
                )
        except Exception as error:  # the library raises errors of many types
            raise self._refusal(f"the library's own processor fails ({first_line(error)})", shape) from error
        values = output["pixel_values"]
        if not isinstance(values, Tensor) or values.ndim != 4 or len(values) != len(levels):
            raise self._refusal("it makes other than one input of one image (do_split_image)", shape)
        return output

    def _refusal(self, what: str, shape: tuple[int, ...]) -> InputError:
        channels, height, width = shape
        other = "other data (data.size, data.channels=3)" if channels == 1 else "data of another size"
        return InputError(
            f"{self._where}: for images of {height} x {width} with {channels} channels, {what}; "
            f"correct it, give {other}, or {AS_IT_IS}"
        )


def _probes(shape: tuple[int, ...]) -> Tensor:
    """Noise, noise that stays away from black and white, and a white image: (3, *shape), uint8.

    In noise every shift by a pixel shows. Kernels that overshoot, such as bicubic ones, cut at black and white.
    """
    generator = torch.Generator().manual_seed(0)
    full = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    even = torch.randint(96, 160, shape, generator=generator, dtype=torch.uint8)
    return torch.stack([full, even, torch.full_like(full, 255)])


def _of_levels(levels: Tensor, steps: ProcessingSteps) -> Tensor:
    return steps.widened(EIGHT_BIT.from_levels(levels, torch.float32))


def _same(found: Tensor, _levels: Tensor) -> Tensor:
    return found
