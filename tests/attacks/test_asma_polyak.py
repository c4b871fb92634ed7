import pytest
import torch

from benchmark.attacks.asma_polyak import ASMAPolyak
from benchmark.engine import attack
from tests.tiny_models import TwoPixels


def test_two_steps_by_hand() -> None:
    # Logits (0, mean - 1/2): a pixel at .2 is .3 short of class 1 and its gradient is 1/3 in each of three channels, so
    # ‖∇f‖² = 1/3 and a whole step would raise it by .3 · 3 · 1/3. The other pixel is there already.
    images = torch.tensor([0.8, 0.2], dtype=torch.float64).expand(1, 3, 1, 2).contiguous()
    rule = ASMAPolyak(relax=0.5, momentum=0.4)
    result = attack(TwoPixels(), images, torch.ones(1, 1, 2).long(), rule, max_steps=2, stop=False, keep="last")
    # Half of .3 first; then half of the .15 left, and .4 of the first step again.
    expected = torch.tensor([0.8, 0.2 + 0.15 + 0.075 + 0.06], dtype=torch.float64).expand(1, 3, 1, 2)
    assert torch.allclose(result.adv, expected, atol=1e-12)
    assert [step["multiplier"] for step in result.finished[0].trace] == pytest.approx([0.45, 0.225])


def test_scaling_the_logits_changes_nothing() -> None:
    images = torch.tensor([0.8, 0.2], dtype=torch.float64).expand(1, 3, 1, 2).contiguous()
    adv = [
        attack(TwoPixels(weight, 0.5 * weight), images, torch.ones(1, 1, 2).long(), ASMAPolyak(), max_steps=3).adv
        for weight in (1.0, 8.0)
    ]
    assert torch.allclose(*adv, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"relax": 0}, r"relax=0: must be in \(0, inf\]"), ({"momentum": 1}, r"momentum=1: must be in \[0, 1\)")],
)
def test_parameters_that_make_no_sense(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ASMAPolyak(**options)
