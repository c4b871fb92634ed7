"""Small networks with fixed weights, as factories of victim=python."""

import torch
from torch import Tensor, nn


def network(outputs: int = 2, channels: int = 3, seed: int = 0) -> nn.Module:
    """Convolutions with a batch norm, which looks at 5 x 5 pixels."""
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(channels, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, outputs, 3, padding=1)
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return model


class Bright(nn.Module):
    """Foreground where the image is bright, with one logit or two; a pixel's logit is the mean of its 3 x 3 pixels."""

    def __init__(self, outputs: int, sharpness: float = 30.0) -> None:
        super().__init__()
        self.outputs, self.sharpness = outputs, nn.Parameter(torch.tensor(sharpness))
        self.mean = nn.AvgPool2d(3, 1, 1, count_include_pad=False)

    def forward(self, images: Tensor) -> Tensor:
        z = self.sharpness * (self.mean(images.mean(1, keepdim=True)) - 0.5)
        return z if self.outputs == 1 else torch.cat([-z, z], 1)


def bright() -> nn.Module:
    return Bright(2)


def one_logit() -> nn.Module:
    return Bright(1)
