"""A network from a file that is a program: TorchScript, torch.export or ONNX."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.errors import InputError
from benchmark.victims.network_outputs import joined
from benchmark.victims.other_files.explain import explained

Shape = tuple[int | None, int | None, int | None, int | None]
"""Batch, channels, height and width that a program takes; None where it takes any."""

ANY: Shape = (None, None, None, None)


def other_file(error: InputError, program: str, kind: str) -> InputError:
    """The error about a file that is no program of this `kind`, or one that says what else it is and how to give it."""
    found = explained(Path(program), error)
    return error if f"victim={kind} " in str(found) else found


class Program(nn.Module):
    """A program called with any number of images, whatever batch it was exported for.

    Args:
        program: the module that the file holds.
        name: of the file, for messages.
        sha256: of the file, which says what the program computes; its tensors alone do not.
        shape: of the images that it takes.
        fixed_mode: whether it can only compute what it was exported as, so that it has no mode of training.
    """

    def __init__(
        self, program: nn.Module, name: str, sha256: str, shape: Shape = ANY, fixed_mode: bool = False
    ) -> None:
        super().__init__()
        self._batch, self._channels, *self._size = shape
        self._name, self._fixed_mode = name, fixed_mode
        self.program_sha256 = sha256
        self.program = program

    def train(self, mode: bool = True) -> "Program":
        """Switch the program between training and evaluation, if it can be switched."""
        if not self._fixed_mode:
            return super().train(mode)
        self.training = mode
        return self

    def forward(self, images: Tensor) -> Any:
        """What the program returns for images (B, C, H, W), called in batches of the size it was exported for.

        Raises:
            InputError: it was exported for images of other channels or another size.
        """
        self._check(images)
        if self._batch is None:
            return self.program(images)
        missing = -len(images) % self._batch
        filled = torch.cat([images, images[-1:].expand(missing, -1, -1, -1)]) if missing else images
        return joined([self.program(part) for part in filled.split(self._batch)], len(images))

    def _check(self, images: Tensor) -> None:
        channels, *size = images.shape[1:]
        if self._channels not in (None, channels):
            raise InputError(
                f"victim.program={self._name}: was exported for images of {self._channels} channels, found {channels}; "
                f"give data.channels={self._channels}, or export it for images (B, {channels}, H, W)"
            )
        height, width = (side if fixed is None else fixed for side, fixed in zip(size, self._size, strict=True))
        if size != [height, width]:
            raise InputError(
                f"victim.program={self._name}: was exported for images of {height} x {width} (height x width), found "
                f"{size[0]} x {size[1]}; give 'data.size=[{height},{width}]', the size that images are brought to, or "
                f"'victim.resize=[{height},{width}]', which resizes only what the network sees, or export it for sizes "
                "that may vary"
            )
