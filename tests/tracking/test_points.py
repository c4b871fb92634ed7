from pathlib import Path

import pyarrow as pa
import pytest

from benchmark.results.summary import summarise
from benchmark.tracking.epoch import FinishedEpoch
from benchmark.tracking.points import LINES, MONTAGE, TABLE, AttackLog, attack_logs
from tests.tracking.example_epoch import IMAGES, rows, traces


@pytest.fixture
def logs() -> dict[str, AttackLog]:
    epoch = FinishedEpoch(
        rows=rows(), traces=traces(), summaries=summarise(rows()), montages={"asma": Path("montage.png")}
    )
    return {log.attack: log for log in attack_logs(epoch)}


def test_curves_and_points_have_full_keys(logs: dict[str, AttackLog]) -> None:
    steps, images = logs["asma"].over_steps, logs["asma"].over_images
    assert [point[steps.axis] for point in steps.points] == list(range(IMAGES))
    assert steps.axis == "attack/asma/step"
    assert set(steps.keys) == {f"attack/asma/{n}" for n in ("active", "iou", "pixel_acc", "l2", "linf", "multiplier")}
    assert images.axis == "attack/asma/image/index"
    assert "attack/asma/image/psnr" not in images.points[0]  # infinite
    assert images.points[1]["attack/asma/image/psnr"] == 31


def test_keys_are_those_there_is_something_under(logs: dict[str, AttackLog]) -> None:
    asma, noise = logs["asma"].keys, logs["noise"].keys
    assert {"attack/asma/images", "attack/asma/iou_by_image", "attack/asma/montage", "attack/asma/step"} <= asma
    assert {"attack/noise/images", "attack/noise/image/index", "attack/noise/success8_rate"} <= noise
    assert not {"attack/noise/iou_by_image", "attack/noise/montage", "attack/noise/step"} & noise
    # An infinite median has no key, the mean of what is known has.
    assert "attack/asma/psnr/mean" not in asma
    assert "attack/asma/l2/mean" in asma


def test_the_count_of_images_does_not_take_the_tables_place(logs: dict[str, AttackLog]) -> None:
    assert logs["asma"].key(TABLE) == "attack/asma/images"
    assert "attack/asma/images" not in logs["asma"].summary
    assert (
        logs["asma"].summary["attack/asma/attacked"] + logs["asma"].summary["attack/asma/already_satisfied"] == IMAGES
    )


def test_two_kinds_of_values_never_share_a_key(logs: dict[str, AttackLog]) -> None:
    for log in logs.values():
        kinds = [*log.over_steps.keys, log.over_steps.axis, *log.over_images.keys, log.over_images.axis]
        kinds += [*log.summary, log.key(TABLE), log.key(LINES), log.key(MONTAGE)]
        assert len(set(kinds)) == len(kinds)


def test_budgets_with_a_decimal_point_have_keys_of_their_own() -> None:
    renamed = rows().to_pylist()
    for row in renamed:
        row["attack"] = {"asma": "pgd@0.5", "noise": "pgd@5"}[row["attack"]]
    table = pa.Table.from_pylist(renamed, schema=rows().schema)
    logs = attack_logs(FinishedEpoch(rows=table, traces=traces().slice(0, 0), summaries=summarise(table)))
    assert [log.key(TABLE) for log in logs] == ["attack/pgd@0_5/images", "attack/pgd@5/images"]
    assert not any("." in key for log in logs for key in log.keys)
