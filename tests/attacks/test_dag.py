import pytest
import torch

from benchmark.attacks.dag import DAG
from benchmark.engine import Criterion, attack
from tests.attacks.minimal_norm_golden import assert_golden, golden
from tests.tiny_models import JUDGE, TwoPixels, mixed_jobs, run, smooth_network


@pytest.mark.parametrize("sense", ["targeted", "untargeted"])
@pytest.mark.parametrize("norm", [2, "inf"])
def test_published_bounds_give_the_results_of_the_public_code(norm, sense: str) -> None:
    independent = golden(f"dag_l{norm}.{sense}")
    settings = independent.settings
    rule = DAG(targeted=settings["targeted"], norm=norm, step_size=settings["γ"], bounds="published")
    result = independent.attack(independent.network, rule, max_steps=settings["max_iter"])
    assert result.success.all()
    assert torch.allclose(result.adv, independent.adv, rtol=0, atol=1e-12)


@pytest.mark.parametrize("sense", ["targeted", "untargeted"])
def test_free_bounds_change_little(sense: str) -> None:
    assert_golden(
        f"dag_l2.{sense}", lambda s: DAG(targeted=s["targeted"], norm=2, step_size=s["γ"]), together=1, max_steps=200
    )


# TwoPixels: logits (0, mean(x) - 1/2), so the margin of class 1 has gradient 1/3 in each channel of its pixel.
PIXELS = torch.tensor([0.2, 0.45, 0.7], dtype=torch.float64).expand(1, 3, 1, 3).contiguous()
ONES = torch.ones(1, 1, 3, dtype=torch.int64)


@pytest.mark.parametrize(("norm", "step"), [("inf", 0.01), (2, 0.01 / 6**0.5)])
def test_one_update_by_hand(norm: str, step: float) -> None:
    rule = DAG(norm=norm, step_size=0.01)  # type: ignore[arg-type]
    result = attack(TwoPixels(), PIXELS, ONES, rule, max_steps=1, keep="last", judge=Criterion("apsr", value=1))
    # The third pixel is at the target already; the other two have the same gradient in six values.
    moved = torch.tensor([step, step, 0], dtype=torch.float64)
    assert torch.allclose(result.adv - PIXELS, moved.expand_as(PIXELS), atol=1e-12)


def test_untargeted_leaves_the_truth() -> None:
    judge = Criterion("apsr", "truth", value=1)
    result = attack(TwoPixels(), PIXELS, ONES, DAG(targeted=False), max_steps=1, keep="last", judge=judge)
    moved = torch.tensor([0, 0, -0.003], dtype=torch.float64)
    assert torch.allclose(result.adv - PIXELS, moved.expand_as(PIXELS), atol=1e-12)


def test_a_value_at_a_bound_can_leave_it() -> None:
    # Published code cuts the gradient off at bounds, so there a black pixel can never be attacked.
    result = attack(TwoPixels(), torch.zeros_like(PIXELS), ONES, DAG(step_size=0.3), max_steps=2)
    assert result.success.all()
    assert torch.allclose(result.adv, torch.tensor(0.6, dtype=torch.float64))


def test_with_published_bounds_a_value_at_a_bound_never_moves() -> None:
    images = torch.tensor([0.0, 0.2, 0.2], dtype=torch.float64).view(1, 3, 1, 1)
    for bounds, moved in (("published", [0, 1 / 2**0.5, 1 / 2**0.5]), ("free", [1 / 3**0.5] * 3)):
        rule = DAG(norm=2, step_size=0.03, bounds=bounds)  # type: ignore[arg-type]
        result = attack(TwoPixels(), images, ONES[..., :1], rule, max_steps=1, keep="last", stop=False)
        expected = 0.03 * torch.tensor(moved, dtype=torch.float64)
        assert torch.allclose((result.adv - images).flatten(), expected, rtol=0, atol=1e-12)


def test_a_value_held_at_its_bound_takes_no_part_in_the_size_of_a_step() -> None:
    # Class 1 wants all channels of the first pixel up, but one of them is as high as it can be.
    images = torch.tensor([0.0, 0.2, 1.0], dtype=torch.float64).view(1, 3, 1, 1)
    rule = DAG(norm=2, step_size=0.02)
    result = attack(TwoPixels(), images, ONES[..., :1], rule, max_steps=1, keep="last")
    step = 0.02 / 2**0.5
    assert torch.allclose((result.adv - images).flatten(), torch.tensor([step, step, 0], dtype=torch.float64))


def test_an_image_whose_pixels_are_all_fooled_has_ended() -> None:
    result = attack(TwoPixels(), PIXELS, ONES, DAG(step_size=0.1), max_steps=50, stop=False, confirm=False)
    # .2 needs four steps to be above one half; the fifth finds nothing left to do.
    assert (result.steps.tolist(), result.kept_step.tolist()) == ([5], [4])


def test_an_image_that_fails_is_given_back_at_its_best() -> None:
    run_ = golden("dag_linf.untargeted")
    result = run_.attack(run_.network, DAG(targeted=False), max_steps=20)
    assert not result.success.any()
    assert (result.adv != run_.images).flatten(1).any(1).all()
    assert (result.kept_step > 0).all()


def test_labels_where_not_valid_change_nothing() -> None:
    network = smooth_network(5)
    jobs = mixed_jobs(network)
    for job, other in zip(run(network, DAG(), jobs), run(network, DAG(), _relabelled(jobs)), strict=True):
        assert torch.equal(job.adv, other.adv)


def _relabelled(jobs: list) -> list:
    for job in jobs:
        if job.valid is not None:
            job.labels = job.labels.masked_fill(~job.valid, 3)
    return jobs


@pytest.mark.parametrize("outputs", [1, 2, 5])
def test_reaches_its_targets_with_any_number_of_classes(outputs: int) -> None:
    network = smooth_network(outputs)
    finished = run(network, DAG(step_size=0.01), mixed_jobs(network)[:5], max_steps=100)
    assert JUDGE.reference == "target"
    assert all(image.success for image in finished)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"norm": 1}, "norm=1 is not one of 2, inf"),
        ({"bounds": "open"}, "bounds='open' is not one of free, published"),
        ({"step_size": 0}, r"step_size=0: must be in \(0, inf\]"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(parameters: dict, message: str) -> None:
    with pytest.raises(ValueError, match=f"DAG: {message}"):
        DAG(**parameters)
