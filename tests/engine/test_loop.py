"""What a run promises for any rule: counts, ends, one image's troubles are its own."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmark.attacks.base import Batch, Query, Rule
from benchmark.engine import Engine, Job
from benchmark.errors import InputError
from benchmark.images.quantisation import EIGHT_BIT
from tests.tiny_models import QUICK, Coordinates, SignSteps, ThreePasses, mixed_jobs, random_images, run, smooth_network


@pytest.mark.parametrize("max_steps", [0, 1, 2, 7])
@pytest.mark.parametrize("keep", ["best", "last"])
def test_max_steps_counts_updates(max_steps: int, keep: str) -> None:
    rule = SignSteps(eps=None, step_size=1e-3, random_start=False)
    network = smooth_network()
    (image,) = run(network, rule, mixed_jobs(network)[5:], max_steps=max_steps, keep=keep)
    assert (image.steps, image.backwards, image.forwards) == (max_steps, max_steps, 1 + max_steps + 1)
    assert len(image.trace) == max_steps
    assert [step["step"] for step in image.trace] == list(range(max_steps))
    if keep == "last":
        assert image.kept_step == max_steps
        largest = (image.adv - image.job.image).abs().max().item()
        assert largest == pytest.approx(1e-3 * max_steps, rel=0.5)


def test_the_last_iterate_without_stopping_is_the_last() -> None:
    network = smooth_network()
    jobs = mixed_jobs(network)
    for image in run(network, QUICK, jobs, stop=False, keep="last"):
        assert (image.steps, image.kept_step, len(image.trace)) == (15, 15, 15)


def test_passes_are_counted_for_rules_that_ask_for_many_none_or_elsewhere() -> None:
    network = smooth_network()
    for rule, forwards, backwards in ((QUICK, 1, 1), (ThreePasses(), 4, 3), (Coordinates(), 1, 0)):
        (image,) = run(network, rule, mixed_jobs(network)[5:])
        assert not image.success
        assert (image.forwards, image.backwards) == (1 + 15 * forwards + 1, 15 * backwards)


def test_random_starts_follow_id_seed_and_name_only() -> None:
    network = smooth_network()
    (job,) = mixed_jobs(network)[5:]
    rule = SignSteps(step_size=0.0)

    def start(**options: Any) -> Tensor:
        return run(network, rule, [options.pop("job", job)], max_steps=0, keep="last", **options)[0].adv

    assert torch.equal(start(), start())
    for other in (start(seed=1), start(name="other"), start(job=replace(job, id="other"))):
        assert not torch.equal(start(), other)


def test_zero_gradients_are_counted() -> None:
    class Flat(SignSteps):
        def step(self, batch: Batch, query: Query) -> Tensor:
            query.gradient(lambda logits, points: 0 * logits.flatten(1).sum(1))
            return super().step(batch, query)

    network = smooth_network()
    (image,) = run(network, Flat(), mixed_jobs(network)[5:])
    assert (image.zero_gradients, image.backwards, image.nonfinite_gradient) == (15, 30, False)


@dataclass(frozen=True)
class Poisoned(SignSteps):
    """The gradient of one image is not finite from a step on."""

    eps: float | None = 0.3
    random_start: bool = False
    victim: int = 0
    at: int = 4

    def step(self, batch: Batch, query: Query) -> Tensor:
        ill = (batch.seeds == self.victim) & (batch.steps >= self.at)
        query.gradient(lambda logits, points: torch.where(ill, float("nan"), 1.0) * points.flatten(1).sum(1))
        return super().step(batch, query)


@pytest.mark.parametrize("keep", ["best", "last"])
@pytest.mark.parametrize("sync_every", [1, 3])
def test_a_gradient_that_is_not_finite_ends_only_its_image(keep: str, sync_every: int) -> None:
    from benchmark.attacks.base import image_seed

    network = smooth_network()
    jobs = mixed_jobs(network)[3:]
    options = {"name": "p", "keep": keep, "sync_every": sync_every}
    rule = Poisoned(victim=image_seed(0, "p", jobs[2].id))
    ill = run(network, rule, jobs, **options)
    well = run(network, replace(rule, victim=-1), jobs, **options)
    assert [image.nonfinite_gradient for image in ill] == [False, False, True]
    assert (ill[2].steps, len(ill[2].trace)) == (4, 5)
    best = max(range(5), key=lambda step: (ill[2].trace[step]["pixel_acc"], step > 0, -step))
    assert ill[2].kept_step == (4 if keep == "last" else best)
    assert ill[2].adv.isfinite().all()
    for one, other in zip(ill[:2], well[:2], strict=True):
        assert torch.equal(one.adv, other.adv)
        assert one.trace == other.trace


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda batch: batch.iterates[:1], r"Answer returned torch.float64 of shape \(1, 3, 8, 8\)"),
        (lambda batch: batch.iterates.float(), r"Answer returned torch.float32"),
    ],
)
def test_points_of_another_shape_or_type_are_refused(answer: Callable[[Batch], Tensor], message: str) -> None:
    class Answer(Rule):
        def step(self, batch: Batch, query: Query) -> Tensor:
            return answer(batch)

    network = smooth_network()
    with pytest.raises(ValueError, match=message):
        run(network, Answer(), mixed_jobs(network)[2:])


def test_a_loss_over_the_batch_is_refused() -> None:
    class Mean(Rule):
        def step(self, batch: Batch, query: Query) -> Tensor:
            return query.gradient(lambda logits, _: logits.mean())[1]

    network = smooth_network()
    with pytest.raises(ValueError, match="give one loss per image"):
        run(network, Mean(), mixed_jobs(network)[2:])


def test_nothing_is_lost_when_the_caller_stops_listening() -> None:
    network = smooth_network()
    with Engine(network, QUICK, quantizer=EIGHT_BIT, max_steps=0, slots=6) as engine:
        for job in mixed_jobs(network):
            engine.submit(job)
        first = next(engine.run())
        rest = [image.job.id for image in engine.run()]
    assert sorted([first.job.id, *rest]) == [f"image {i}" for i in range(6)]


def test_images_of_two_sizes_are_refused() -> None:
    network = smooth_network()
    jobs = [
        Job(id=str(size), image=random_images(1, size)[0], labels=torch.zeros(size, size).long()) for size in (8, 9)
    ]
    with pytest.raises(InputError, match=r"different shapes in one attack: \[\(3, 8, 8\), \(3, 9, 9\)\]"):
        run(network, QUICK, jobs)
