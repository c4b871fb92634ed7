"""What a configuration may put around a network, in which order, and what it must not say."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.errors import InputError
from benchmark.victims.deployment import Deployment
from benchmark.victims.deployment.sliding_window import slide


def network(images: Tensor) -> Tensor:
    """Two logits whose value depends on the neighbourhood."""
    mean = F.avg_pool2d(images.mean(1, keepdim=True), 3, stride=1, padding=1)
    return torch.cat([0.5 - mean, mean - 0.5], 1)


IMAGES = torch.rand(2, 3, 30, 22, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_nothing_is_nothing() -> None:
    assert Deployment().plain() == {}
    assert Deployment(transform=[], resize=0, window=0, postprocess=[]).plain() == {}
    assert torch.equal(Deployment().logits(network, IMAGES), network(IMAGES))
    preds = network(IMAGES).argmax(1)
    assert torch.equal(Deployment().predictions(preds, 2, None), preds)


def test_resize_then_windows_then_back() -> None:
    small = F.interpolate(IMAGES, (24, 16), mode="bilinear", antialias=True)
    expected = F.interpolate(slide(network, small, (8, 8), 0.25, "constant"), (30, 22), mode="bilinear")
    found = Deployment(resize=[24, 16], window=8, overlap=0.25, weighting="constant").logits(network, IMAGES)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.9])
def test_threshold_is_on_the_probability_of_class_1(outputs: int, threshold: float) -> None:
    logits = torch.randn(2, outputs, 9, 9, generator=torch.Generator().manual_seed(outputs), dtype=torch.float64)
    probability = logits[:, 0].sigmoid() if outputs == 1 else logits.softmax(1)[:, 1]
    found = Deployment(threshold=threshold).logits(lambda images: logits, torch.zeros(2, 3, 9, 9))
    predicted = found[:, 0] > 0 if outputs == 1 else found.argmax(1) == 1
    assert torch.equal(predicted, probability > threshold)


def test_what_is_given_goes_before_what_was_there() -> None:
    there = Deployment(transform=["jpeg"], resize=64, overlap=0.0)
    assert there.but({"transform": None, "resize": None, "window": 32}).plain() == {
        **{"transform": ["jpeg"], "resize": 64, "window": 32, "overlap": 0.0}
    }
    assert there.but({"transform": [], "resize": 0, "overlap": 0.5}).plain() == {"overlap": 0.5}


def test_label_names_what_is_done() -> None:
    around = Deployment(transform=["median", {"jpeg": {"quality": 50}}], window=32, postprocess=["fill_holes"])
    assert around.label() == "+median+jpeg+window+fill_holes"
    assert Deployment(overlap=0.2).label() == ""


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"transform": "jpeg"}, r"victim\.transform='jpeg': must be a list, such as \[bits\]"),
        ({"transform": ["jpg"]}, r"victim\.transform: there is no 'jpg', did you mean jpeg\?; there are bits, jpeg, "),
        ({"transform": [["jpeg"]]}, r"victim\.transform: there is no \"\['jpeg'\]\""),
        ({"transform": [{"jpeg": {"qality": 5}}]}, r"victim\.transform: jpeg: .*'qality'; check its parameters"),
        ({"transform": [{"jpeg": {"quality": 0}}]}, "JPEG: quality=0: must be 1 to 100"),
        ({"transform": [{"jpeg": 50}]}, r"jpeg: 50 is no mapping of parameters"),
        ({"transform": [{"jpeg": {}, "median": {}}]}, "is not one name with its parameters"),
        ({"postprocess": ["os.system"]}, r"victim\.postprocess: there is no 'os\.system'"),
        ({"resize": [64]}, r"victim\.resize=\[64\]: must be a number of pixels up to 8192, or \[height, width\]"),
        ({"window": -1}, r"victim\.window=-1: must be a number of pixels"),
        ({"overlap": 1}, r"victim\.overlap=1: must be at least 0 and below 1"),
        ({"weighting": "none"}, r"victim\.weighting='none': must be gaussian or constant"),
        ({"threshold": 0}, r"victim\.threshold=0: is a probability"),
    ],
)
def test_what_cannot_be_done_is_one_line(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Deployment(**given)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("given", [["jpeg"], {"transforms": []}])
def test_something_else_than_a_deployment(given: Any) -> None:
    with pytest.raises(InputError, match="is no mapping of overlap, postprocess, resize, threshold, transform, "):
        Deployment.of(given)


def test_data_it_does_not_fit() -> None:
    with pytest.raises(InputError, match="tells 2 classes apart, the data have 3"):
        Deployment(threshold=0.3).check_against(3, 0)
    with pytest.raises(InputError, match="the data have no background"):
        Deployment(postprocess=["fill_holes"]).check_against(2, None)
