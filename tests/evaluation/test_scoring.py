import pytest
import torch

from benchmark.evaluation.scoring import score_perturbation, score_prediction, score_target
from benchmark.label_subsets import NO_LABEL
from benchmark.runs.row_schema import PREDICTIONS, SCHEMA


def test_a_prediction_by_hand() -> None:
    preds = torch.tensor([[1, 1, 0, 0, 1]])
    truth = torch.tensor([[1, 0, 0, 0, 0]])
    target = torch.tensor([[0, 1, 1, 0, 0]])
    valid = torch.tensor([[True, True, True, True, False]])
    scores = score_prediction(preds, truth, target, valid, classes=2, background=0)
    assert scores["confusion_truth"] == [2, 1, 0, 1]
    assert [scores[name] for name in ("iou_truth", "pixel_acc_truth", "dice_truth")] == pytest.approx(
        [1 / 2, 3 / 4, 2 / 3]
    )
    assert [scores[name] for name in ("iou_target", "pixel_acc_target")] == pytest.approx([1 / 3, 1 / 2])


def test_a_target_by_hand() -> None:
    truth, target = torch.tensor([[1, 0, 2, 1, 1]]), torch.tensor([[1, 0, 1, 0, 1]])
    valid = torch.tensor([[True, True, True, True, False]])
    # Of class 1 one pixel of three is common, of class 2 none.
    found = score_target(truth, target, valid, 3, 0)
    assert found["iou_target_truth"] == pytest.approx(1 / 6)
    assert (found["target_pixels"], found["target_class_pixels"]) == (2, [2, 2, 0])
    assert score_target(truth, target, valid, 3, 1)["target_pixels"] == 2
    assert score_target(truth, target, valid, 3, None)["target_pixels"] == 4
    erased = score_target(truth, torch.zeros_like(target), valid, 3, 0)
    assert erased == {"target_pixels": 0, "target_class_pixels": [4, 0, 0], "iou_target_truth": 0}


def test_a_target_of_labels_that_overlap_has_the_pixels_of_each() -> None:
    target = torch.tensor([[0, 1, 3, 3, 2]])
    found = score_target(target, target, target >= 0, 4, NO_LABEL)
    assert (found["target_pixels"], found["target_class_pixels"]) == (4, [3, 3])


def test_a_perturbation_by_hand() -> None:
    image = torch.full((3, 8, 8), 0.5)
    adv = image.clone()
    adv[:, 0, 0] += torch.tensor([0.3, -0.4, 0.0])
    scores = score_perturbation(image, adv)
    expected = {"l0": 1, "l1": 0.7, "l2": 0.5, "linf": 0.4, "rms": 0.5 / 192**0.5}
    assert {name: scores[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert scores["psnr"] == pytest.approx(10 * torch.log10(torch.tensor(192 / 0.25)).item(), abs=1e-4)
    assert 0 < scores["ssim"] < 1


def test_no_perturbation() -> None:
    image = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    scores = score_perturbation(image, image.clone())
    assert [scores[name] for name in ("l0", "l1", "l2", "linf", "rms")] == [0] * 5
    assert scores["psnr"] == float("inf")
    assert scores["ssim"] == pytest.approx(1)


def test_the_scores_are_columns_of_a_row() -> None:
    maps = torch.zeros(1, 2, dtype=torch.int64)
    prediction = score_prediction(maps, maps, maps, maps == 0, classes=2, background=0)
    assert {f"{p}_{name}" for p in PREDICTIONS for name in prediction} <= set(SCHEMA.names)
    assert set(score_perturbation(torch.zeros(3, 8, 8), torch.ones(3, 8, 8))) <= set(SCHEMA.names)
