"""The faster copy computes what the model computes; where it would not, the model itself is used."""

from collections import Counter
from collections.abc import Callable

import pytest
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.acceleration.accelerated import AcceleratedModel
from benchmark.acceleration.batchnorm_folding import foldable
from benchmark.acceleration.convolution import Convolution
from benchmark.acceleration.strided_convolution import StridedConvolution
from benchmark.acceleration.upsample_convolution import FusedUpsampleConv
from tests.acceleration.same_gradients import assert_same_gradients
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
    assert_same_gradients(net, images, AcceleratedModel(net, images, fold=True, channels_last=channels_last))


def test_nothing_of_the_model_changes() -> None:
    net = Net(plain)
    before = {name: (id(tensor), tensor.clone()) for name, tensor in net.state_dict(keep_vars=True).items()}
    modules = list(net.modules())
    made = AcceleratedModel(net, random_images(2), fold=True, channels_last=True)
    made(random_images(2))
    after = net.state_dict(keep_vars=True)
    assert after.keys() == before.keys()
    assert all(id(after[name]) == number and torch.equal(after[name], own) for name, (number, own) in before.items())
    assert list(net.modules()) == modules
    assert made.module is not net


def test_a_folded_norm_does_nothing_in_the_copy() -> None:
    made = AcceleratedModel(Net(plain), random_images(2), fold=True, channels_last=False)
    values = torch.rand(1, 4, 2, 2).double()
    assert made.module.first_norm(values) is values


def test_the_copy_shares_what_is_not_replaced() -> None:
    model = nn.Sequential(Net(plain), nn.GroupNorm(2, 4), nn.BatchNorm2d(4), nn.ConvTranspose2d(4, 2, 2))
    model = model.double().eval().requires_grad_(False)
    images = random_images(2)
    made = AcceleratedModel(model, images, fold=True, channels_last=True)
    shared = {id(tensor) for tensor in made.module.state_dict(keep_vars=True).values()}
    for module in model[1:]:
        assert {id(tensor) for tensor in module.state_dict(keep_vars=True).values()} <= shared
    model[3].weight.mul_(2)
    assert made.is_current()
    assert_same_gradients(model, images, made)


@pytest.mark.parametrize("how", ["in place", "data", "statistics", "parameter"])
def test_a_copy_is_out_of_date_when_a_weight_it_was_computed_from_has_changed(how: str) -> None:
    net = Net(plain)
    made = AcceleratedModel(net, random_images(2), fold=True, channels_last=True)
    assert made.is_current()
    if how == "in place":
        net.first.weight.mul_(2)
    elif how == "data":
        net.first.weight.data = net.first.weight * 2
    elif how == "statistics":
        net.last_norm.running_mean += 1
    else:
        net.last.weight = nn.Parameter(net.last.weight * 2)
    assert not made.is_current()


def test_a_model_that_cannot_take_channels_last_gets_none() -> None:
    def views(net: Net, images: Tensor) -> Tensor:
        features = net.first_norm(net.first(images))
        return net.last_norm(net.last(features.view(len(features), -1).view(features.shape)))

    net, images = Net(views), random_images(2)
    made = AcceleratedModel(net, images, fold=True, channels_last=True)
    assert not made.channels_last
    assert made.module is net


def test_a_strided_first_layer_has_the_gradient_of_the_model() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 4, 7, stride=2, padding=3), nn.BatchNorm2d(4), nn.Tanh(), nn.Upsample(scale_factor=2)
    )
    net = net.double().eval().requires_grad_(False)
    net[1].running_mean += 0.3
    images = random_images(2)
    made = AcceleratedModel(net, images, fold=True, channels_last=True)
    assert isinstance(made.module[0], StridedConvolution)
    assert_same_gradients(net, images, made)


def test_without_folding_no_layer_is_replaced() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 7, stride=2, padding=3)).double().requires_grad_(False)
    made = AcceleratedModel(net, random_images(1), fold=False, channels_last=True)
    assert type(made.module[0]) is nn.Conv2d
    assert made.module[0].weight.is_contiguous(memory_format=torch.channels_last)


def trained(model: nn.Module) -> nn.Module:
    """The same in float64, with statistics and weights that are nothing special."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if "running" in name or tensor.ndim == 1:
            tensor.data = torch.rand(tensor.shape, generator=generator) + 0.5
    return model.double().eval().requires_grad_(False)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Unet", "DeepLabV3Plus"])
def test_a_compiled_copy_computes_the_same(name: str) -> None:
    torch.manual_seed(0)
    model = trained(getattr(smp, name)("resnet18", encoder_weights=None, classes=2)).float()
    images = random_images(2, 64).float()
    made = AcceleratedModel(model, images, fold=True, channels_last=True)
    compiled = torch.compile(made.module)
    leaf, other = images.clone().requires_grad_(), images.clone().requires_grad_()
    expected, logits = model(leaf), compiled(made.laid_out(other))
    assert torch.allclose(logits, expected, rtol=0, atol=1e-4 * float(expected.abs().max()))
    gradients = [torch.autograd.grad(o.sum(), i)[0] for o, i in ((expected, leaf), (logits, other))]
    assert torch.allclose(*gradients, rtol=0, atol=1e-3 * float(gradients[0].abs().max()))


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(
    ("name", "size", "blocks"),
    [("Unet", 64, 5), ("UnetPlusPlus", 32, 11), ("MAnet", 64, 1), ("DeepLabV3Plus", 64, 0), ("FPN", 64, 0)],
)
def test_networks_of_the_library(name: str, size: int, blocks: int, channels_last: bool) -> None:
    torch.manual_seed(0)
    model = trained(getattr(smp, name)("resnet18", encoder_weights=None, classes=2))
    images = random_images(2, size)
    made = AcceleratedModel(model, images, fold=True, channels_last=channels_last)
    kinds = Counter(type(module) for module in made.module.modules())
    assert (kinds[FusedUpsampleConv], kinds[StridedConvolution]) == (blocks, 1)
    assert kinds[Convolution] > 10
    assert_same_gradients(model, images, made)


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
    made = AcceleratedModel(model, images, fold=True, channels_last=True)
    assert made(images).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", ["Unet", "DeepLabV3Plus"])
def test_weights_are_rounded_once_for_passes_in_reduced_precision(name: str) -> None:
    torch.manual_seed(0)
    model = trained(getattr(smp, name)("resnet18", encoder_weights=None, classes=2)).float()
    images = random_images(2, 64).float()
    made = AcceleratedModel(model, images, fold=True, channels_last=True, dtype=torch.bfloat16)
    expected = model(images)
    leaf = images.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        logits = made(leaf)
    replaced = [module for module in made.module.modules() if isinstance(module, Convolution | StridedConvolution)]
    assert {module.weight.dtype for module in replaced} == {torch.bfloat16}
    assert (logits.float() - expected).abs().max() < 0.05 * expected.abs().max()
    (gradient,) = torch.autograd.grad(logits.float().sum(), leaf)
    (own,) = torch.autograd.grad(model(leaf).sum(), leaf)
    assert gradient.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(gradient.flatten(), own.flatten(), 0) > 0.95
