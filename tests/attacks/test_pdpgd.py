import math
from typing import Any

import pytest
import torch

from benchmark.attacks.pdpgd import PDPGD
from benchmark.engine import attack
from tests.attacks.minimal_norm_golden import assert_golden
from tests.tiny_models import TwoPixels, mixed_jobs, run, smooth_network


@pytest.mark.parametrize("sense", ["targeted", "untargeted"])
@pytest.mark.parametrize("norm", [1, 2, "inf"])
def test_agrees_with_an_independent_implementation(norm: Any, sense: str) -> None:
    assert_golden(
        f"pdpgd_l{norm}.{sense}",
        lambda s: PDPGD(targeted=s["targeted"], norm=norm, step_size=s["primal_lr"]),
        together=4,
        max_steps=500,
        stop=False,
    )


@pytest.mark.parametrize(("norm", "values"), [(1, 1), (2, 6**0.5), ("inf", 6)])
def test_one_update_by_hand(norm: Any, values: float) -> None:
    # TwoPixels: logits (0, mean(x) - 1/2), so the margin of class 1 has the same gradient in all values of both pixels.
    images = torch.full((1, 3, 1, 2), 0.4, dtype=torch.float64)
    labels = torch.ones(1, 1, 2, dtype=torch.int64)
    ratio = 0.005
    result = attack(
        TwoPixels(), images, labels, PDPGD(norm=norm, ratio_init=ratio), max_steps=1, stop=False, keep="last"
    )
    # Adam divides by the size of the gradient, with which the norm's weight relative to the constraints' is in scale.
    gradient = torch.sigmoid(torch.tensor(0.1, dtype=torch.float64)).item() / 3 / (2 * (1 + ratio))
    weight = 0.01 / gradient * ratio
    # The L1 norm takes that off every value, L2 off the whole perturbation, Linf off the six largest together.
    expected = torch.full_like(images, 0.01 - weight / values)
    assert torch.allclose(result.adv - images, expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("norm", [1, 2, "inf"])
@pytest.mark.parametrize("outputs", [1, 2, 5])
def test_reaches_its_targets_with_any_number_of_classes(outputs: int, norm: Any) -> None:
    network = smooth_network(outputs)
    rule = PDPGD(norm=norm, ratio_init=0.01, step_size=0.1)
    finished = run(network, rule, mixed_jobs(network)[1:5], max_steps=100, stop=False)
    assert all(image.success8 for image in finished)


@pytest.mark.parametrize("norm", [1, 2, "inf"])
def test_nothing_valid_leaves_the_image_clean_and_finite(norm: Any) -> None:
    images = torch.full((1, 3, 1, 2), 0.4, dtype=torch.float64)
    labels, valid = torch.ones(1, 1, 2, dtype=torch.int64), torch.zeros(1, 1, 2, dtype=torch.bool)
    result = attack(TwoPixels(), images, labels, PDPGD(norm=norm), valid=valid, max_steps=3, stop=False, keep="last")
    assert not result.nonfinite_gradient.any()
    assert torch.equal(result.adv, images)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"norm": 3}, "norm=3 is not one of 1, 2, inf"),
        ({"step_size": math.inf}, r"step_size=inf: must be in \(0, inf\)"),
        ({"proximal_steps": 0}, r"proximal_steps=0: must be in \[1, inf\)"),
        ({"tolerance": -1.0}, r"tolerance=-1.0: must be in \[0, inf\]"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PDPGD(**parameters)
