"""APGD's losses and updates by hand, and its phases of shrinking radii."""

import math

import pytest
import torch

from benchmark import metrics
from benchmark.attacks.apgd import APGD
from benchmark.attacks.pgd import PGD
from benchmark.attacks.projection import project
from benchmark.attacks.scale_free import ScaleFree
from benchmark.engine import Criterion, attack
from tests.attacks.two_by_two import (
    IMAGE,
    LABELS,
    PIXELS,
    Linear,
    Passes,
    cross_entropy_gradient,
    drive,
    logits_at,
    make_batch,
    predicted,
    softmax,
    square,
    two_by_two,
)
from tests.tiny_models import random_images, smooth_network


def right(scores: list[float], label: int) -> float:
    return float(predicted(scores) == label)


def loss_by_hand(rule: APGD, counted: tuple[int, ...]) -> float:
    """Mean over counted pixels, as the papers write it; of "iou" its negative."""
    if rule.loss == "iou":
        return -sum(soft_iou_by_hand(k, counted) for k in (1, 2)) / 2
    total = 0.0
    for p in counted:
        scores, label = logits_at(IMAGE)[p], LABELS[p]
        shares = softmax(scores)
        if rule.loss == "js":
            one = [float(k == label) for k in range(3)]
            middle = [(a + b) / 2 for a, b in zip(shares, one, strict=True)]
            total += sum(a * math.log(a / m) for a, m in zip(shares, middle, strict=True)) / 2
            total += math.log(1 / middle[label]) / 2
            continue
        mask = 1.0
        if rule.loss != "ce":
            mask = 1 - right(scores, label) if rule.targeted else right(scores, label)
        if rule.loss == "balanced_ce":
            mask *= 20 / (30, 20, 10)[label]
        total -= mask * math.log(shares[label])
    return total / len(counted)


def soft_iou_by_hand(k: int, counted: tuple[int, ...]) -> float:
    shares = {p: softmax(logits_at(IMAGE)[p])[k] for p in counted}
    both = sum(share for p, share in shares.items() if LABELS[p] == k)
    labelled = sum(LABELS[p] == k for p in counted)
    return (both + 1) / (sum(shares.values()) + labelled - both + 1)


@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize("counted", [(0, 1, 2, 3), (0, 2, 3)])
@pytest.mark.parametrize("loss", ["ce", "mask_ce", "balanced_ce", "js", "iou"])
def test_losses_by_hand(loss: str, targeted: bool, counted: tuple[int, ...]) -> None:
    rule = APGD(targeted, eps=0.1, loss=loss, random_start=False)  # type: ignore[arg-type]
    batch = two_by_two(rule, counted, class_pixels=(30.0, 20.0, 10.0))
    query = Passes(Linear(), batch)
    rule.step(batch, query)
    sense = -1 if targeted else 1
    assert query.losses.item() == pytest.approx(sense * loss_by_hand(rule, counted), abs=1e-12)


def test_classes_are_balanced_by_the_image_where_the_training_set_is_not_known() -> None:
    rule = APGD(False, loss="balanced_ce")
    assert rule.wants_class_pixels
    assert not APGD(False, loss="mask_ce").wants_class_pixels
    batch = two_by_two(rule, (0, 1, 2))  # labels 0, 1, 0: pixel counts 2, 1, 0
    assert batch.state["class_weights"].tolist() == [[0.5, 1.0, 1.0]]
    batch = two_by_two(rule, class_pixels=(30.0, 20.0, 10.0))
    assert batch.state["class_weights"][0].tolist() == pytest.approx([2 / 3, 1.0, 2.0])


