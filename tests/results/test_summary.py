import json
import math
import statistics
from pathlib import Path

import pytest

from benchmark.errors import InputError
from benchmark.results.summary import NORMS, SCORES, summarise, write_summary
from benchmark.runs.folder import RunFolder
from tests.example_rows import row, table


def test_satisfied_images_enter_neither_side_of_the_rate() -> None:
    (summary,) = summarise(
        table(
            row("a"),
            row("b", success8=False),
            row("c", success=False, success8=False),
            row("d", success_clean=True),
            row("e", success_clean=True, success=False, success8=False),
        )
    )
    assert (summary["images"], summary["attacked"], summary["already_satisfied"]) == (5, 3, 2)
    assert summary["success_rate"] == pytest.approx(2 / 3)
    assert summary["success8_rate"] == pytest.approx(1 / 3)
    low, high = summary["success_rate_ci95"]
    assert 0 < low < 2 / 3 < high < 1


def test_nothing_attacked_means_no_rate() -> None:
    (summary,) = summarise(table(row("a", success_clean=True)))
    assert summary["success_rate"] is None
    assert summary["success8_rate_ci95"] is None
    empty = ("mean", "std", "median", "q25", "q75", "ci95", "median_ci95", "median_all", "median_all_ci95")
    counts = {"count": 0, "failures": 0}
    assert summary["success_passes"] == dict.fromkeys(empty) | counts
    assert summary["l2"] == dict.fromkeys((*empty, "median_all8", "median_all8_ci95")) | counts


def test_statistics_of_a_column() -> None:
    values = [0.1, 0.4, 0.7, 0.9, 0.95]
    (summary,) = summarise(table(*(row(str(i), adv_iou_target=value) for i, value in enumerate(values))))
    column = summary["adv_iou_target"]
    assert column["mean"] == pytest.approx(statistics.mean(values))
    assert column["std"] == pytest.approx(statistics.stdev(values))
    quartiles = statistics.quantiles(values, n=4, method="inclusive")
    assert [column["q25"], column["median"], column["q75"]] == pytest.approx(quartiles)
    assert column["ci95"][0] < column["mean"] < column["ci95"][1]


def test_every_score_and_norm_of_the_schema_is_summarised() -> None:
    (summary,) = summarise(table(row("a"), row("b")))
    assert len(SCORES) == 15
    assert {"steps", "forwards", "backwards", "seconds", *SCORES, *NORMS} <= set(summary)
    assert summary["l0_share"]["mean"] == pytest.approx(0.5 / (4 * 4))


def test_norms_are_over_successes_and_count_failures() -> None:
    rows = [row(str(i), l2=float(i), psnr=40.0 - i, success=i < 3) for i in range(5)]
    (summary,) = summarise(table(*rows, row("satisfied", l2=0.0, success_clean=True)))
    assert summary["l2"]["mean"] == 1.0
    assert (summary["l2"]["count"], summary["l2"]["failures"]) == (3, 2)
    assert summary["l2"]["median_all"] == 2.0
    assert summary["psnr"]["median"] == 39.0
    assert summary["psnr"]["median_all"] == 38.0


def test_the_median_over_all_is_null_when_failures_reach_the_middle() -> None:
    (summary,) = summarise(table(*(row(str(i), l2=1.0, success=i < 2) for i in range(5))))
    assert summary["l2"]["median"] == 1.0
    assert summary["l2"]["median_all"] is None
    assert summary["ssim"]["median_all"] is None


def test_medians_over_all_have_intervals_that_end_where_failures_reach_the_middle() -> None:
    rows = [row(str(i), l2=float(i), success=i < 9, success8=i < 6, steps=i) for i in range(11)]
    (summary,) = summarise(table(*rows))
    assert summary["l2"]["median_all"] == summary["l2"]["median_all8"] == 5.0
    low, high = summary["l2"]["median_all_ci95"]
    assert low < 5.0 < high
    low8, high8 = summary["l2"]["median_all8_ci95"]
    assert low8 <= low
    assert high8 is None
    assert summary["steps"]["median_ci95"][0] < summary["steps"]["median"] < summary["steps"]["median_ci95"][1]


def test_what_an_attack_is_stands_beside_its_name() -> None:
    attack = {"attack": "pgd@4", "family": "pgd", "norm": "inf", "eps": 4 / 255, "targeted": True}
    (pgd,) = summarise(table(row("a", **attack), row("b", **attack)))
    assert {name: pgd[name] for name in (*attack, "equal_norm")} == attack | {"equal_norm": None}
    (noise,) = summarise(table(row("a", eps=0.1, equal_norm="asma"), row("b", eps=0.2, equal_norm="asma")))
    assert (noise["eps"], noise["equal_norm"], noise["targeted"]) == (None, "asma", False)


def test_passes_to_success_count_failures_as_infinite() -> None:
    passes = [(2, True), (None, True), (6, False), (None, False), (8, True)]
    rows = [row(str(i), success_passes=n, success8=ok, passes=20) for i, (n, ok) in enumerate(passes)]
    (summary,) = summarise(table(*rows, row("satisfied", success_clean=True, success_passes=0)))
    found = summary["success_passes"]
    assert (found["count"], found["failures"]) == (3, 2)
    assert found["mean"] == 10.0  # 20 where success was known only at the end
    assert found["median_all"] == 20.0
    assert found["median_all_ci95"] == [2.0, None]
    assert summary["passes"]["mean"] == pytest.approx((5 * 20 + 4) / 6)
    (failing,) = summarise(table(row("a"), row("b", success8=False), row("c", success8=False)))
    assert failing["success_passes"]["median_all"] is None


