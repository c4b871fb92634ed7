"""Small models, images and rules with which the attack loop is tested in seconds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.attacks.asma import ASMA
from benchmark.attacks.base import Batch, Query, Rule, norms
from benchmark.engine import Criterion, Engine, Finished, Job
from benchmark.images.quantisation import EIGHT_BIT


def smooth_network(outputs: int = 2, seed: int = 0) -> nn.Sequential:
    """A float64 network whose logits move smoothly, so that attacks need several steps; in training mode."""
    generator = torch.Generator().manual_seed(seed)
    network = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.Conv2d(6, outputs, 3, padding=1)).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.5)
    return network


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


class TwoPixels(nn.Module):
    """Logits (0, w * mean over channels - b) per pixel: attacks on it can be worked out by hand."""

    def __init__(self, weight: float = 1.0, bias: float = 0.5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight, dtype=torch.float64))
        self.bias = bias

    def forward(self, images: Tensor) -> Tensor:
        score = self.weight * images.mean(1, keepdim=True) - self.bias
        return torch.cat([torch.zeros_like(score), score], dim=1)


class Limited(nn.Module):
    """A model for whose batches there is memory up to a size only."""

    def __init__(self, model: nn.Module, largest: int) -> None:
        super().__init__()
        self.model, self.largest = model, largest

    def forward(self, images: Tensor) -> Tensor:
        if len(images) > self.largest:
            raise torch.OutOfMemoryError(f"simulated: {len(images)} images")
        return self.model(images)


def random_images(count: int, size: int = 8, seed: int = 0) -> Tensor:
    """(count, 3, size, size) float64 in [0, 1], not on the 8-bit grid, so that rounding matters."""
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def mixed_jobs(model: nn.Module) -> list[Job]:
    """Six jobs of every kind: satisfied at once, nearly satisfied, far away, with and without void pixels."""
    images = random_images(6)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        logits = model(images)
    if logits.shape[1] == 1:
        logits = torch.cat([-logits, logits], dim=1)
    preds, nearest_other = logits.topk(2, dim=1).indices.unbind(1)
    jobs = []
    for i, wrong in enumerate((0, 7, 8, 10, 14, 64)):
        labels = preds[i].clone()
        labels.view(-1)[:wrong] = nearest_other[i].reshape(-1)[:wrong]
        valid = torch.rand(labels.shape, generator=generator) < 0.8 if i % 2 else None
        if valid is not None:
            labels[~valid] = 200
        jobs.append(Job(id=f"image {i}", image=images[i], labels=labels, valid=valid, truth=preds[i].clone()))
    return jobs


JUDGE = Criterion("apsr", value=0.9)
QUICK = ASMA(tau=0.01, beta=0.05)
"""Judge and rule with which some of `mixed_jobs` succeed within 15 steps."""


def run(model: nn.Module, rule: Rule, jobs: list[Job], **options: Any) -> list[Finished]:
    """What becomes of the jobs, in their order."""
    options = {"judge": JUDGE, "max_steps": 15, "slots": 4, "quantizer": EIGHT_BIT} | options
    with Engine(model, rule, **options) as engine:
        for job in jobs:
            engine.submit(job)
        finished = {image.job.id: image for image in engine.run()}
    return [finished[job.id] for job in jobs]


def assert_same(found: Finished, expected: Finished, tolerance: float = 1e-6) -> None:
    """Everything about an image agrees, apart from the time it took."""
    assert found.job.id == expected.job.id
    for part in fields(Finished):
        one, other = getattr(found, part.name), getattr(expected, part.name)
        if isinstance(one, Tensor):
            assert torch.allclose(one, other, rtol=0, atol=tolerance), part.name
        elif part.name == "trace":
            assert_same_trace(one, other, tolerance)
        elif part.name not in ("job", "seconds"):
            assert one == other, part.name


def assert_same_trace(
    found: Sequence[dict[str, float]], expected: Sequence[dict[str, float]], tolerance: float
) -> None:
    assert [list(step) for step in found] == [list(step) for step in expected]
    values = [torch.tensor([list(step.values()) for step in trace]) for trace in (found, expected)]
    assert torch.allclose(*values, rtol=tolerance, atol=tolerance, equal_nan=True)


def _towards(logits: Tensor, batch: Batch) -> Tensor:
    """Log probability of the labels, per image."""
    chosen = logits.log_softmax(1).gather(1, batch.labels.unsqueeze(1)).squeeze(1)
    return (chosen * batch.valid).flatten(1).sum(1)


@dataclass(frozen=True)
class SignSteps(Rule):
    """Signed gradient steps in a ball, from a random start, with momentum: state, seeds, budget and sense at once."""

    norm = "inf"
    eps: float | None = 0.1
    step_size: float = 0.02
    momentum: float = 0.0
    random_start: bool = True
    targeted: bool = True

    def start(self, batch: Batch) -> Tensor:
        batch.state["velocity"] = torch.zeros_like(batch.images)
        if not self.random_start:
            return batch.images
        noise = torch.stack(
            [
                torch.rand(batch.images.shape[1:], generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
                for seed in batch.seeds.tolist()
            ]
        )
        return self._project(batch.images + (2 * noise - 1).to(batch.images) * (self.eps or 0), batch)

    def step(self, batch: Batch, query: Query) -> Tensor:
        sense = 1 if self.targeted else -1
        _, gradient = query.gradient(lambda logits, points: sense * _towards(logits, batch))
        velocity = self.momentum * batch.state["velocity"] + gradient
        batch.state["velocity"] = velocity
        return self._project(batch.iterates + self.step_size * velocity.sign(), batch)

    def _project(self, points: Tensor, batch: Batch) -> Tensor:
        eps = float("inf") if self.eps is None else self.eps
        return torch.minimum(torch.maximum(points, batch.images - eps), batch.images + eps).clamp(0, 1)


@dataclass(frozen=True)
class ThreePasses(Rule):
    """Gradients averaged over three points, none of which is the iterate: the engine has to look there itself."""

    def step(self, batch: Batch, query: Query) -> Tensor:
        total = torch.zeros_like(batch.iterates)
        for shift in (-0.01, 0.005, 0.01):
            total = total + query.gradient(lambda logits, _: _towards(logits, batch), batch.iterates + shift)[1]
        size = norms(total, 2).clamp(min=1e-12).view(-1, 1, 1, 1)
        return (batch.iterates + 0.1 * total / size).clamp(0, 1)


@dataclass(frozen=True)
class Coordinates(Rule):
    """Gradient-free: keeps a change of one random pixel where it brings the labels nearer."""

    def start(self, batch: Batch) -> Tensor:
        batch.state["best"] = batch.images.new_full((len(batch.images),), -float("inf"))
        batch.state["accepted"] = batch.images
        return batch.images

    def step(self, batch: Batch, query: Query) -> Tensor:
        value = _towards(query.forward(), batch)
        better = value > batch.state["best"]
        batch.state["best"] = torch.where(better, value, batch.state["best"])
        accepted = torch.where(better.view(-1, 1, 1, 1), batch.iterates, batch.state["accepted"])
        batch.state["accepted"] = accepted
        pixels = batch.images[0, 0].numel()
        place = (batch.seeds + 7919 * batch.steps) % pixels
        spot = torch.nn.functional.one_hot(place, pixels).view(-1, 1, *batch.images.shape[2:]).to(batch.images)
        return torch.where(spot > 0, 1 - accepted, accepted)
