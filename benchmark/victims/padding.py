"""How an image is padded to a size that a network takes, and which part of that the network's output shows."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.errors import InputError
from benchmark.images.output_window import InputFrame, OutputWindow


@dataclass(frozen=True)
class Padding:
    """The sizes that a network takes: multiples of `stride`, and at least `input_size` pixels (0: any)."""

    stride: int
    input_size: int = 0

    def frame(self, network: nn.Module, height: int, width: int) -> InputFrame:
        """Where an image H × W lies in the padded input of the network, and which part of that the output shows.

        The image is padded evenly up to `input_size`, then at the bottom and right to multiples of the stride; an image
        that has been padded is not padded again. The output has the input's size, unless the network has a method
        `output_size(H, W)` that returns another (h, w): then it shows the centre of the input.

        Raises:
            InputError: the network takes no input of that size, or its output is not centred in its input.
        """
        missing = [max(self.input_size - side, 0) for side in (height, width)]
        (top, bottom), (left, right) = ((total // 2, total - total // 2) for total in missing)
        bottom += -(height + missing[0]) % self.stride
        right += -(width + missing[1]) % self.stride
        inputs = (height + top + bottom, width + left + right)
        output_size = getattr(network, "output_size", None)
        outputs = inputs if output_size is None else output_size(*inputs)
        margins = [side - shown for side, shown in zip(inputs, outputs, strict=True)]
        if any(margin < 0 or margin % 2 for margin in margins):
            raise InputError(f"the victim's network has an output {outputs} that is no centre of its input {inputs}")
        return InputFrame((left, right, top, bottom), OutputWindow(margins[0] // 2, margins[1] // 2, *outputs))


def pad(images: Tensor, frame: InputFrame) -> Tensor:
    """Images (..., C, H, W) padded as the frame says, by repeating their border; unchanged where nothing is added."""
    return F.pad(images, frame.padding, mode="replicate") if any(frame.padding) else images
