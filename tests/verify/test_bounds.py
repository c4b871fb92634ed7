"""What holds of every result and its file, and that nothing else passes."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.criterion import Criterion
from benchmark.evaluation.case import Case
from benchmark.evaluation.scoring import score_perturbation
from benchmark.images.quantisation import Quantizer
from benchmark.verify.bounds import counts_of, outcome, scores_from_counts, visibility
from benchmark.verify.relations import Trace
from tests.evaluation.made_case import make_case

EIGHT_BIT = Quantizer(8)


def _case(seed: int = 0, channels: int = 3, quantizer: Quantizer = EIGHT_BIT) -> Case:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, quantizer.highest + 1, (channels, 12, 12), generator=generator).float() / quantizer.highest
    truth = torch.randint(0, 2, (12, 12), generator=generator)
    valid = torch.rand(12, 12, generator=generator) > 0.1
    return make_case(image, truth, valid)


def _visibility(row: dict[str, Any], budget: float | None, trace: Trace | None) -> set[str]:
    """The columns that do not fit `CASE` and `FILE`."""
    return _wrong(visibility(row, CASE, file=FILE, budget=budget, trace=trace, quantizer=EIGHT_BIT))


def _wrong(relations: Any) -> set[str]:
    return {column for column, holds, _ in relations if not holds}


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    size=st.sampled_from([0.0, 1e-4, 0.5 / 255, 0.01, 0.3, 2.0]),
    sparse=st.booleans(),
    channels=st.sampled_from([1, 3]),
    bits=st.sampled_from([8, 12, 16]),
)
def test_every_result_and_its_file_fit(seed: int, size: float, sparse: bool, channels: int, bits: int) -> None:
    quantizer = Quantizer(bits)
    case = _case(seed, channels, quantizer)
    generator = torch.Generator().manual_seed(seed + 1)
    delta = size * (2 * torch.rand(case.image.shape, generator=generator) - 1)
    if sparse:
        delta = delta * (torch.rand(case.image.shape, generator=generator) > 0.9)
    adv = (case.image + delta).clamp(0, 1)
    row = score_perturbation(case.image, adv) | {"norm": "inf"}
    file = score_perturbation(case.image, quantizer.round(adv))
    trace = Trace(3, (adv - case.image).norm().item(), (adv - case.image).abs().max().item())
    for norm, column in (("inf", "linf"), ("2", "l2"), ("1", "l1")):
        relations = visibility(
            row | {"norm": norm}, case, file=file, budget=row[column], trace=trace, quantizer=quantizer
        )
        assert not _wrong(relations)


CASE = _case()
ADV = (CASE.image + 0.02).clamp(0, 1)
NORMS = score_perturbation(CASE.image, ADV) | {"norm": "inf"}
FILE = score_perturbation(CASE.image, EIGHT_BIT.round(ADV))
VALUES = CASE.image.numel()


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"l0": FILE["l0"] - 1}, "l0"),
        ({"l0": 145.0}, "l0"),
        ({"l1": FILE["l1"] + VALUES * 0.6 / 255}, "l1"),
        ({"l1": FILE["l1"] - VALUES * 0.6 / 255}, "l1"),
        ({"l2": FILE["l2"] + math.sqrt(VALUES) * 0.6 / 255}, "l2"),
        ({"l2": FILE["l2"] - math.sqrt(VALUES) * 0.6 / 255}, "l2"),
        ({"linf": FILE["linf"] + 0.6 / 255}, "linf"),
        ({"linf": FILE["linf"] - 0.6 / 255}, "linf"),
        ({"l2": NORMS["l2"] * (1 + 1e-8)}, "rms"),
        ({"rms": NORMS["rms"] * (1 + 1e-8)}, "rms"),
        ({"psnr": NORMS["psnr"] + 1e-6}, "psnr"),
        ({"ssim": 1.1}, "ssim"),
        ({"ssim": None}, "ssim"),
        ({"l2": None}, "l2"),
        ({"rms": None}, "rms"),
        ({"psnr": math.nan}, "psnr"),
    ],
)
def test_a_norm_that_no_such_file_has(changes: dict[str, Any], wrong: str) -> None:
    assert wrong in _visibility(NORMS | changes, None, None)


@pytest.mark.parametrize("bits", [8, 12])
def test_files_are_within_half_a_level_of_their_depth(bits: int) -> None:
    quantizer = Quantizer(bits)
    case = _case(1, quantizer=quantizer)
    file = score_perturbation(case.image, quantizer.round(case.image + 0.02))
    for column, values in (("l1", VALUES), ("l2", math.sqrt(VALUES)), ("linf", 1)):
        row = file | {"norm": "inf", column: file[column] + values * 0.6 / quantizer.highest}
        relations = visibility(row, case, file=file, budget=None, trace=None, quantizer=quantizer)
        assert any(name == column and not holds and "must be within" in what for name, holds, what in relations)


def test_budgets_and_traces_are_kept() -> None:
    linf, l2 = NORMS["linf"], NORMS["l2"]
    assert not _visibility(NORMS, linf, Trace(1, l2, linf))
    assert _visibility(NORMS, linf - 1e-4, None) == {"linf"}
    assert _visibility(NORMS, linf - 0.7 / 255, None) == {"linf", "adv8_linf"}
    by_l2 = NORMS | {"norm": "2"}
    assert _visibility(by_l2, l2 - 1e-4, None) == {"l2"}
    assert _visibility(by_l2, l2 - math.sqrt(VALUES) * 0.7 / 255, None) == {"l2", "adv8_l2"}
    assert _visibility(NORMS | {"norm": "1"}, 0.1, None) == {"l1", "adv8_l1"}
    assert _visibility(NORMS, None, Trace(1, l2 * 1.001, linf)) == {"l2"}
    assert _visibility(NORMS, None, Trace(1, l2, linf * 0.999)) == {"linf"}


OUTCOME = {
    **{"adv_iou_target": 0.96, "adv_iou_truth": 0.2, "adv_pixel_acc_target": 0.97, "adv_pixel_acc_truth": 0.05},
    **{"adv_dice_truth": 0.3, "success": True, "targeted": True, "nonfinite_gradient": False},
    **{"classes": 2, "background": 0, "overlapping": False, "adv_class_iou_target": [0.5, 0.96]},
    **{"at_floor": False, "stop": False},
}


@pytest.mark.parametrize(
    "judge",
    [
        Criterion("iou", "target", ">=", 0.95),
        Criterion("iou", "truth", "<=", 0.2),
        Criterion("dice", "truth", "<=", 0.3),
        Criterion("apsr", "target", ">=", 0.97),
        Criterion("apsr", "truth", ">=", 0.95),
    ],
    ids=str,
)
def test_success_follows_from_the_judged_score(judge: Criterion) -> None:
    assert not _wrong(outcome(OUTCOME, CASE, judge))
    assert _wrong(outcome(OUTCOME | {"success": False}, CASE, judge)) == {"success"}
    # What became not finite may have a score and be no success.
    assert not _wrong(outcome(OUTCOME | {"success": False, "nonfinite_gradient": True}, CASE, judge))


@pytest.mark.parametrize(("score", "stop", "fits"), [(1.0, False, True), (0.96, False, False), (0.96, True, True)])
def test_a_floor_is_a_score_that_cannot_be_improved_or_the_end_of_an_attack_that_stops(
    score: float, stop: bool, fits: bool
) -> None:
    row = OUTCOME | {"at_floor": True, "stop": stop, "adv_iou_target": score, "adv_class_iou_target": [0.5, score]}
    assert _wrong(outcome(row, CASE, Criterion())) == (set() if fits else {"at_floor"})


@pytest.mark.parametrize("scores", [None, [0.96], [0.5, 0.9], [0.5, 1.1], [0.5, None], [0.5, "0.96"]])
def test_scores_of_classes_have_the_mean_of_the_row(scores: Any) -> None:
    assert _wrong(outcome(OUTCOME | {"adv_class_iou_target": scores}, CASE, Criterion())) == {"adv_class_iou_target"}
    two = {"classes": 4, "overlapping": True, "adv_class_iou_target": [0.94, 0.98]}
    assert not _wrong(outcome(OUTCOME | two, CASE, Criterion()))


def test_what_is_left_of_an_erased_structure_is_no_overlap() -> None:
    case = replace(CASE, target=torch.zeros_like(CASE.target))
    row = OUTCOME | {"adv_iou_target": 0.0, "adv_class_iou_target": [0.99, 0.0]}
    assert not _wrong(outcome(row, case, Criterion()))
    assert _wrong(outcome(row, case, Criterion("iou", "target", "<=", 0.5))) == set()
    assert _wrong(outcome(row, case, Criterion("apsr", "target", ">=", 0.98))) == {"success"}


def test_success_is_not_told_from_scores_over_other_pixels() -> None:
    part = CASE.valid & (torch.arange(12) < 6)
    case = replace(CASE, target_valid=part)
    for judge, told in ((Criterion("iou", "target"), True), (Criterion("iou", "truth", "<=", 0.5), False)):
        assert _wrong(outcome(OUTCOME | {"success": False}, case, judge)) == ({"success"} if told else set())


def test_scores_lie_between_0_and_1() -> None:
    changed = OUTCOME | {"adv_iou_target": 1.01, "adv_dice_truth": None, "success": None}
    assert _wrong(outcome(changed, CASE, Criterion("area", "truth", "<=", 0.1))) == {
        *("adv_iou_target", "adv_dice_truth", "success", "adv_class_iou_target")
    }


def _tables(*changes: tuple[int, int]) -> dict[str, Any]:
    ones = int((CASE.truth[CASE.valid] == 1).sum())
    counts = [int(CASE.valid.sum()) - ones, 0, 3, ones - 3]
    for place, amount in changes:
        counts[place] += amount
    return {f"{prefix}_confusion_truth": counts for prefix in ("clean", "adv", "adv8")}


def test_scores_follow_from_a_rows_own_counts() -> None:
    row = _tables()
    tables, relations = counts_of(row, CASE, 2)
    assert not _wrong(relations)
    ones = row["adv_confusion_truth"][2] + row["adv_confusion_truth"][3]
    columns = scores_from_counts(tables, 0)
    assert columns["adv_iou_truth"] == pytest.approx((ones - 3) / ones)
    assert columns["adv8_dice_truth"] == pytest.approx(2 * (ones - 3) / (2 * ones - 3))
    assert columns["adv_class_iou_truth"][1] == columns["adv_iou_truth"]
    assert columns["clean_pixel_acc_truth"] == pytest.approx(1 - 3 / int(CASE.valid.sum()))


@pytest.mark.parametrize(
    "counts",
    [None, [1, 2], [], _tables((0, 1))["adv_confusion_truth"], _tables((0, 1), (1, -1))["adv_confusion_truth"]],
)
def test_counts_that_are_not_of_the_truth(counts: Any) -> None:
    tables, relations = counts_of(_tables() | {"adv_confusion_truth": counts}, CASE, 2)
    assert _wrong(relations) == {"adv_confusion_truth"}
    assert set(scores_from_counts(tables, 0)) == {
        f"{prefix}_{name}_truth" for prefix in ("clean", "adv8") for name in ("iou", "pixel_acc", "dice", "class_iou")
    }
