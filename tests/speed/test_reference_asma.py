"""The baseline is the published algorithm: its steps are those of the independent implementation in tests/golden."""

import itertools
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

from benchmark.speed.reference_asma import foreground_iou, run, steps_of, steps_until
from tests.tiny_models import random_images, smooth_network

GOLDEN = Path(__file__).parents[1] / "golden" / "asma_published.safetensors"


def test_its_steps_are_the_published_ones() -> None:
    with safe_open(GOLDEN, "pt") as file:
        settings = file.metadata()
        golden = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    network = nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1), nn.Tanh(), nn.Conv2d(8, 8, 3, padding=2, dilation=2), nn.Tanh()),
        nn.Conv2d(8, 2, 1),
    ).double()
    network.load_state_dict({n.removeprefix("model."): t for n, t in golden.items() if n.startswith("model.")})
    tau, beta, steps = float(settings["tau"]), float(settings["beta"]), int(settings["iters"])
    for place, (image, target) in enumerate(zip(golden["images"], golden["targets"], strict=True)):
        taken = list(itertools.islice(steps_of(network, image[None], target[None], tau, beta), steps))
        measured = [
            [step.iou, (step.preds == target).double().mean(), *_norms(step.unclamped - image)] for step in taken
        ]
        assert torch.allclose(torch.tensor(measured).double(), golden["trajectory"][place].double(), rtol=0, atol=1e-9)
        assert torch.allclose(taken[-1].adv[0], golden["adv"][place], rtol=0, atol=1e-6)


def _norms(delta: torch.Tensor) -> list[float]:
    return [delta.norm().item(), delta.abs().max().item()]


def test_the_gradients_go_into_the_parameters() -> None:
    network = smooth_network()
    assert run(network, random_images(2), torch.ones(2, 8, 8).long(), tau=0.01, beta=0.05, steps=[1, 3]) == 4
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_the_oracle_stops_at_the_first_iterate_that_will_do() -> None:
    network, image = smooth_network(seed=1), random_images(1)
    with torch.no_grad():  # what another image near it is taken for, so that it can be reached
        near = image + 0.2 * torch.sin(torch.arange(192)).view(1, 3, 8, 8)
        target = network(near.clamp(0, 1)).argmax(1)
    steps, adv = steps_until(network, image, target, tau=0.01, beta=0.05, iou=0.9, max_steps=50)
    reached = []
    for iterate in itertools.islice(steps_of(network, image, target, 0.01, 0.05), steps):
        with torch.no_grad():
            reached.append(foreground_iou(network(iterate.adv).argmax(1), target) >= 0.9)
    assert 1 < steps < 50
    assert reached == [False] * (steps - 1) + [True]
    assert torch.equal(adv, iterate.adv)
    assert steps_until(network, image, target, tau=0, beta=0, iou=1.0, max_steps=3)[0] == 3


@pytest.mark.parametrize(("preds", "target", "expected"), [([1, 1], [1, 0], 0.5), ([0, 0], [0, 0], 1), ([0], [2], 0)])
def test_iou_of_the_foreground(preds: list[int], target: list[int], expected: float) -> None:
    assert foreground_iou(torch.tensor(preds), torch.tensor(target)) == expected
