"""The faster gradient of a strided convolution is the convolution's own."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from benchmark.acceleration.strided_convolution import StridedConvolution, suits


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize("padding", [0, 1, 2, 3])
@pytest.mark.parametrize("sides", [(8, 8), (10, 16), (9, 8)])
def test_output_and_gradient(size: int, padding: int, sides: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(size)
    weight, bias = (torch.randn(*shape, generator=generator).double() for shape in ((5, 3, size, size), (5,)))
    images = torch.randn(2, 3, *sides, generator=generator).double().requires_grad_()
    other = images.detach().clone().requires_grad_()
    expected = F.conv2d(images, weight, bias, 2, padding)
    found = StridedConvolution(weight, bias, padding)(other)
    assert torch.equal(found, expected)
    upstream = torch.randn(expected.shape, generator=generator).double()
    (gradient,) = torch.autograd.grad(expected, images, upstream)
    (own,) = torch.autograd.grad(found, other, upstream)
    assert own.shape == gradient.shape
    assert torch.allclose(own, gradient, rtol=0, atol=1e-12)


def test_without_bias_and_in_bf16() -> None:
    weight, images = torch.randn(4, 3, 7, 7), torch.randn(1, 3, 16, 16, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        found = StridedConvolution(weight, None, 3)(images)
        expected = F.conv2d(images, weight, None, 2, 3)
    assert found.dtype == torch.bfloat16
    own, gradient = (torch.autograd.grad(output.float().sum(), images)[0] for output in (found, expected))
    assert own.dtype == torch.float32
    assert torch.allclose(own, gradient, atol=0.05, rtol=0.05)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (nn.Conv2d(3, 64, 7, stride=2, padding=3), True),
        (nn.Conv2d(1, 8, 3, stride=2, padding=1, bias=False), True),
        (nn.Conv2d(3, 64, 7, padding=3), False),
        (nn.Conv2d(64, 64, 3, stride=2, padding=1), False),
        (nn.Conv2d(3, 64, 3, stride=2, dilation=2), False),
        (nn.Conv2d(3, 63, 3, stride=2, groups=3), False),
        (nn.Conv2d(3, 8, 3, stride=2, padding=1, padding_mode="reflect"), False),
        (nn.Conv2d(3, 8, (3, 5), stride=2), False),
        (nn.Conv2d(3, 8, 3, stride=(2, 1)), False),
        (nn.ConvTranspose2d(3, 8, 3, stride=2), False),
    ],
)
def test_what_it_is_for(module: nn.Module, expected: bool) -> None:
    assert suits(module) == expected
