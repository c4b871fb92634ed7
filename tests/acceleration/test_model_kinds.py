"""Models of every kind compute the same in their faster copy, or are used themselves."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.acceleration.accelerated import AcceleratedModel
from tests.acceleration.same_gradients import assert_same_gradients
from tests.tiny_models import Net, plain, random_images


class Shared(nn.Module):
    """One module under two names, in a plain list too, and called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Net(plain)
        self.again = self.net.first
        self.steps = [self.net.first, self.net.first_norm]

    def forward(self, images: Tensor) -> Tensor:
        for step in self.steps:
            images = step(images)
        return self.net.last_norm(self.net.last(images.tanh()))


class Tied(nn.Module):
    """Two layers with one weight, and that weight under another name."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
        self.second.weight = self.first.weight
        self.alias = self.first.weight
        self.norm = nn.BatchNorm2d(3)

    def forward(self, images: Tensor) -> Tensor:
        return self.norm(self.second(self.first(images).tanh())) + self.alias.mean()


class Attributes(nn.Module):
    """Reads its layers, holds tensors and functions as plain attributes, and has what victims have."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.window = Net(plain), (2, 6)
        self.mean = torch.full((1, 3, 1, 1), 0.4).double()
        self.prepare = lambda images: images - self.mean

    def postprocess(self, preds: Tensor) -> Tensor:
        return preds

    def forward(self, images: Tensor) -> Tensor:
        channels = self.net.first.out_channels
        return self.net(self.prepare(images))[:, :channels]


def _hooked() -> nn.Module:
    net = Net(plain)
    net.first.register_forward_hook(lambda module, inputs, output: output * 2)
    net.last.register_forward_pre_hook(lambda module, inputs: (inputs[0] + 1,))
    net.last_norm.register_full_backward_hook(lambda module, inputs, outputs: (inputs[0] * 2,))
    return net


def _other_forward() -> nn.Module:
    net = Net(plain)
    net.first.forward = lambda images: F.conv2d(images, net.first.weight, None, padding=1) * 2  # type: ignore[method-assign]
    return net


def _old_weight_norm() -> nn.Module:
    net = Net(plain)
    torch.nn.utils.weight_norm(net.first)
    return net


def _weight_norm() -> nn.Module:
    net = Net(plain)
    torch.nn.utils.parametrizations.weight_norm(net.first)
    torch.nn.utils.parametrizations.spectral_norm(net.last)
    return net


class KeepsFeatures(nn.Module):
    """Keeps the features of its last pass, as networks do whose features are looked at later."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.features, self.logits = Net(plain), [torch.zeros(0)], torch.zeros(0)

    def forward(self, images: Tensor) -> Tensor:
        self.features = [self.net.first(images)]
        self.logits = self.net(images)
        return self.logits + self.features[0].mean()


class Uncopyable(nn.Module):
    """Holds what cannot be copied, as an open connection to a device would be."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.lock = Net(plain), threading.Lock()

    def forward(self, images: Tensor) -> Tensor:
        with self.lock:
            return self.net(images)


class CopiesTensors(nn.Module):
    """A `__deepcopy__` of its own, by which parameters are copied."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Net(plain)

    def __deepcopy__(self, memo: dict[int, Any]) -> "CopiesTensors":
        copied = CopiesTensors()
        copied.load_state_dict(self.state_dict())
        return copied

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        *(Shared, Tied, Attributes, KeepsFeatures, Uncopyable, CopiesTensors),
        *(_hooked, _other_forward, _old_weight_norm, _weight_norm),
    ],
)
def test_models_of_every_kind_compute_the_same(make: Callable[[], nn.Module], channels_last: bool) -> None:
    torch.manual_seed(0)
    model = make().double().eval().requires_grad_(False)
    images = random_images(2)
    made = AcceleratedModel(model, images, fold=True, channels_last=channels_last)
    assert_same_gradients(model, images, made)
    assert_same_gradients(model, images, made)
    for tensor in [*model.parameters()]:
        tensor.mul_(1.5)
    if not made.is_current():
        made = AcceleratedModel(model, images, fold=True, channels_last=channels_last)
    assert_same_gradients(model, images, made)


def test_a_model_that_keeps_its_features_is_copied() -> None:
    model, images = KeepsFeatures().double().eval(), random_images(2)
    model(images)
    assert AcceleratedModel(model, images, fold=True, channels_last=True).module is not model


@pytest.mark.parametrize("make", [Uncopyable, CopiesTensors])
def test_a_model_that_cannot_be_copied_with_its_tensors_is_used_itself(make: Callable[[], nn.Module]) -> None:
    model = make()
    assert AcceleratedModel(model, random_images(2), fold=True, channels_last=True).module is model


@pytest.mark.parametrize(("make", "folded"), [(Shared, 2), (Tied, 1)])
def test_a_replaced_module_is_replaced_wherever_the_model_refers_to_it(
    make: Callable[[], nn.Module], folded: int
) -> None:
    made = AcceleratedModel(
        make().double().eval().requires_grad_(False), random_images(2), fold=True, channels_last=True
    )
    assert sum(isinstance(module, nn.Identity) for module in made.module.modules()) == folded
    assert not any(isinstance(module, nn.Conv2d) for module in made.module.modules())
