from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from benchmark import metrics
from benchmark.attacks.asma import ASMA
from benchmark.engine import AttackResult, attack
from tests.tiny_models import TwoPixels, random_images, smooth_network

GOLDEN = Path(__file__).parents[1] / "golden" / "asma_published.safetensors"
TRAJECTORY = ("unclamped_iou", "unclamped_pixel_acc", "unclamped_l2", "unclamped_linf")


class Golden:
    """An independent implementation's results: images, targets, the network, every step's numbers and the outcome."""

    def __init__(self) -> None:
        with safe_open(GOLDEN, "pt") as file:
            self.settings = file.metadata()
            self.tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        self.network = nn.Sequential(
            *(nn.Conv2d(3, 8, 3, padding=1), nn.Tanh(), nn.Conv2d(8, 8, 3, padding=2, dilation=2), nn.Tanh()),
            nn.Conv2d(8, 2, 1),
        ).double()
        weights = {n.removeprefix("model."): t for n, t in self.tensors.items() if n.startswith("model.")}
        self.network.load_state_dict(weights)

    def attack(self, slots: int, two_pass: bool) -> AttackResult:
        rule = ASMA(tau=float(self.settings["tau"]), beta=float(self.settings["beta"]), two_pass=two_pass)
        images, targets = self.tensors["images"], self.tensors["targets"]
        steps = int(self.settings["iters"])
        return attack(self.network, images, targets, rule, max_steps=steps, slots=slots, stop=False, keep="last")

    def iou(self, adv: Tensor) -> Tensor:
        with torch.no_grad():
            preds = self.network(adv).argmax(1)
        return metrics.iou(metrics.confusion(preds, self.tensors["targets"], None, 2))


@pytest.fixture(scope="module")
def golden() -> Golden:
    return Golden()


@pytest.mark.parametrize("slots", [1, 4])
def test_two_passes_reproduce_the_published_algorithm(golden: Golden, slots: int) -> None:
    result = golden.attack(slots, two_pass=True)
    found = torch.tensor([[[step[n] for n in TRAJECTORY] for step in image.trace] for image in result.finished])
    expected = golden.tensors["trajectory"]
    assert found.shape == expected.shape
    assert torch.allclose(found.double(), expected.double(), rtol=0, atol=1e-6)
    assert torch.allclose(result.adv, golden.tensors["adv"], rtol=0, atol=1e-6)
    assert result.forwards.tolist() == [1 + 2 * expected.shape[1] + 1] * len(expected), "clean, two a step, the last"


def test_one_pass_reaches_the_same_overlap(golden: Golden) -> None:
    result = golden.attack(slots=2, two_pass=False)
    assert torch.allclose(golden.iou(result.adv), golden.iou(golden.tensors["adv"]), rtol=0, atol=0.01)
    steps = golden.tensors["trajectory"].shape[1]
    assert result.forwards.tolist() == [1 + steps + 1] * 4, "clean, one a step, the last"


# TwoPixels: logits (0, mean(x) - 1/2), so a pixel pulled to class 1 has gradient 1/3 in each channel, one pulled to
# class 0 has none, and the penalty adds -2 (x' - x).
PUBLISHED = ASMA(tau=0.3, beta=0.6)


def run(rule: ASMA, images: Tensor, labels: Tensor, steps: int, **options: object) -> AttackResult:
    return attack(
        TwoPixels(),
        images,
        labels,
        rule,
        max_steps=steps,
        stop=False,
        keep="last",
        **options,  # type: ignore[arg-type]
    )


def two_pixels(first: float, second: float) -> Tensor:
    """(1, 3, 1, 2), gray."""
    return torch.tensor([first, second], dtype=torch.float64).expand(1, 3, 1, 2).contiguous()


def test_two_updates_by_hand() -> None:
    images, labels = two_pixels(0.6, 0.25), torch.tensor([[[1, 1]]])
    result = run(PUBLISHED, images, labels, 2)
    # Step 0: only the second pixel is wrong; it moves by tau / 3 although the IoU is 1/2 already.
    after_one = two_pixels(0.6, 0.25 + 0.3 / 3)
    # Step 1: still wrong (.35); IoU 1/2, so alpha = .6 / 2 + .3, and the penalty pulls with 2 * .1.
    after_two = after_one + two_pixels(0, 0.6 * (1 / 3 - 2 * 0.1))
    assert torch.allclose(result.adv, after_two, atol=1e-12)
    assert [step["multiplier"] for step in result.finished[0].trace] == pytest.approx([0.3, 0.6])
    assert [step["iou"] for step in result.finished[0].trace] == [0.5, 0.5]
    # J at step 1: the wrong pixel's logit .35 - .5 less the squared distance 3 * .1^2.
    assert result.finished[0].trace[1]["loss"] == pytest.approx(-0.15 - 0.03)


