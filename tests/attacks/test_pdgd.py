import math

import pytest
import torch

from benchmark.attacks.pdgd import PDGD
from benchmark.engine import AttackResult, Criterion, attack
from tests.attacks.minimal_norm_golden import assert_golden
from tests.tiny_models import TwoPixels, mixed_jobs, run, smooth_network


@pytest.mark.parametrize("sense", ["targeted", "untargeted"])
def test_agrees_with_an_independent_implementation(sense: str) -> None:
    assert_golden(
        f"pdgd_l2.{sense}",
        lambda s: PDGD(targeted=s["targeted"], step_size=s["primal_lr"]),
        together=4,
        max_steps=500,
        stop=False,
    )


# TwoPixels: logits (0, mean(x) - 1/2), so the margin of class 1 has gradient 1/3 in each channel of its pixel.
PIXELS = torch.tensor([0.4, 0.7], dtype=torch.float64).expand(1, 3, 1, 2).contiguous()
ONES = torch.ones(1, 1, 2, dtype=torch.int64)


def two_steps(rule: PDGD, **options: object) -> AttackResult:
    judge = Criterion("apsr", "target" if rule.targeted else "truth", value=1)
    return attack(TwoPixels(), PIXELS, ONES, rule, max_steps=2, stop=False, keep="last", judge=judge, **options)  # type: ignore[arg-type]


def softplus(value: float) -> float:
    return math.log1p(math.exp(value))


def test_weights_and_losses_by_hand() -> None:
    result = two_steps(PDGD())
    # The norm and the two constraints together weigh the same, and m is .1 at the first pixel, -.2 at the second.
    first, second = result.finished[0].trace
    assert first["norm_weight"] == pytest.approx(0.5)
    assert first["loss"] == pytest.approx((softplus(0.1) + softplus(-0.2)) / 4)
    # Both duals start at log 1/2 and take one step of .1 on the sign of m; a tenth of the new weights is seen.
    latest = [1, math.exp(0.1) / 2, math.exp(-0.1) / 2]
    weights = [0.9 * old + 0.1 * new / sum(latest) for old, new in zip((0.5, 0.25, 0.25), latest, strict=True)]
    assert second["norm_weight"] == pytest.approx(weights[0])
    # Adam's first step is the step size in each value, as all have a gradient: m falls by it in both pixels.
    size = 0.01 * 6**0.5
    expected = weights[0] * size + weights[1] * softplus(0.09) + weights[2] * softplus(-0.21)
    assert second["loss"] == pytest.approx(expected, rel=1e-6)


def test_untargeted_goes_the_other_way() -> None:
    towards, away = (two_steps(PDGD(targeted=targeted)).adv - PIXELS for targeted in (True, False))
    assert (towards > 0).all()
    assert (away < 0).all()


def test_the_step_size_falls_to_its_share() -> None:
    # At half of the steps, one tenth of the hundredth it would end at; the other way a step is nearly as long.
    deltas = [
        two_steps(PDGD(step_size_decay=decay)).adv - two_steps(PDGD(step_size_decay=1e-12)).adv for decay in (1, 0.01)
    ]
    assert torch.allclose(deltas[0], 10 * deltas[1], rtol=1e-3)


def test_pixels_that_are_not_valid_have_no_part() -> None:
    # One pixel counts, so its constraint has half of all weight.
    valid = torch.tensor([[[True, False]]])
    result = two_steps(PDGD(), valid=valid)
    assert result.finished[0].trace[0]["loss"] == pytest.approx(softplus(0.1) / 2)
    assert ((result.adv != PIXELS).all(1) == valid).all()


@pytest.mark.parametrize("outputs", [1, 2, 5])
def test_smaller_successes_are_found_after_the_first(outputs: int) -> None:
    network = smooth_network(outputs)
    jobs = mixed_jobs(network)[1:5]
    first, best = (run(network, PDGD(step_size=0.1), jobs, max_steps=100, stop=stop) for stop in (True, False))
    assert all(image.success8 for image in best)
    norms = [[(image.adv - image.job.image).norm() for image in finished] for finished in (first, best)]
    assert all(small <= large for large, small in zip(*norms, strict=True))
    assert sum(norms[1]) < 0.9 * sum(norms[0])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"step_size": 0.0}, r"step_size=0.0: must be in \(0, inf\)"),
        ({"dual_step_size": math.nan}, r"dual_step_size=nan: must be in \(0, inf\)"),
        ({"ratio_init": -1.0}, r"ratio_init=-1.0: must be in \(0, inf\)"),
        ({"step_size_decay": 2.0}, r"step_size_decay=2.0: must be in \(0, 1\]"),
        ({"ratio_min": 0.0}, r"ratio_min=0.0: must be in \(0, 1\]"),
        ({"dual_mean": 1.0}, r"dual_mean=1.0: must be in \[0, 1\)"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(parameters: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=f"PDGD: {message}"):
        PDGD(**parameters)  # type: ignore[arg-type]
