"""Several attacks over the same images and targets."""

from dataclasses import astuple, replace

import pytest
import torch

from benchmark.attacks.asma import ASMA
from benchmark.attacks.pgd import PGD
from benchmark.criterion import Criterion
from benchmark.engine.jobs import Job
from benchmark.engine.model import AttackedModel
from benchmark.errors import InputError
from benchmark.evaluation.case import make_case, split_of
from benchmark.evaluation.plan import Attack
from benchmark.evaluation.session import Session
from benchmark.images.label_maps import VOID
from benchmark.images.quantisation import EIGHT_BIT
from benchmark.targets import OtherImage


def _session(plan, victim, data, watch=None) -> Session:
    return Session(plan, victim, split_of(data, "test"), quantizer=EIGHT_BIT, watch=watch)


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
    plan.target.prepare(split_of(data, "test"))
    case = make_case(item, plan.target)
    job = Job(id=case.id, image=case.image, labels=case.target + 5, valid=case.valid, truth=case.truth)
    with pytest.raises(InputError, match="labels from 5 to 6, but the model has classes 0 to 1"):
        job.check_against(torch.zeros(2, 16, 16))


def test_pixels_without_a_target_do_not_count(victim, data, plan) -> None:
    item = data.test_dataloader().dataset[0]
    void = torch.zeros(16, 16, dtype=torch.bool)
    void[:8] = True
    other = (1 - item["mask"]).masked_fill(void, VOID)
    split = split_of(data, "test")._replace(masks=lambda _: other)
    plan.target.prepare(split)
    case = make_case(item, plan.target)
    assert torch.equal(case.target_valid, ~void)
    assert torch.equal(case.valid, item["valid"])
    assert not case.target[void].any()
    with Session(plan, victim, split, quantizer=EIGHT_BIT) as session:
        session.submit(item)
        for _, finished, _ in session.run(drain=True):
            assert torch.equal(finished.job.valid, ~void)


def test_labels_without_a_class_are_found_on_every_image(victim, data, plan) -> None:
    items = [data.test_dataloader().dataset[i] for i in range(2)]
    masks = {image_id: data.mask(image_id) for image_id in data.test_ids()}
    split = split_of(data, "test")._replace(masks=masks.__getitem__)
    plan.target.prepare(split)
    wrong = make_case(items[1], plan.target).target_name
    masks[wrong.removeprefix("other_image:")] = torch.full((16, 16), 2)
    with (
        Session(plan, victim, split, quantizer=EIGHT_BIT) as session,
        pytest.raises(InputError, match=f"image {items[1]['id']}: labels from 2 to 2"),
    ):
        session.check(items)


def _predicting(victim, maps: dict[float, torch.Tensor]) -> None:
    """Let the victim see, in an image whose first value is the key, the map."""

    def forward(images: torch.Tensor) -> torch.Tensor:
        seen = torch.stack([maps[round(value, 6)] for value in images[:, 0, 0, 0].tolist()]).to(images)
        return torch.stack([0.5 - seen, seen - 0.5], 1) + 0 * images.sum()

    victim.forward = forward


def test_a_target_too_close_to_what_the_victim_sees_is_drawn_again(victim, data, plan) -> None:
    item = data.test_dataloader().dataset[0]
    split = split_of(data, "test")
    plan.target.prepare(split)
    first, second = list(plan.target.draws(item["id"], item["mask"], item["valid"]))[:2]
    _predicting(victim, {round(float(item["image"][0, 0, 0]), 6): first.mask})
    plan = replace(plan, attacks={"one": Attack(ASMA(), max_steps=0)})
    with Session(plan, victim, split, quantizer=EIGHT_BIT) as session:
        session.submit(item)
        ((_, finished, case),) = session.run(drain=True)
    assert torch.equal(finished.clean_preds, first.mask)
    assert (case.target_name, case.target_draw, case.target_draws) == (second.name, 2, 2)
    assert torch.equal(case.target, second.mask)
    assert not case.target_too_close
    # The clean image and the first iterate, which is that once more; what chose the target is nobody's bill.
    assert finished.forwards == 1 + 1
    row = {"target_draw": 2, "target_draws": 2, "target_too_close": False}
    again = make_case(item, plan.target, row=row)
    assert all(torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other
               for one, other in zip(astuple(again), astuple(case), strict=True))  # fmt: skip


def test_without_a_limit_nothing_is_predicted_for_a_target(victim, data, plan, monkeypatch) -> None:
    plan = replace(plan, target=OtherImage(0, max_iou=None))
    with Session(plan, victim, split_of(data, "test"), quantizer=EIGHT_BIT) as session:
        monkeypatch.setattr(AttackedModel, "__call__", None)
        session.submit(data.test_dataloader().dataset[0])


def test_a_resumed_image_keeps_its_target(victim, data, plan) -> None:
    """Even if the victim now predicts another map of the clean image."""
    item = data.test_dataloader().dataset[0]
    row = {"target_draw": 3, "target_draws": 4, "target_too_close": True}
    with Session(plan, victim, split_of(data, "test"), quantizer=EIGHT_BIT, done={("one", item["id"]): row}) as session:
        session.submit(item)
        ((name, _, case),) = session.run(drain=True)
    assert name == "two"
    assert (case.target_draw, case.target_draws, case.target_too_close) == (3, 4, True)
    assert case.target_name == list(plan.target.draws(item["id"], item["mask"], item["valid"]))[2].name


def test_targets_that_are_all_their_own_masks_are_refused(victim, data, plan) -> None:
    items = [data.test_dataloader().dataset[i] for i in range(5)]
    same = [item | {"mask": items[0]["mask"]} for item in items]
    split = split_of(data, "test")._replace(masks=lambda _: items[0]["mask"])
    with (
        Session(plan, victim, split, quantizer=EIGHT_BIT) as session,
        pytest.raises(InputError, match="target=other_image: the target of every image is its own mask"),
    ):
        session.check(same)
    with Session(plan, victim, split, quantizer=EIGHT_BIT) as session:
        session.check([*same, items[1]])
    untargeted = {"free": Attack(PGD(targeted=False))}
    judge = Criterion("iou", "truth", "<=", 0.1)
    with Session(replace(plan, attacks=untargeted, judge=judge), victim, split, quantizer=EIGHT_BIT) as session:
        session.check(same)
