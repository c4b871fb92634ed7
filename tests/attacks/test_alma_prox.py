import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.attacks.alma_prox import ALMAProx, penalty, penalty_slope, relative_margin
from benchmark.engine import AttackResult, Criterion, attack
from tests.attacks.minimal_norm_golden import assert_golden, golden
from tests.tiny_models import TwoPixels, mixed_jobs, run, smooth_network


@pytest.mark.parametrize("sense", ["targeted", "untargeted"])
def test_agrees_with_an_independent_implementation(sense: str) -> None:
    assert_golden(
        f"alma_prox_linf.{sense}",
        lambda s: ALMAProx(targeted=s["targeted"], threshold=s["adv_threshold"]),
        together=4,
        roundings=6 if sense == "untargeted" else 0,
        max_steps=500,
        stop=False,
    )


def test_the_mended_slope_finds_smaller_perturbations() -> None:
    # The published slope hardly pulls at nearly satisfied constraints.
    found = golden("alma_prox_linf.targeted")
    sizes = []
    for slope in ("published", "exact"):
        rule = ALMAProx(threshold=0.9, slope=slope)
        result = found.attack(found.network, rule, slots=4, max_steps=150, stop=False)
        sizes.append((result.adv - found.images).abs().flatten(1).amax(1))
    assert result.success.all()
    assert (sizes[1] < 0.6 * sizes[0]).all()


@settings(deadline=None, derandomize=True)
@given(st.floats(-3, 3), st.floats(0.01, 100), st.floats(1e-6, 1))
def test_the_exact_slope_is_the_penaltys(y: float, rho: float, mu: float) -> None:
    at, *parameters = (torch.tensor([value], dtype=torch.float64) for value in (y, rho, mu))
    at.requires_grad_()
    (slope,) = torch.autograd.grad(penalty(at, *parameters).sum(), at)
    assert torch.allclose(penalty_slope(at.detach(), *parameters), slope, rtol=1e-9)


def test_the_published_slope_lacks_the_multiplier() -> None:
    y, rho, mu = torch.tensor([0.1, -0.1]), torch.tensor(2.0), torch.tensor(0.5)
    exact, published = penalty_slope(y, rho, mu), penalty_slope(y, rho, mu, exact=False)
    assert (exact - published).tolist() == pytest.approx([0.5 - 0.05, 0])


def one_pixel(*logits: float) -> torch.Tensor:
    return torch.tensor(logits, dtype=torch.float64).view(1, -1, 1, 1)


@pytest.mark.parametrize(
    ("logits", "targeted", "expected"),
    [
        # Truth is class 0: z_y - max of the others over z1 - z3.
        ((4.0, 3.0, 1.0, 0.0), False, 1.01 / 3),
        ((3.0, 4.0, 1.0), False, -0.99 / 3),
        # Target is class 0: the negative over z1 - (z3 + z4) / 2.
        ((3.0, 4.0, 1.0, 0.0), True, 0.99 / 3.5),
        # Too few classes for a ratio.
        ((3.0, 4.0, 1.0), True, 0.99),
        ((3.0, 4.0), True, 0.99),
        ((3.0, 4.0), False, -0.99),
    ],
)
def test_relative_margins_by_hand(logits: tuple[float, ...], targeted: bool, expected: float) -> None:
    labels = torch.zeros(1, 1, 1, dtype=torch.int64)
    found = relative_margin(one_pixel(*logits), labels, targeted, tolerance=0.01)
    assert found.item() == pytest.approx(expected, rel=1e-6)


# TwoPixels: logits (0, mean(x) - 1/2), so the margin of class 1 has gradient 1/3 in each channel of its pixel.
PIXELS = torch.tensor([0.4, 0.45], dtype=torch.float64).expand(1, 3, 1, 2).contiguous()
ONES = torch.ones(1, 1, 2, dtype=torch.int64)


def steps(rule: ALMAProx, count: int, **options: Any) -> AttackResult:
    judge = Criterion("apsr", "target" if rule.targeted else "truth", value=0.99)
    defaults = {"max_steps": count, "stop": False, "keep": "last", "judge": judge, "confirm": False}
    return attack(TwoPixels(), PIXELS, ONES, rule, **defaults | options)


