"""Several attacks over the same images and targets."""

import pytest
import torch

from benchmark.callbacks.session import Session, make_case
from benchmark.data.source import VOID
from benchmark.errors import InputError
from benchmark.jobs import Job


def _session(plan, victim, data, watch=None) -> Session:
    return Session(plan, victim, data.test_ids(), data.mask, data.background, watch)


def test_every_attack_sees_the_same_case(plan, victim, data) -> None:
    dataset = data.test_dataloader().dataset
    cases: dict[str, list] = {"one": [], "two": []}
    watched = set()
    with _session(plan, victim, data, lambda name, _: watched.add(name)) as session:
        for index in range(5):
            session.submit(dataset[index])
        for name, _, case in session.run(drain=True):
            cases[name].append(case)
    assert watched == {"one", "two"}
    assert {case.id for case in cases["one"]} == set(data.test_ids())
    assert {id(case) for case in cases["one"]} == {id(case) for case in cases["two"]}
    for case in cases["one"]:
        other = case.target_name.removeprefix("other_image:")
        assert other != case.id
        assert torch.equal(case.target, data.mask(other))
        assert torch.equal(case.truth, data.mask(case.id))


def test_undrained_it_works_until_no_image_waits(plan, victim, data) -> None:
    dataset = data.test_dataloader().dataset
    with _session(plan, victim, data) as session:
        for index in range(5):
            session.submit(dataset[index])
        early = list(session.run(drain=False))
        assert [engine.waiting for engine in session.engines.values()] == [0, 0]
        rest = list(session.run(drain=True))
    assert len(early) + len(rest) == 10
    assert rest


def test_check_refuses_what_submit_would(plan, victim, data, monkeypatch: pytest.MonkeyPatch) -> None:
    item = data.test_dataloader().dataset[0]
    with _session(plan, victim, data) as session:
        session.check([item])
        with pytest.raises(InputError, match=r"image test_00000: values from .* give images in \[0,1\]"):
            session.check([item, item | {"image": item["image"] * 255}])
        with pytest.raises(InputError, match="image test_00000: holds NaN or infinite values"):
            session.check([item, item | {"image": item["image"] * torch.nan}])
        assert list(session.run(drain=True)) == []


def test_check_refuses_logits_that_are_not_finite(plan, victim, data) -> None:
    with torch.no_grad():
        victim.network[0].weight[0, 0, 0, 0] = torch.nan
    item = data.test_dataloader().dataset[0]
    with (
        _session(plan, victim, data) as session,
        pytest.raises(InputError, match="image test_00000: the model's logits are not finite"),
    ):
        session.check([item])


def test_labels_out_of_range_are_refused(plan, victim, data) -> None:
    item = data.test_dataloader().dataset[0]
    plan.target.prepare(data.test_ids())
    case = make_case(item, plan.target, data.mask)
    job = Job(case.id, case.image, case.target + 5, case.valid, case.truth)
    with pytest.raises(InputError, match="labels from 5 to 6, but the model has classes 0 to 1"):
        job.check_against(torch.zeros(2, 16, 16))


def test_where_the_target_says_nothing_nothing_is_asked(victim, data, plan) -> None:
    item = data.test_dataloader().dataset[0]
    void = torch.zeros(16, 16, dtype=torch.bool)
    void[:8] = True
    other = (1 - item["mask"]).masked_fill(void, VOID)
    plan.target.prepare(data.test_ids())
    case = make_case(item, plan.target, lambda _: other)
    assert torch.equal(case.target_valid, ~void)
    assert torch.equal(case.valid, item["valid"])
    assert not case.target[void].any()
    with Session(plan, victim, data.test_ids(), lambda _: other, 0) as session:
        session.submit(item)
        for _, finished, _ in session.run(drain=True):
            assert torch.equal(finished.job.valid, ~void)


def test_labels_without_a_class_are_found_on_every_image(victim, data, plan) -> None:
    items = [data.test_dataloader().dataset[i] for i in range(2)]
    masks = {image_id: data.mask(image_id) for image_id in data.test_ids()}
    plan.target.prepare(data.test_ids())
    wrong = plan.target.draw(items[1]["id"], items[1]["mask"], items[1]["valid"], masks.__getitem__).name
    masks[wrong.removeprefix("other_image:")] = torch.full((16, 16), 2)
    with (
        Session(plan, victim, data.test_ids(), masks.__getitem__, 0) as session,
        pytest.raises(InputError, match=f"image {items[1]['id']}: labels from 2 to 2"),
    ):
        session.check(items)