@pytest.mark.parametrize("targeted", [True, False])
def test_two_updates_by_hand(targeted: bool) -> None:
    # The masked loss steers: a step of 2 eps along its direction, then 3/4 of the next one and 1/4 of the last move.
    rule = APGD(targeted, norm=2, eps=0.05, loss="mask_ce", random_start=False)
    found = drive(rule, Linear(), two_by_two(rule, max_steps=50), 2)

    def weight(scores: list[float], label: int) -> float:
        return 1 - right(scores, label) if targeted else right(scores, label)

    def ahead(values: list[float]) -> list[float]:
        gradient = [(-1 if targeted else 1) * g for g in cross_entropy_gradient(values, weight)]
        delta = [values[j] + 0.1 * gradient[j] / math.hypot(*gradient) - IMAGE[j] for j in PIXELS]
        shrink = min(1, 0.05 / math.hypot(*delta))
        return [IMAGE[j] + shrink * delta[j] for j in PIXELS]

    first = ahead(IMAGE)
    assert torch.allclose(found[1], square(first), rtol=0, atol=1e-12)
    second = [first[j] + 0.75 * (z - first[j]) + 0.25 * (first[j] - IMAGE[j]) for j, z in enumerate(ahead(first))]
    delta = [second[j] - IMAGE[j] for j in PIXELS]
    shrink = min(1, 0.05 / math.hypot(*delta))
    assert torch.allclose(found[2], square([IMAGE[j] + shrink * delta[j] for j in PIXELS]), rtol=0, atol=1e-12)


def test_shrinking_hands_on_the_most_fooling_point_projected() -> None:
    rule = APGD(False, eps=0.02, loss="js", shrinking=True)
    network, images = smooth_network(3), random_images(2)
    with torch.no_grad():
        labels = network(images).argmax(1)
    batch = make_batch(rule, images, labels, classes=3, max_steps=20)
    iterates = drive(rule, network, batch, 20)
    with torch.no_grad():
        fooled = torch.stack([(network(points).argmax(1) != labels).flatten(1).sum(1) for points in iterates])
    for begin, end, factor in ((0, 6, 1.5), (6, 12, 1.0)):
        for image in range(2):
            of_phase = fooled[begin:end, image].tolist()
            best = begin + max(range(end - begin), key=lambda i: (of_phase[i], i))
            radius = torch.tensor([factor * 0.02], dtype=torch.float64)
            expected = project(iterates[best][image : image + 1], images[image : image + 1], radius, "inf")
            assert torch.equal(iterates[end][image], expected[0])
    assert (iterates[1] - images).abs().max() > 0.03, "within 2 eps, not 1.5"
    # Anew: the first update of a phase is a whole step of 2 eps, cut off at the ball.
    assert (iterates[13] - images).abs().max() == pytest.approx(0.02)


def test_a_warm_start_stays_within_the_budget_throughout() -> None:
    rule = APGD(False, loss="js", shrinking=True)
    assert rule.warm() == APGD(False, loss="js", shrinking=False)
    assert ScaleFree(rule).warm() == ScaleFree(rule.warm())
    assert PGD(False).warm() == PGD(False)


@pytest.mark.parametrize("loss", ["mask_ce", "balanced_ce", "js", "iou"])
def test_sea_keeps_its_lowest_accuracy_within_the_budget(loss: str) -> None:
    network, images = smooth_network(3), random_images(3)
    with torch.no_grad():
        labels = network(images).argmax(1)
    rule = APGD(False, eps=0.03, loss=loss, shrinking=True)  # type: ignore[arg-type]
    judge = Criterion("apsr", reference="truth", value=1.0)
    result = attack(network, images, labels, rule, judge=judge, max_steps=40, stop=False, keep="score", slots=2)
    assert (result.adv - images).abs().max() <= 0.03 + 1e-9
    assert result.steps.tolist() == [40] * 3
    assert result.backwards.tolist() == [40] * 3
    with torch.no_grad():
        counts = metrics.confusion(network(result.adv).argmax(1), labels, None, 3)
    accuracy = metrics.pixel_accuracy(counts)
    for image, share in zip(result.finished, accuracy.tolist(), strict=True):
        last_phase = [step["pixel_acc"] for step in image.trace if step["step"] >= 24]
        assert share <= min(last_phase) + 1e-12
