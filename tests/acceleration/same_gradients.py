"""What every replacement of a model must do: give its logits and its input gradients."""

import torch
from torch import Tensor, nn

from benchmark.acceleration.accelerated import AcceleratedModel


def assert_same_gradients(model: nn.Module, images: Tensor, made: AcceleratedModel) -> None:
    """Logits and input gradients (B, C, H, W) are those of the model, float64, but for rounding."""
    leaf, other = images.clone().requires_grad_(), images.clone().requires_grad_()
    expected, logits = model(leaf), made(other)
    assert torch.allclose(logits, expected, rtol=1e-10, atol=1e-10)
    gradients = [torch.autograd.grad(o.square().sum(), i)[0] for o, i in ((expected, leaf), (logits, other))]
    assert gradients[0].abs().max() > 0
    assert torch.allclose(*gradients, rtol=1e-8, atol=1e-8 * float(gradients[0].abs().max()))
