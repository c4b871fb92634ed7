"""An image's result is its own: it depends neither on neighbours, nor on slots, order, looks, portions or memory."""

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmark.attacks.asma import ASMA
from benchmark.attacks.base import Batch, Query, Rule
from benchmark.engine import Criterion, Engine, Finished
from benchmark.engine.slots import Slots
from benchmark.images.quantisation import EIGHT_BIT
from tests.tiny_models import Coordinates, Limited, SignSteps, ThreePasses, assert_same, mixed_jobs, smooth_network

RULES: dict[str, Rule] = {
    "asma": ASMA(tau=0.01, beta=0.05),
    "slow": ASMA(tau=0.001, beta=0.002),
    "two passes": ASMA(tau=0.01, beta=0.05, two_pass=True),
    "momentum": SignSteps(momentum=0.9),
    "three passes": ThreePasses(),
    "no gradient": Coordinates(),
}


@pytest.fixture(autouse=True, scope="module")
def _coarse_files() -> Iterator[None]:
    """16 levels instead of 256, so that many successes fail their confirmation."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmark.images.quantisation.Quantizer.round", lambda _, points: (points * 15).round() / 15)
        yield


@dataclass(frozen=True)
class Setting:
    """What may change a result."""

    rule: str
    outputs: int
    stop: bool
    keep: str
    confirm: bool

    def engine(self, largest: int | None = None, **how: object) -> Engine:
        model = smooth_network(self.outputs)
        return Engine(
            model if largest is None else Limited(model, largest),
            RULES[self.rule],
            quantizer=EIGHT_BIT,
            judge=Criterion("apsr", value=0.9),
            max_steps=15,
            stop=self.stop,
            keep=self.keep,  # type: ignore[arg-type]
            confirm=self.confirm,
            **how,  # type: ignore[arg-type]
        )

    def jobs(self) -> list:
        return mixed_jobs(smooth_network(self.outputs))


@functools.cache
def alone(setting: Setting) -> dict[str, Finished]:
    """Each image on its own, looked at after every step."""
    finished = {}
    for job in setting.jobs():
        with setting.engine(slots=1, sync_every=1) as engine:
            engine.submit(job)
            (finished[job.id],) = engine.run()
    return finished


SETTINGS = st.builds(
    Setting,
    rule=st.sampled_from(sorted(RULES)),
    outputs=st.sampled_from([1, 2, 5]),
    stop=st.booleans(),
    keep=st.sampled_from(["best", "last"]),
    confirm=st.booleans(),
)


@pytest.mark.filterwarnings("ignore:out of memory")
@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    setting=SETTINGS,
    order=st.permutations(range(6)),
    portions=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    slots=st.integers(1, 7),
    sync_every=st.integers(1, 5),
    largest=st.none() | st.integers(1, 4),
)
def test_an_image_is_treated_as_if_it_were_alone(
    setting: Setting, order: list[int], portions: list[int], slots: int, sync_every: int, largest: int | None
) -> None:
    jobs = setting.jobs()
    chosen = [jobs[i] for i in order[: sum(portions)]]
    finished = {}
    with setting.engine(largest, slots=slots, sync_every=sync_every) as engine:
        queue = iter(chosen)
        for size in portions:
            for job in itertools.islice(queue, size):
                engine.submit(job)
            finished |= {image.job.id: image for image in engine.run(drain=False)}
            assert engine.waiting == 0
        finished |= {image.job.id: image for image in engine.run()}
    assert set(finished) == {job.id for job in chosen}
    for name, image in finished.items():
        assert_same(image, alone(setting)[name])


def test_the_cases_are_of_every_kind() -> None:
    finished = [i for rule in RULES for i in alone(Setting(rule, 5, stop=True, keep="best", confirm=True)).values()]
    assert sum(image.success_clean for image in finished) == len(RULES)
    assert any(not image.success for image in finished)
    assert any(image.success and not image.success8 for image in finished)
    assert len({image.steps for image in finished if image.success8}) > 3
    slow = alone(Setting("slow", 5, stop=True, keep="best", confirm=True)).values()
    assert any(image.success8 and image.forwards > image.backwards + 3 for image in slow), "no confirmation failed"


@pytest.mark.filterwarnings("ignore:out of memory")
@pytest.mark.parametrize("rule", sorted(RULES))
def test_memory_that_runs_out_late_in_a_step_leaves_no_half_step(monkeypatch: pytest.MonkeyPatch, rule: str) -> None:
    setting = Setting(rule, 2, stop=True, keep="best", confirm=True)
    expected = alone(setting)
    advance = Slots.advance

    def fail_when_nearly_done(self: Slots, *args: object) -> None:
        if len(self) > 2:
            raise torch.OutOfMemoryError("simulated")
        advance(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Slots, "advance", fail_when_nearly_done)
    with setting.engine(slots=5) as engine:
        for job in setting.jobs():
            engine.submit(job)
        finished = list(engine.run())
    assert len(finished) == 6
    for image in finished:
        assert_same(image, expected[image.job.id])


@pytest.mark.filterwarnings("ignore:out of memory")
@pytest.mark.parametrize("images", [9, 12])
def test_memory_that_runs_out_with_images_both_parked_and_queued(images: int) -> None:
    setting = Setting("asma", 2, stop=False, keep="best", confirm=True)
    jobs = [replace(job, id=f"{job.id} again {i}") for i in range(2) for job in setting.jobs()][:images]
    with setting.engine(3, slots=5) as engine:
        for job in jobs:
            engine.submit(job)
        finished = {image.job.id for image in engine.run()}
    assert finished == {job.id for job in jobs}


@pytest.mark.filterwarnings("ignore:out of memory")
def test_memory_that_runs_out_halves_the_slots_once_and_for_all() -> None:
    setting = Setting("asma", 2, stop=True, keep="best", confirm=True)
    active = []
    with setting.engine(3, slots=6, watch=lambda step: active.append(len(step["ids"]))) as engine:
        for job in setting.jobs():
            engine.submit(job)
        list(engine.run())
        assert engine.slots == 2
    assert max(active) == 2


def test_without_memory_for_one_image_the_error_is_the_devices() -> None:
    setting = Setting("asma", 2, stop=True, keep="best", confirm=True)
    with setting.engine(0) as engine:
        engine.submit(setting.jobs()[1])
        with pytest.raises(torch.OutOfMemoryError, match="simulated: 1 images"):
            next(engine.run())


class Forgetful(Rule):
    """Replaces its state before it asks for a pass that does not fit into memory."""

    def start(self, batch: Batch) -> Tensor:
        batch.state["asked"] = torch.zeros_like(batch.steps)
        return batch.images

    def step(self, batch: Batch, query: Query) -> Tensor:
        batch.state["asked"] = batch.state["asked"] + 1
        query.forward()
        batch.report["asked"] = batch.state["asked"]
        return batch.iterates


@pytest.mark.filterwarnings("ignore:out of memory")
def test_a_step_that_did_not_fit_is_taken_again_from_the_same_state() -> None:
    network = smooth_network()
    with Engine(Limited(network, 2), Forgetful(), quantizer=EIGHT_BIT, max_steps=3, slots=6) as engine:
        for job in mixed_jobs(network)[1:]:
            engine.submit(job)
        finished = list(engine.run())
    assert [[step["asked"] for step in image.trace] for image in finished] == [[1, 2, 3]] * 5
