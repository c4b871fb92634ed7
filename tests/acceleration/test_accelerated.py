"""With what stands in for its own a model computes the same; where it would not, it is left as it is."""

from collections import Counter
from collections.abc import Callable

import pytest
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.acceleration.accelerated import AcceleratedModel, accelerated
from benchmark.acceleration.batchnorm_folding import foldable
from benchmark.acceleration.convolution import Convolution
from benchmark.acceleration.strided_convolution import StridedConvolution
from benchmark.acceleration.upsample_convolution import FusedUpsampleConv
from tests.tiny_models import Net, plain, random_images


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
    made = accelerated(net, images, fold=True, channels_last=channels_last)
    leaf, other = images.clone().requires_grad_(), images.clone().requires_grad_()
    expected = net(leaf)
    with made.in_place():
        found = net(made.laid_out(other))
    assert torch.allclose(found, expected, rtol=1e-12, atol=1e-12)
    (gradient,), (own) = (
        torch.autograd.grad(found.square().sum(), other),
        torch.autograd.grad(expected.square().sum(), leaf)[0],
    )
    assert torch.allclose(gradient, own, rtol=1e-10, atol=1e-10)


def test_nothing_of_the_model_changes() -> None:
    net = Net(plain)
    before = {name: (id(tensor), tensor.clone()) for name, tensor in net.state_dict(keep_vars=True).items()}
    made = accelerated(net, random_images(2), fold=True, channels_last=True)
    with pytest.raises(ZeroDivisionError, match="inside"), made.in_place():
        raise ZeroDivisionError("inside")
    after = net.state_dict(keep_vars=True)
    assert after.keys() == before.keys()
    assert all(id(after[name]) == number and torch.equal(after[name], own) for name, (number, own) in before.items())
    assert "forward" not in net.first_norm.__dict__


def test_the_norms_are_passed_over_inside() -> None:
    net = Net(plain)
    made = accelerated(net, random_images(2), fold=True, channels_last=False)
    values = torch.rand(1, 4, 2, 2).double()
    with made.in_place():
        assert net.first_norm(values) is values
    assert net.first_norm(values) is not values


def test_a_model_that_cannot_take_channels_last_gets_none() -> None:
    def views(net: Net, images: Tensor) -> Tensor:
        features = net.first_norm(net.first(images))
        return net.last_norm(net.last(features.view(len(features), -1).view(features.shape)))

    made = accelerated(Net(views), random_images(2), fold=True, channels_last=True)
    assert not made.channels_last


def test_a_strided_first_layer_has_the_gradient_of_the_model() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 4, 7, stride=2, padding=3), nn.BatchNorm2d(4), nn.Tanh(), nn.Upsample(scale_factor=2)
    )
    net = net.double().eval().requires_grad_(False)
    net[1].running_mean += 0.3
    images = random_images(2)
    made = accelerated(net, images, fold=True, channels_last=True)
    leaf, other = images.clone().requires_grad_(), images.clone().requires_grad_()
    expected = net(leaf)
    with made.in_place():
        assert isinstance(net[0].forward, StridedConvolution)
        found = net(made.laid_out(other))
    assert not isinstance(net[0].forward, StridedConvolution)
    assert torch.allclose(found, expected)
    gradients = [torch.autograd.grad(o.square().sum(), i)[0] for o, i in ((expected, leaf), (found, other))]
    assert torch.allclose(*gradients)


def test_without_folding_it_stays_as_it_is() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 7, stride=2, padding=3)).double().requires_grad_(False)
    made = accelerated(net, random_images(1), fold=False, channels_last=True)
    with made.in_place():
        assert "forward" not in net[0].__dict__


def same_gradients(model: nn.Module, images: Tensor, made: AcceleratedModel) -> None:
    """With the stand-ins, logits and input gradients (B, C, H, W) are those of the model, float64, but for rounding."""
    leaf, other = images.clone().requires_grad_(), images.clone().requires_grad_()
    expected = model(leaf)
    with made.in_place():
        found = model(made.laid_out(other))
    assert torch.allclose(found, expected, rtol=1e-10, atol=1e-10)
    gradients = [torch.autograd.grad(o.square().sum(), i)[0] for o, i in ((expected, leaf), (found, other))]
    assert gradients[0].abs().max() > 0
    assert torch.allclose(*gradients, rtol=1e-8, atol=1e-8 * float(gradients[0].abs().max()))


def trained(model: nn.Module) -> nn.Module:
    """The same in float64, with statistics and weights that are nothing special."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if "running" in name or tensor.ndim == 1:
            tensor.data = torch.rand(tensor.shape, generator=generator) + 0.5
    return model.double().eval().requires_grad_(False)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(
    ("name", "size", "blocks"),
    [("Unet", 64, 5), ("UnetPlusPlus", 32, 11), ("MAnet", 64, 1), ("DeepLabV3Plus", 64, 0), ("FPN", 64, 0)],
)
def test_networks_of_the_library(name: str, size: int, blocks: int, channels_last: bool) -> None:
    torch.manual_seed(0)
    model = trained(getattr(smp, name)("resnet18", encoder_weights=None, classes=2))
    images = random_images(2, size)
    made = accelerated(model, images, fold=True, channels_last=channels_last)
    with made.in_place():
        kinds = Counter(type(module.__dict__.get("forward")) for module in model.modules())
    assert (kinds[FusedUpsampleConv], kinds[StridedConvolution]) == (blocks, 1)
    assert kinds[Convolution] > 10
    same_gradients(model, images, made)


def test_the_layout_is_kept_where_a_network_loses_it() -> None:
    class Pooled(nn.Module):
        """Joins features to their mean, which has one pixel and so no layout, as DeepLab does."""

        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Conv2d(3, 4, 1), nn.Conv2d(8, 4, 1)

        def forward(self, images: Tensor) -> Tensor:
            features = self.first(images)
            mean = F.interpolate(features.mean((2, 3), keepdim=True), size=features.shape[2:], mode="bilinear")
            return self.last(torch.cat([features, mean], 1))

    model, images = Pooled().requires_grad_(False), random_images(2).float()
    made = accelerated(model, images, fold=True, channels_last=True)
    with made.in_place():
        assert model(made.laid_out(images)).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", ["Unet", "DeepLabV3Plus"])
def test_weights_are_rounded_once_for_passes_in_reduced_precision(name: str) -> None:
    torch.manual_seed(0)
    model = trained(getattr(smp, name)("resnet18", encoder_weights=None, classes=2)).float()
    images = random_images(2, 64).float()
    made = accelerated(model, images, fold=True, channels_last=True, dtype=torch.bfloat16)
    expected = model(images)
    leaf = images.clone().requires_grad_()
    with made.in_place(), torch.autocast("cpu", torch.bfloat16):
        methods = [module.__dict__.get("forward") for module in model.modules()]
        found = model(made.laid_out(leaf))
    weights = [method._weight.dtype for method in methods if isinstance(method, Convolution | StridedConvolution)]
    assert set(weights) == {torch.bfloat16}
    assert (found.float() - expected).abs().max() < 0.05 * expected.abs().max()
    (gradient,) = torch.autograd.grad(found.float().sum(), leaf)
    (own,) = torch.autograd.grad(model(leaf).sum(), leaf)
    assert gradient.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(gradient.flatten(), own.flatten(), 0) > 0.95