def test_rows_of_an_earlier_version_are_summarised() -> None:
    unknown = dict.fromkeys(("family", "norm", "targeted", "passes", "success_passes"))
    (summary,) = summarise(table(row("a", **unknown), row("b", **unknown)))
    assert (summary["family"], summary["norm"], summary["targeted"]) == (None, None, None)
    assert summary["passes"]["mean"] is None


def test_input_transforms_are_described_and_called_not_adaptive() -> None:
    scores = {"jpeg75_iou_target": 0.25, "jpeg75_iou_truth": 0.5, "clean_jpeg75_iou_truth": 0.75}
    asma, plain = summarise(table(row("a", **scores), row("b", **scores), row("a", attack="plain")))
    found = asma["input_transforms"]
    assert found["adaptive"] is False
    assert {name: column["mean"] for name, column in found["jpeg75"].items()} == {
        "iou_target": 0.25,
        "iou_truth": 0.5,
        "clean_iou_truth": 0.75,
    }
    assert set(found) == {"jpeg75", "adaptive"}
    assert plain["input_transforms"]["jpeg75"]["iou_target"]["mean"] is None
    assert "input_transforms" not in summarise(table(row("a")))[0]


def test_data_set_scores_come_from_summed_counts() -> None:
    (summary,) = summarise(
        table(
            row("a", clean_confusion_truth=[2, 1, 0, 1], adv8_confusion_truth=[0, 0, 0, 5]),
            row("b", clean_confusion_truth=[0, 0, 4, 0], adv8_confusion_truth=[0, 0, 0, 5]),
        )
    )
    assert summary["dataset"]["clean_miou"] == pytest.approx((2 / 7 + 1 / 6) / 2)
    assert summary["dataset"]["clean_foreground_iou"] == pytest.approx(1 / 6)
    assert summary["dataset"]["adv8_miou_truth"] == 1.0
    assert set(summary["dataset"]) == {
        *("clean_miou", "adv_miou_truth", "adv8_miou_truth"),
        *("clean_foreground_iou", "adv_foreground_iou_truth", "adv8_foreground_iou_truth"),
    }


def test_the_background_class_is_the_one_declared() -> None:
    counts = [2, 1, 0, 1]
    (other,) = summarise(table(row("a", clean_confusion_truth=counts, background=1)))
    assert other["dataset"]["clean_foreground_iou"] == pytest.approx(2 / 3)
    (all_classes,) = summarise(table(row("a", clean_confusion_truth=counts, background=None)))
    assert all_classes["dataset"]["clean_foreground_iou"] == all_classes["dataset"]["clean_miou"]


def test_groups_are_resampled_whole_where_known() -> None:
    values = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]
    by_image = table(*(row(str(i), seconds=value) for i, value in enumerate(values)))
    by_patient = table(*(row(str(i), seconds=value, group=f"p{value}") for i, value in enumerate(values)))
    assert summarise(by_patient)[0]["seconds"]["ci95"] == [0.0, 1.0]
    low, high = summarise(by_image)[0]["seconds"]["ci95"]
    assert 0.0 < low < 0.5 < high < 1.0


def test_order_of_rows_does_not_matter() -> None:
    rows = [row(str(i), seconds=0.1 * i) for i in range(7)]
    assert summarise(table(*rows)) == summarise(table(*reversed(rows)))


def test_rows_of_differing_class_counts_are_refused() -> None:
    rows = table(row("a"), row("b", classes=3))
    with pytest.raises(InputError, match=r"asma: rows have \(classes, background\) \[\(2, 0\), \(3, 0\)\]"):
        summarise(rows)


def test_written_json_is_strict_and_one_attack_stands_alone(tmp_path: Path) -> None:
    path = RunFolder(tmp_path).summary_file
    write_summary(table(row("a", psnr=math.inf), row("b", seconds=math.nan)), RunFolder(tmp_path))
    document = json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert document["attack"] == "asma"
    assert document["judge"] == "iou to target >= 0.95"
    assert document["psnr"]["mean"] is None
    assert document["seconds"]["mean"] == 0.5
    assert [file.name for file in tmp_path.iterdir()] == ["summary.json"]


def test_several_attacks_become_a_list(tmp_path: Path) -> None:
    path = RunFolder(tmp_path).summary_file
    returned = write_summary(table(row("a", attack="pgd"), row("a")), RunFolder(tmp_path))
    document = json.loads(path.read_text())
    assert [summary["attack"] for summary in document["attacks"]] == ["asma", "pgd"]
    assert (document["attacks"], document["worst_case"]) == returned
    assert [one["attacks"] for one in returned.worst_case] == [["asma", "pgd"]]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = RunFolder(tmp_path).summary_file
    path.write_text("old")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_summary(table(row("a")), RunFolder(tmp_path))
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


def test_norms_of_the_file_are_over_files_that_succeed() -> None:
    rows = [row("a", adv8_l2=1.0, l2=1.0), row("b", adv8_l2=3.0, l2=3.0, success8=False)]
    (summary,) = summarise(table(*rows))
    assert (summary["l2"]["mean"], summary["l2"]["count"]) == (2.0, 2)
    assert (summary["adv8_l2"]["mean"], summary["adv8_l2"]["count"], summary["adv8_l2"]["failures"]) == (1.0, 1, 1)


def test_images_without_any_gradient_are_counted() -> None:
    rows = [row("a", backwards=3, zero_gradients=3), row("b", backwards=3, zero_gradients=2), row("c", backwards=0)]
    assert summarise(table(*rows))[0]["no_gradient"] == 1
