"""Enlarging and convolving at once is the same as one after the other."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoderBlock
from segmentation_models_pytorch.decoders.unetplusplus.decoder import DecoderBlock
from torch import nn

from benchmark.acceleration.upsample_convolution import FusedUpsampleConv, enlarging, first_convolution


def test_weights_of_one_pixel_are_added_up() -> None:
    weight = torch.arange(1.0, 10.0).view(1, 1, 3, 3)
    # Row by row of the enlarged features 1 | 2 2 | 3 taps meet: 0 or 1 twice, then others; worked out on paper.
    rows = torch.tensor([[0, 0, 1.0], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
    assert torch.equal(enlarging(weight)[0, 0], rows @ weight[0, 0] @ rows.T)


@pytest.mark.parametrize("sides", [(1, 1), (3, 5), (4, 4)])
def test_a_transposed_convolution_of_these_does_both(sides: tuple[int, int]) -> None:
    torch.manual_seed(0)
    features, weight = torch.randn(2, 3, *sides).double(), torch.randn(4, 3, 3, 3).double()
    expected = F.conv2d(F.interpolate(features, scale_factor=2.0, mode="nearest"), weight, padding=1)
    found = F.conv_transpose2d(features, enlarging(weight), stride=2, padding=1)
    assert torch.allclose(found, expected, rtol=0, atol=1e-12)


def _block(**options: Any) -> nn.Module:
    torch.manual_seed(0)
    block = UnetDecoderBlock(3, 2, 4, **options).double().eval().requires_grad_(False)
    return block


def _fused(block: nn.Module, channels_last: bool = False) -> FusedUpsampleConv:
    first = first_convolution(block)
    assert first is not None
    return FusedUpsampleConv(block, first.weight, first.bias, channels_last=channels_last)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("size", [(8, 10), (9, 10), (4, 5)])
def test_a_block_of_a_unet(size: tuple[int, int], joined: bool, channels_last: bool) -> None:
    """Twice the size is done at once, any other by the block."""
    block = _block() if joined else UnetDecoderBlock(3, 0, 4).double().eval().requires_grad_(False)
    features = torch.randn(2, 3, 4, 5).double().requires_grad_()
    skip = torch.randn(2, 2, *size).double() if joined else None
    other = features.detach().clone().requires_grad_()
    expected = block(features, *size, skip_connection=skip)
    found = _fused(block, channels_last)(other, *size, skip_connection=skip)
    assert torch.allclose(found, expected, rtol=0, atol=1e-12)
    gradients = [torch.autograd.grad(o.square().sum(), i)[0] for o, i in ((expected, features), (found, other))]
    assert torch.allclose(*gradients, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "why", ["bilinear", "attention", "hook", "other convolution", "reflected padding", "no block", "empty"]
)
def test_other_blocks_are_left_alone(why: str) -> None:
    block: nn.Module = _block(
        **{"bilinear": {"interpolation_mode": "bilinear"}, "attention": {"attention_type": "scse"}}.get(why, {})
    )
    if why == "hook":
        block.conv1.register_forward_hook(lambda module, given, output: output * 2)  # type: ignore[union-attr, operator]
    elif why == "other convolution":
        block.conv1[0] = nn.Conv2d(5, 4, 5, padding=2)  # type: ignore[index, operator]
    elif why == "reflected padding":
        block.conv1[0].padding_mode = "reflect"  # type: ignore[index, union-attr]
    elif why == "no block":
        block = nn.Sequential(block)
    elif why == "empty":
        block = DecoderBlock(3, 2, 0)
    assert first_convolution(block) is None


def test_features_that_are_no_block_of_memory() -> None:
    block = UnetDecoderBlock(3, 0, 4).double().eval().requires_grad_(False)
    features = torch.rand(4, 5, 2, 3).double().permute(2, 3, 0, 1)
    found = _fused(block)(features, 8, 10)
    assert torch.allclose(found, block(features, 8, 10))
