import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from benchmark.attacks.apgd import APGD
from benchmark.attacks.base import norms
from benchmark.attacks.budgeted import Budgeted
from benchmark.attacks.cospgd import CosPGD
from benchmark.attacks.fgsm import FGSM
from benchmark.attacks.mi_fgsm import MIFGSM
from benchmark.attacks.padam import PAdam
from benchmark.attacks.pgd import PGD
from benchmark.attacks.segpgd import SegPGD
from benchmark.attacks.tsallis_pgd import TsallisPGD
from benchmark.engine.model import AttackedModel
from tests.attacks.two_by_two import drive, make_batch
from tests.tiny_models import random_images, smooth_network

RULES = {
    "fgsm": FGSM(eps=0.05),
    "fgsm l2": FGSM(eps=0.3, norm=2),
    "pgd": PGD(eps=0.05),
    "pgd l2": PGD(eps=0.3, norm=2, restarts=3),
    "pgd margin": PGD(eps=0.05, loss="margin", restarts=2),
    "pgd dlr": PGD(eps=0.05, loss="dlr", random_start=False),
    "segpgd": SegPGD(eps=0.05),
    "cospgd": CosPGD(eps=0.05, step_size=0.01),
    "cospgd sigmoid": CosPGD(eps=0.3, norm=2, weights="sigmoid"),
    "padam": PAdam(eps=0.05),
    "padam cos": PAdam(eps=0.05, loss="cos"),
    "apgd": APGD(eps=0.05),
    "apgd l2": APGD(eps=0.3, norm=2),
    "apgd dlr": APGD(eps=0.05, loss="dlr"),
    "mi_fgsm": MIFGSM(eps=0.05),
    "mi_fgsm l2": MIFGSM(eps=0.3, norm=2),
    "sea mask_ce": APGD(eps=0.05, loss="mask_ce", shrinking=True),
    "sea balanced_ce": APGD(eps=0.05, loss="balanced_ce", shrinking=True),
    "sea js": APGD(eps=0.05, loss="js", shrinking=True),
    # From -2 on, pixels that are far from their target would be left aside for most of so few steps.
    "sea tsallis": TsallisPGD(eps=0.05, first_q=0),
}
STEPS = 12


def labels_for(images: Tensor, classes: int) -> Tensor:
    return torch.randint(0, classes, images[:, 0].shape, generator=torch.Generator().manual_seed(2))


def run(
    rule: Budgeted, outputs: int = 3, count: int = 3, dtype: torch.dtype = torch.float64, **options
) -> list[Tensor]:
    """Iterates on random images; one output is a one-logit head, read as the engine reads it."""
    network = AttackedModel(smooth_network(outputs).to(dtype), 64 if dtype == torch.float64 else 32)
    images = random_images(count).to(dtype)
    classes = max(outputs, 2)
    batch = make_batch(rule, images, labels_for(images, classes), classes=classes, max_steps=STEPS, **options)
    return drive(rule, network, batch, STEPS)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", RULES)
def test_every_iterate_is_in_range_and_in_its_own_budget(name: str, dtype: torch.dtype) -> None:
    rule = RULES[name]
    eps = torch.tensor([rule.eps, 0.0, 2.5 / 255], dtype=dtype)
    iterates = run(rule, dtype=dtype, eps=eps)
    images = random_images(3).to(dtype)
    wider = [2.0] * 3 + [1.5] * 4 + [1.0] * 6 if name.startswith("sea") else [1.0] * (STEPS + 1)
    for points, factor in zip(iterates, wider, strict=True):
        assert points.min() >= 0
        assert points.max() <= 1
        sizes = norms(points.double() - images.double(), rule.norm)
        assert (sizes <= factor * eps.double() + 1e-7).all()
        assert torch.equal(points[1], images[1]), "no budget, no change"
    assert not torch.equal(iterates[-1][0], images[0])


@pytest.mark.parametrize("outputs", [1, 2, 5])
@pytest.mark.parametrize("name", RULES)
def test_targeted_and_untargeted_go_opposite_ways(name: str, outputs: int) -> None:
    network = AttackedModel(smooth_network(outputs), 64)
    images = random_images(3)
    labels = labels_for(images, max(outputs, 2))
    losses = []
    for targeted in (True, False):
        end = run(replace(RULES[name], targeted=targeted), outputs)[-1]
        with torch.no_grad():
            losses.append(torch.nn.functional.cross_entropy(network(end), labels, reduction="none").flatten(1).mean(1))
    assert (losses[0] < losses[1]).all()


@pytest.mark.parametrize("name", RULES)
def test_an_image_alone_is_attacked_as_in_a_batch(name: str) -> None:
    rule = RULES[name]
    together = run(rule)
    network, images = smooth_network(3), random_images(3)
    batch = make_batch(rule, images, labels_for(images, 3), classes=3, max_steps=STEPS)
    for i in range(3):
        part = replace(batch, **{n: getattr(batch, n)[i : i + 1] for n in ("images", "iterates", "labels", "valid")})
        part = replace(
            part, **{n: getattr(batch, n)[i : i + 1] for n in ("steps", "seeds", "eps", "best_norm", "done")}
        )
        part = replace(part, state={}, report={})
        part.iterates = rule.start(part)
        alone = drive(rule, network, part, STEPS)
        for one, all_of_them in zip(alone, together, strict=True):
            assert torch.allclose(one, all_of_them[i : i + 1], rtol=0, atol=1e-9)