def test_one_update_by_hand() -> None:
    delta = steps(ALMAProx(slope="exact"), 1).adv - PIXELS
    # The first step has the step size; then the norm is shrunk in the metric of the gradient's size: with slopes g of
    # the six values, 2·t·Σg − 2·step·Σg + 2·step·t is least where step − t = step / Σg, or below at 0.
    slopes = penalty_slope(
        torch.tensor([0.1, 0.05], dtype=torch.float64) - 1e-4,
        torch.tensor(0.01, dtype=torch.float64),
        torch.tensor(1.0, dtype=torch.float64),
    )
    expected = 0.001 * (1 - 1 / slopes.sum().item())
    assert torch.allclose(delta, torch.full_like(delta, expected), atol=1e-6)


def test_untargeted_goes_the_other_way() -> None:
    towards, away = (steps(ALMAProx(targeted=t, slope="exact"), 30).adv - PIXELS for t in (True, False))
    assert (towards > 1e-3).all()
    # Nothing to leave: the truth is not predicted, and the image was over before it began.
    assert (away <= 0).all()


def test_the_step_size_falls_from_the_first_success() -> None:
    trace = steps(ALMAProx(slope="exact", step_size=0.02), 60).finished[0].trace
    sizes = [step["step_size"] for step in trace]
    first = next(i for i, step in enumerate(trace) if step["pixel_acc"] == 1)
    assert 0 < first < 20
    assert sizes[: first + 1] == pytest.approx([0.02] * (first + 1))
    assert all(later < earlier for earlier, later in itertools.pairwise(sizes[first:]))
    assert sizes[-1] == pytest.approx(0.002, rel=0.25)


def test_the_scale_falls_while_the_judge_holds() -> None:
    trace = steps(ALMAProx(slope="exact", step_size=0.02, scale_min=0.01), 30).finished[0].trace
    for before, step in itertools.pairwise(trace):
        factor = 1 / 1.02 if step["pixel_acc"] == 1 else 1 / 0.98
        assert step["scale"] == pytest.approx(min(1, before["scale"] * factor), rel=1e-5)
    assert min(step["scale"] for step in trace) < 1


def test_a_share_of_the_pixels_is_given_up() -> None:
    # All four are wanted by the judge, but the rule may know better.
    images = torch.tensor([0.0, 0.2, 0.4, 0.45], dtype=torch.float64).expand(1, 3, 1, 4).contiguous()
    sizes = []
    for threshold in (1.0, 0.01):
        rule = ALMAProx(slope="exact", step_size=0.01, threshold=threshold)
        judge = Criterion("apsr", value=1)
        labels = torch.ones(1, 1, 4, dtype=torch.int64)
        result = attack(TwoPixels(), images, labels, rule, max_steps=100, stop=False, keep="last", judge=judge)
        sizes.append((result.adv - images).abs().max().item())
    assert sizes[1] < sizes[0] / 2


def test_a_hopeless_image_stays_finite_in_float32() -> None:
    # No image has a mean above 1; every penalty is raised until the end.
    model = TwoPixels(bias=2.0).float()
    rule = ALMAProx(penalty_growth=1e4, check_every=2)
    result = attack(model, PIXELS.float(), ONES, rule, max_steps=100, stop=False)
    assert not result.nonfinite_gradient.any()
    assert result.steps.tolist() == [100]


@pytest.mark.parametrize("outputs", [1, 2, 5])
def test_reaches_its_targets_with_any_number_of_classes(outputs: int) -> None:
    network = smooth_network(outputs)
    rule = ALMAProx(slope="exact", step_size=0.01, threshold=0.9)
    finished = run(network, rule, mixed_jobs(network)[1:5], max_steps=120, stop=False)
    assert all(image.success8 for image in finished)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"step_size": 0.0}, r"step_size=0.0: must be in \(0, inf\)"),
        ({"check_every": 0}, r"check_every=0: must be in \[1, inf\)"),
        ({"threshold": 1.5}, r"threshold=1.5: must be in \(0, 1\]"),
        ({"smoothing": 1.0}, r"smoothing=1.0: must be in \[0, 1\)"),
        ({"penalty_growth": 0.5}, r"penalty_growth=0.5: must be in \[1, inf\]"),
        ({"scale_min": 2.0}, r"scale_max=1: must be in \[2.0, inf\]"),
        ({"slope": "steep"}, "slope='steep' is not one of published, exact"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ALMAProx(**parameters)
