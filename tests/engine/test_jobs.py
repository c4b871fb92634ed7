from dataclasses import replace
from typing import Any

import pytest
import torch

from benchmark.engine import Job, attack
from benchmark.errors import InputError
from tests.tiny_models import QUICK, smooth_network

GOOD = Job(
    id="a", image=torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(0)), labels=torch.zeros(4, 4).long()
)


def image_with(value: float) -> torch.Tensor:
    image = GOOD.image.clone()
    image[1, 2, 3] = value
    return image


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"image": image_with(1.5)},
            r"image a: values from .* to 1\.5; give images in \[0,1\] and normalise in the model",
        ),
        ({"image": image_with(-0.01)}, r"image a: values from -0\.01 to"),
        ({"image": image_with(float("nan"))}, "image a: holds NaN or infinite values"),
        ({"image": image_with(float("inf"))}, "image a: holds NaN or infinite values"),
        ({"image": GOOD.image[0]}, r"image a: torch\.float32 of shape \(4, 4\); give float \(C,H,W\)"),
        ({"image": GOOD.image.mul(255).byte()}, r"image a: torch\.uint8 of shape \(3, 4, 4\)"),
        ({"image": GOOD.image[:, :0]}, r"image a: torch\.float32 of shape \(3, 0, 4\)"),
        ({"labels": GOOD.labels.float()}, r"image a: labels are torch\.float32 of shape \(4, 4\); give an integer map"),
        ({"labels": GOOD.labels.bool()}, r"image a: labels are torch\.bool"),
        ({"labels": GOOD.labels[None]}, r"image a: labels are torch\.int64 of shape \(1, 4, 4\)"),
        ({"truth": GOOD.labels.double()}, r"image a: truth are torch\.float64"),
        ({"truth": GOOD.labels[:2]}, r"image a: truth has shape \(2, 4\) but labels \(4, 4\); they must be equal"),
        ({"valid": torch.ones(4, 5, dtype=torch.bool)}, r"image a: valid has shape \(4, 5\) but labels \(4, 4\)"),
        ({"valid": torch.ones(4, 4)}, r"image a: valid is torch\.float32; give a bool map"),
    ],
)
def test_images_that_cannot_be_attacked(changes: dict[str, Any], message: str) -> None:
    GOOD.check()
    job = replace(GOOD, **changes)
    with pytest.raises(InputError, match=message):
        job.check()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": GOOD.labels + 2}, "image a: labels from 2 to 2, but the model has classes 0 to 1; map the labels"),
        ({"labels": GOOD.labels - 1}, "image a: labels from -1 to -1, but the model has classes 0 to 1"),
        ({"truth": GOOD.labels + 9}, "image a: truth from 9 to 9, but the model has classes 0 to 1"),
        ({"labels": torch.zeros(2, 2).long()}, r"image a: labels have shape \(2, 2\) but the model's output \(4, 4\)"),
    ],
)
def test_labels_that_do_not_fit_the_model(changes: dict[str, Any], message: str) -> None:
    logits = torch.zeros(2, 4, 4)
    GOOD.check_against(logits)
    job = replace(GOOD, **changes)
    with pytest.raises(InputError, match=message):
        job.check_against(logits)


def test_labels_do_not_matter_where_not_valid() -> None:
    valid = torch.ones(4, 4, dtype=torch.bool)
    valid[0] = False
    anything = GOOD.labels.clone()
    anything[0] = 255
    replace(GOOD, labels=anything, valid=valid, truth=anything).check_against(torch.zeros(2, 4, 4))
    replace(GOOD, labels=anything, valid=~valid).check_against(torch.zeros(256, 4, 4))
    replace(GOOD, labels=anything, valid=torch.zeros_like(valid)).check_against(torch.zeros(2, 4, 4))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_found(value: float) -> None:
    network = smooth_network().float()
    with torch.no_grad():
        next(network[2].parameters())[0, 0, 0, 0] = value
    with pytest.raises(InputError, match="image 0: the model's logits are not finite; check its weights"):
        attack(network, GOOD.image[None], GOOD.labels[None], QUICK)


def test_a_queued_image_is_nobody_elses() -> None:
    truth, valid = GOOD.labels.clone(), torch.ones(4, 4, dtype=torch.bool)
    job = Job(id="a", image=GOOD.image.clone(), labels=GOOD.labels.clone(), valid=valid, truth=truth)
    copy = job.detached()
    for tensor in (job.image, job.labels, valid, truth):
        tensor.zero_()
    assert torch.equal(copy.image, GOOD.image)
    assert copy.valid is not None
    assert copy.valid.all()
    assert copy.truth is not truth
