"""`attack`: any model and images, results in input order, and what makes no sense."""

from typing import Any

import pytest
import torch

from benchmark.attacks.asma import ASMA
from benchmark.engine import AttackResult, Criterion, attack
from benchmark.errors import InputError
from tests.tiny_models import JUDGE, QUICK, Limited, SignSteps, TwoPixels, mixed_jobs, random_images, smooth_network


@torch.inference_mode()
def made_in_inference_mode() -> torch.nn.Module:
    return smooth_network()


def test_results_come_in_input_order_with_their_traces() -> None:
    network = smooth_network()
    jobs = mixed_jobs(network)
    seen: list[tuple[str, float, float]] = []

    def watch(step: dict[str, Any]) -> None:
        seen.extend(zip(step["ids"], step["step"].tolist(), step["iou"].tolist(), strict=True))

    images = torch.stack([job.image for job in jobs])
    labels = torch.stack([job.labels % 2 for job in jobs])
    result = attack(network, images, labels, QUICK, judge=JUDGE, max_steps=15, slots=3, watch=watch, sync_every=2)
    assert [image.job.id for image in result.finished] == ["0", "1", "2", "3", "4", "5"]
    assert torch.equal(result.adv, torch.stack([image.adv for image in result.finished]))
    assert sorted(seen) == sorted((i.job.id, s["step"], s["iou"]) for i in result.finished for s in i.trace)
    assert ((result.seconds > 0) == (result.steps > 0)).all()


def test_no_images_no_results() -> None:
    result = attack(smooth_network(), torch.zeros(0, 3, 8, 8), torch.zeros(0, 8, 8).long(), QUICK)
    assert isinstance(result, AttackResult)
    assert len(result.adv) == len(result.success) == len(result.finished) == 0


@pytest.mark.parametrize("count", [0, 2])
def test_the_dtypes_of_a_result_are_those_documented(count: int) -> None:
    result = attack(smooth_network(), random_images(count), torch.zeros(count, 8, 8).long(), QUICK, max_steps=2)
    assert {name: value.dtype for name, value in vars(result).items() if name not in ("adv", "finished")} == {
        **dict.fromkeys(("success", "success8", "success_clean", "at_floor", "nonfinite_gradient"), torch.bool),
        **dict.fromkeys(("steps", "kept_step", "forwards", "backwards"), torch.int64),
        **dict.fromkeys(("success_passes", "zero_gradients"), torch.int64),
        "seconds": torch.float64,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_steps": -1}, "max_steps=-1: must be at least 0"),
        ({"slots": 0}, "slots=0: must be at least 1"),
        ({"sync_every": 0}, "sync_every=0: must be at least 1"),
        ({"keep": "first"}, "keep='first': must be 'best', 'last' or 'score'"),
        ({"precision": "fp8"}, "engine.precision=fp8: not one of 64, 32, tf32, bf16, 16"),
        ({"judge": Criterion("iou", "truth")}, "image 0: the judge 'iou to truth >= 0.95' needs the truth"),
        ({"ids": ["a", "a"]}, "ids: 1 different ones for 2 images"),
        ({"valid": torch.ones(1, 8, 8, dtype=torch.bool)}, "valid: 1 for 2 images"),
        ({"truth": torch.ones(3, 8, 8).long()}, "truth: 3 for 2 images"),
        ({"labels": torch.zeros(3, 8, 8).long()}, "labels: 3 for 2 images"),
        ({"rule": SignSteps(targeted=False)}, "needs a target but the rule is untargeted"),
        ({"model": smooth_network().to(torch.bfloat16)}, "parameters are torch.bfloat16; attack it in float32"),
        ({"model": made_in_inference_mode()}, "made in inference mode, so that it has no gradients; make it outside"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    given = {"model": smooth_network(), "images": random_images(2), "labels": torch.zeros(2, 8, 8).long()}
    given |= {"rule": QUICK, **options}
    with pytest.raises(InputError, match=message):
        attack(**given)


def test_one_logit_heads_are_two_classes() -> None:
    network = smooth_network(1)
    images = random_images(3)
    with torch.no_grad():
        labels = 1 - (network(images) > 0).long().squeeze(1)
    result = attack(network, images, labels, QUICK, judge=Criterion("apsr", value=0.3), max_steps=40)
    assert result.success8.all()
    with torch.no_grad():
        for image, adv, target in zip(result.finished, result.adv, labels, strict=True):
            preds = (network(adv[None]) > 0).long()[0, 0]
            assert torch.equal(image.adv_preds, preds)
            assert (preds == target).double().mean() >= 0.3


def test_a_model_with_one_parameter_is_attacked_like_any() -> None:
    result = attack(
        Limited(TwoPixels(), 4), torch.full((1, 3, 1, 2), 0.4).double(), torch.ones(1, 1, 2).long(), ASMA(tau=0.1)
    )
    assert result.success8.all()
