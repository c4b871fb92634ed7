"""Convolutions without their idle taps are the same convolutions."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from benchmark.acceleration.convolution import Convolution, idle_taps, suits


@given(
    length=st.integers(1, 20),
    taps=st.integers(1, 5),
    stride=st.integers(1, 3),
    padding=st.integers(0, 20),
    dilation=st.integers(1, 12),
)
@settings(deadline=None, max_examples=300)
def test_what_is_left_out_meets_padding_only(length: int, taps: int, stride: int, padding: int, dilation: int) -> None:
    if length + 2 * padding < dilation * (taps - 1) + 1:
        return
    margin = idle_taps(length, taps, stride, padding, dilation)
    outputs = (length + 2 * padding - dilation * (taps - 1) - 1) // stride + 1
    met = [{i * stride + t * dilation - padding for i in range(outputs)} & {*range(length)} for t in range(taps)]
    assert not any(met[:margin])
    assert not any(met[taps - margin :])
    assert padding >= margin * dilation


@pytest.mark.parametrize(
    ("length", "dilation", "expected"),
    # DeepLab's, of features of an eighth or a sixteenth: those of dilation 12 see their neighbours from 13 pixels on.
    [(8, 12, 1), (12, 12, 1), (13, 12, 0), (32, 36, 1), (37, 36, 0), (1, 1, 1), (2, 1, 0)],
)
def test_three_taps_around_each_pixel(length: int, dilation: int, expected: int) -> None:
    assert idle_taps(length, 3, 1, dilation, dilation) == expected


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("sides", [(5, 5), (5, 9), (9, 5), (9, 9)])
@pytest.mark.parametrize(
    "options",
    [
        {"padding": 6, "dilation": 6},
        {"padding": 6, "dilation": 6, "groups": 4, "bias": False},
        {"padding": (6, 1), "dilation": (6, 1), "stride": (1, 2)},
        {"padding": 7, "dilation": 6},
        {"padding": 12, "dilation": 6, "kernel_size": 5},
        {"padding": 1},
    ],
)
def test_output_and_gradient(options: dict, sides: tuple[int, int], channels_last: bool) -> None:
    torch.manual_seed(0)
    module = nn.Conv2d(4, 8, **{"kernel_size": 3, **options}).double().requires_grad_(False)
    features = torch.randn(2, 4, *sides).double().requires_grad_()
    other = features.detach().clone().requires_grad_()
    expected = module(features)
    found = Convolution(module, module.weight, module.bias, channels_last=channels_last)(other)
    assert torch.allclose(found, expected, rtol=0, atol=1e-12)
    upstream = torch.randn_like(expected)
    (gradient,), (own,) = torch.autograd.grad(expected, features, upstream), torch.autograd.grad(found, other, upstream)
    assert torch.allclose(own, gradient, rtol=0, atol=1e-12)
    if channels_last:
        assert found.is_contiguous(memory_format=torch.channels_last)


def test_idle_taps_are_not_multiplied(monkeypatch: pytest.MonkeyPatch) -> None:
    module, seen = nn.Conv2d(4, 8, 3, padding=6, dilation=6), []
    convolution, conv2d = Convolution(module, module.weight, module.bias, channels_last=False), F.conv2d

    def watched(features: Tensor, weight: Tensor, *rest: Any) -> Tensor:
        seen.append(weight)
        return conv2d(features, weight, *rest)

    monkeypatch.setattr(F, "conv2d", watched)
    for side in (5, 5, 7):
        convolution(torch.rand(1, 4, side, side))
    assert [tuple(weight.shape[2:]) for weight in seen] == [(1, 1), (1, 1), (3, 3)]
    assert seen[0] is seen[1]
    assert torch.equal(seen[2], module.weight)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (nn.Conv2d(3, 8, 3, padding=1), True),
        (nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8, stride=2), True),
        (nn.Conv2d(3, 8, 3, padding="same"), False),
        (nn.Conv2d(3, 8, 3, padding=1, padding_mode="circular"), False),
        (nn.ConvTranspose2d(3, 8, 3), False),
    ],
)
def test_what_it_is_for(module: nn.Module, expected: bool) -> None:
    assert suits(module) == expected
