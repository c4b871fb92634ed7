"""Folded and laid out differently a model computes the same; where it would not, it is left as it is."""

from collections.abc import Callable

import pytest
import torch
from tiny_models import random_images
from torch import Tensor, nn

from benchmark.folding import fast_weights, foldable
from benchmark.strided import StridedConvolution


class Net(nn.Module):
    """Two convolutions with batch norms whose statistics matter, and a way in which they are connected."""

    def __init__(self, connect: Callable[["Net", Tensor], Tensor], bias: bool = False, affine: bool = True) -> None:
        super().__init__()
        self.first, self.first_norm = nn.Conv2d(3, 4, 3, padding=1, bias=bias), nn.BatchNorm2d(4, affine=affine)
        self.last, self.last_norm = nn.Conv2d(4, 4, 3, padding=1, bias=bias), nn.BatchNorm2d(4, affine=affine)
        self.connect = connect
        generator = torch.Generator().manual_seed(0)
        for tensor in [*self.parameters(), *(b for b in self.buffers() if b.is_floating_point())]:
            tensor.data = torch.rand(tensor.shape, generator=generator) + 0.3
        self.double().eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        return self.connect(self, images)


def plain(net: Net, images: Tensor) -> Tensor:
    return net.last_norm(net.last(net.first_norm(net.first(images)).tanh()))


def used_before_the_norm(net: Net, images: Tensor) -> Tensor:
    first = net.first(images)
    return net.last_norm(net.last(net.first_norm(first).tanh())) + first


def called_twice(net: Net, images: Tensor) -> Tensor:
    once = net.first_norm(net.first(images)).tanh()
    return net.last_norm(net.last(net.last(once)))


def weight_used_elsewhere(net: Net, images: Tensor) -> Tensor:
    return plain(net, images) + net.last.weight.mean()


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(
    ("connect", "pairs"), [(plain, 2), (used_before_the_norm, 1), (called_twice, 1), (weight_used_elsewhere, 2)]
)
def test_logits_and_gradients_are_the_models_own(
    connect: Callable[[Net, Tensor], Tensor], pairs: int, bias: bool, affine: bool, channels_last: bool
) -> None:
    net, images = Net(connect, bias, affine), random_images(2)
    assert len(foldable(net, images)) == pairs
    weights = fast_weights(net, images, fold=True, channels_last=channels_last)
    leaf, other = images.clone().requires_grad_(), images.clone().requires_grad_()
    expected = net(leaf)
    with weights.in_place():
        found = net(weights.laid_out(other))
    assert torch.allclose(found, expected, rtol=1e-12, atol=1e-12)
    (gradient,), (own) = (
        torch.autograd.grad(found.square().sum(), other),
        torch.autograd.grad(expected.square().sum(), leaf)[0],
    )
    assert torch.allclose(gradient, own, rtol=1e-10, atol=1e-10)


def test_nothing_of_the_model_changes() -> None:
    net = Net(plain)
    before = {name: (id(tensor), tensor.clone()) for name, tensor in net.state_dict(keep_vars=True).items()}
    weights = fast_weights(net, random_images(2), fold=True, channels_last=True)
    with pytest.raises(ZeroDivisionError, match="inside"), weights.in_place():
        raise ZeroDivisionError("inside")
    after = net.state_dict(keep_vars=True)
    assert after.keys() == before.keys()
    assert all(id(after[name]) == number and torch.equal(after[name], own) for name, (number, own) in before.items())
    assert "forward" not in net.first_norm.__dict__


def test_the_norms_are_passed_over_inside() -> None:
    net = Net(plain)
    weights = fast_weights(net, random_images(2), fold=True, channels_last=False)
    values = torch.rand(1, 4, 2, 2).double()
    with weights.in_place():
        assert net.first_norm(values) is values
    assert net.first_norm(values) is not values


@pytest.mark.parametrize("why", ["training", "hook", "subclass", "no statistics"])
def test_norms_that_are_more_than_norms_stay(why: str) -> None:
    net = Net(plain)
    if why == "training":
        net.last_norm.train()
    elif why == "hook":
        net.last_norm.register_forward_hook(lambda module, given, output: output * 2)
    elif why == "subclass":
        net.last_norm.__class__ = type("Own", (nn.BatchNorm2d,), {})
    else:
        net.last_norm = nn.BatchNorm2d(4, track_running_stats=False).double().eval()
    assert [convolution for convolution, _ in foldable(net, random_images(2))] == [net.first]


def test_a_model_that_cannot_take_channels_last_gets_none() -> None:
    def views(net: Net, images: Tensor) -> Tensor:
        features = net.first_norm(net.first(images))
        return net.last_norm(net.last(features.view(len(features), -1).view(features.shape)))

    weights = fast_weights(Net(views), random_images(2), fold=True, channels_last=True)
    assert not weights.channels_last


def test_a_strided_first_layer_has_the_gradient_of_the_model() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 4, 7, stride=2, padding=3), nn.BatchNorm2d(4), nn.Tanh(), nn.Upsample(scale_factor=2)
    )
    net = net.double().eval().requires_grad_(False)
    net[1].running_mean += 0.3
    images = random_images(2)
    weights = fast_weights(net, images, fold=True, channels_last=True)
    leaf, other = images.clone().requires_grad_(), images.clone().requires_grad_()
    expected = net(leaf)
    with weights.in_place():
        assert isinstance(net[0].forward, StridedConvolution)
        found = net(weights.laid_out(other))
    assert not isinstance(net[0].forward, StridedConvolution)
    assert torch.allclose(found, expected)
    gradients = [torch.autograd.grad(o.square().sum(), i)[0] for o, i in ((expected, leaf), (found, other))]
    assert torch.allclose(*gradients)


def test_without_folding_it_stays_as_it_is() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 7, stride=2, padding=3)).double().requires_grad_(False)
    weights = fast_weights(net, random_images(1), fold=False, channels_last=True)
    with weights.in_place():
        assert "forward" not in net[0].__dict__