@pytest.mark.parametrize(("tau", "expected"), [(10.0, 1.0), (0.9, 0.55)])
def test_iterates_are_clipped_to_the_image_range(tau: float, expected: float) -> None:
    result = run(ASMA(tau=tau), two_pixels(0.8, 0.25), torch.tensor([[[1, 1]]]), 1)
    assert torch.allclose(result.adv, two_pixels(0.8, expected), atol=1e-12)


def test_clipped_at_zero() -> None:
    images, labels = two_pixels(0.8, 0.1), torch.tensor([[[1, 1]]])
    model = TwoPixels(weight=-1.0, bias=-0.6)
    result = attack(model, images, labels, ASMA(tau=1.0, adaptive_mask=False), max_steps=1, stop=False, keep="last")
    assert torch.allclose(result.adv, two_pixels(0.8 - 1 / 3, 0.0), atol=1e-12)


def test_without_the_adaptive_mask_right_pixels_pull_too() -> None:
    result = run(ASMA(tau=0.3, adaptive_mask=False), two_pixels(0.6, 0.25), torch.tensor([[[1, 1]]]), 1)
    assert torch.allclose(result.adv, two_pixels(0.7, 0.35), atol=1e-12)


def test_without_the_dynamic_multiplier_it_stays_tau() -> None:
    rule = ASMA(tau=0.3, beta=0.6, dynamic_multiplier=False)
    result = run(rule, two_pixels(0.6, 0.25), torch.tensor([[[1, 1]]]), 3)
    assert {step["multiplier"] for step in result.finished[0].trace} == {0.3}


@pytest.mark.parametrize(("iou", "expected"), [("foreground", 0.3), ("macro", 0.3 + 0.6 / 4)])
def test_an_erased_target_counts_for_macro_iou_only(iou: str, expected: float) -> None:
    # Target all background, one pixel still foreground: foreground IoU 0, background IoU 1/2, macro 1/4.
    result = run(
        ASMA(tau=0.3, beta=0.6, iou=iou),  # type: ignore[arg-type]
        two_pixels(0.9, 0.25),
        torch.tensor([[[0, 0]]]),
        2,
    )
    assert result.finished[0].trace[1]["multiplier"] == pytest.approx(expected)


@pytest.mark.parametrize("two_pass", [False, True])
def test_empty_target_and_prediction_overlap_fully(two_pass: bool) -> None:
    rule = ASMA(tau=0.3, beta=0.6, two_pass=two_pass)
    result = run(rule, two_pixels(0.2, 0.25), torch.tensor([[[0, 0]]]), 2)
    assert [step["iou"] for step in result.finished[0].trace] == [1, 1]
    assert result.finished[0].trace[1]["multiplier"] == pytest.approx(0.9)
    assert torch.equal(result.adv, two_pixels(0.2, 0.25))
    assert result.zero_gradients.tolist() == [2], "no wrong pixel and no distance: nothing pulls"


@pytest.mark.parametrize("two_pass", [False, True])
def test_labels_where_not_valid_change_nothing(two_pass: bool) -> None:
    images = random_images(1)
    valid = torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(5)) < 0.5
    labels = torch.ones(1, 8, 8, dtype=torch.int64)
    rule = ASMA(tau=0.01, beta=0.05, two_pass=two_pass)

    def attacked(labels: Tensor) -> AttackResult:
        return attack(smooth_network(), images, labels, rule, valid=valid, max_steps=5, stop=False, keep="last")

    expected = attacked(labels)
    assert not torch.equal(expected.adv, images)
    for anything in (0, -100, 255):
        found = attacked(torch.where(valid, labels, anything))
        assert torch.equal(found.adv, expected.adv)
        assert found.finished[0].trace == expected.finished[0].trace


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tau": -1e-3}, r"tau=-0.001: must be in \[0, inf\]"),
        ({"beta": float("nan")}, r"beta=nan: must be in \[0, inf\]"),
        ({"iou": "mean"}, "iou='mean' is not one of foreground, macro"),
        ({"scale": "other"}, "scale='other' is not one of published, auto"),
        ({"scale": "auto", "tau": 1e-3}, "finds tau and beta"),
    ],
)
def test_parameters_that_make_no_sense(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ASMA(**options)