@pytest.mark.parametrize("outputs", [1, 2, 5])
@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize("name", RULES)
def test_nothing_to_attack_gives_finite_iterates(name: str, targeted: bool, outputs: int) -> None:
    nothing = torch.zeros(3, 8, 8, dtype=torch.bool)
    iterates = run(replace(RULES[name], targeted=targeted), outputs, valid=nothing)
    assert all(points.isfinite().all() for points in iterates)


@pytest.mark.parametrize("name", RULES)
def test_no_step_waits_for_the_device(name: str) -> None:
    # On the meta device tensors have no values, so asking for one raises.
    images = random_images(2).to("meta")
    labels = torch.zeros(2, 8, 8, dtype=torch.int64, device="meta")
    # The counts are given because counting labels enters autocast, which this device has not.
    batch = make_batch(RULES[name], images, labels, classes=3, max_steps=STEPS, class_pixels=(3.0, 2.0, 1.0))
    state = dict(batch.state)
    versions = [value._version for value in state.values()]
    shapes = {points.shape for points in drive(RULES[name], smooth_network(3).to("meta"), batch, 3)}
    assert shapes == {images.shape}
    assert batch.state.keys() == state.keys(), "all of the state is made in start"
    assert all(len(value) == 2 and value.dtype == state[key].dtype for key, value in batch.state.items())
    assert [value._version for value in state.values()] == versions, "replaced, not written into"


@pytest.mark.parametrize("norm", [2, "inf"])
def test_random_points_fill_the_ball(norm) -> None:
    rule = PGD(norm=norm, eps=0.1)
    images = torch.full((50, 3, 8, 8), 0.5, dtype=torch.float64)
    batch = make_batch(rule, images, torch.zeros(50, 8, 8, dtype=torch.int64), classes=2)
    points = rule.random_point(batch)
    delta = points - images
    assert len({tuple(image.flatten()[:4].tolist()) for image in points}) == 50
    assert delta.mean().abs() < 0.01 * delta.abs().max()
    if norm == 2:
        assert torch.allclose(norms(delta, 2), torch.tensor(0.1, dtype=torch.float64))
    else:
        # The mean size of a uniform number between -.1 and .1.
        assert delta.abs().mean().item() == pytest.approx(0.05, abs=0.001)
    assert torch.allclose(rule.random_point(batch, factor=2.0) - images, 2 * delta)
    assert not torch.equal(rule.random_point(batch, 1), points)


def test_steps_are_relative_to_the_budget_unless_given() -> None:
    eps = torch.tensor([0.08, 0.02, 0.004], dtype=torch.float64)
    first, second = run(PGD(random_start=False, relative_step=0.25), eps=eps)[:2]
    assert torch.allclose((second - first).abs().flatten(1).amax(1), eps / 4)
    first, second = run(PGD(random_start=False, step_size=0.01), eps=eps)[:2]
    assert torch.allclose((second - first).abs().flatten(1).amax(1), torch.tensor([0.01, 0.01, 0.004]).double())


def test_infinity_of_a_command_line_is_the_norm() -> None:
    assert PGD(norm=math.inf).norm == "inf"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: FGSM(norm=1), "FGSM: norm=1 is not one of 2, inf"),  # type: ignore[arg-type]
        (lambda: PGD(eps=-0.1), r"PGD: eps=-0.1: must be in \[0, inf\)"),
        (lambda: SegPGD(eps=math.nan), r"SegPGD: eps=nan: must be in \[0, inf\)"),
        (lambda: PGD(step_size=0.0), r"PGD: step_size=0.0: must be in \(0, inf\)"),
        (lambda: CosPGD(relative_step=-1), r"CosPGD: relative_step=-1: must be in \(0, inf\)"),
        (lambda: CosPGD(weights="relu"), "weights='relu' is not one of softmax, sigmoid"),  # type: ignore[arg-type]
        (lambda: PGD(loss="iou"), "loss='iou' is not one of ce, margin, dlr"),  # type: ignore[arg-type]
        (lambda: PGD(restarts=0), "restarts=0, random_start=True; give 1 or more"),
        (lambda: PGD(restarts=2, random_start=False), "more than 1 only with a random start"),
        (lambda: PAdam(norm=2), "PAdam: norm=2 is not one of inf"),  # type: ignore[arg-type]
        (lambda: PAdam(loss="margin"), "loss='margin' is not one of ce, cos"),  # type: ignore[arg-type]
        (lambda: PAdam(step_size=-1), r"PAdam: step_size=-1: must be in \(0, inf\)"),
        (lambda: APGD(loss="cos"), "loss='cos' is not one of ce, dlr, mask_ce, balanced_ce, js"),  # type: ignore[arg-type]
    ],
)
def test_parameters_that_make_no_sense(build: Callable[[], Budgeted], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
