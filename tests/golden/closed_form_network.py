"""A network whose weights are a formula, hence the same on every processor and with every version of torch."""

import math

import torch
from torch import nn


def network() -> nn.Module:
    """Images (B, 3, H, W) in [0, 1] -> logits (B, 2, H, W) of skin and of a lesion, which is darker than the skin.

    Its layers are of the kinds that the engine accelerates in other precisions: batch norms behind convolutions, a
    strided convolution, an upsampling before a convolution.
    """
    # Rounded, because the last digits of a sine are not the same everywhere.
    layers = nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.Tanh()),
        *(nn.Conv2d(8, 12, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(12), nn.Tanh()),
        *(nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(12, 8, 3, padding=1, bias=False)),
        *(nn.BatchNorm2d(8), nn.Tanh(), nn.Conv2d(8, 2, 3, padding=1)),
    )
    for number, tensor in enumerate(layers.state_dict().values()):
        if tensor.is_floating_point():
            wave = [round(math.sin(1.3 * i + 0.7 * number), 3) for i in range(tensor.numel())]
            tensor.copy_(torch.tensor(wave, dtype=torch.float64).reshape(tensor.shape))
    with torch.no_grad():
        for module in layers.modules():
            if isinstance(module, nn.Conv2d):  # nearly an average
                module.weight.copy_((1 + 0.7 * module.weight) * 1.3 / module.weight[0].numel())
            elif isinstance(module, nn.BatchNorm2d):
                module.weight.copy_(1 + 0.2 * module.weight)
                module.bias.mul_(0.1)
                module.running_mean.mul_(0.1)  # type: ignore[union-attr]
                module.running_var.copy_(1 + 0.2 * module.running_var)  # type: ignore[operator]
        last = layers[-1]
        last.weight.mul_(torch.tensor([3.0, -3.0])[:, None, None, None])
        last.bias.copy_(torch.tensor([0.0, 2.3]))
    return layers
