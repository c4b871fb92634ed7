"""logger=tensorboard through the command: what is in the event files, computed again from rows and traces."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from benchmark.runs import tables


def _read(run: Path) -> EventAccumulator:
    return EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0, "images": 0}).Reload()


@pytest.fixture(scope="module")
def events(logged: Path) -> EventAccumulator:
    return _read(logged)


def _numbers(summary: Any, path: str) -> dict[str, float]:
    if isinstance(summary, dict):
        return {key: value for name in summary for key, value in _numbers(summary[name], f"{path}/{name}").items()}
    if isinstance(summary, list):
        return _numbers(dict(zip(("low", "high"), summary, strict=True)), path)
    return {path: summary} if isinstance(summary, int | float) and not isinstance(summary, bool) else {}


def _last(traces: list[dict[str, Any]], image: str, step: int) -> dict[str, Any]:
    """What was measured of an image last, by that step."""
    return max((row for row in traces if row["id"] == image and row["step"] <= step), key=lambda row: row["step"])


def test_training_curves_are_those_of_metrics_csv(logged: Path, events: EventAccumulator) -> None:
    import csv

    with (logged / "metrics.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    for name in ("val/iou", "train/loss"):
        expected = [(int(row["step"]), pytest.approx(float(row[name]), rel=1e-5)) for row in written if row[name]]
        assert [(event.step, event.value) for event in events.Scalars(name)] == expected
        assert len(expected) == 2


def test_every_number_of_the_summary_is_a_scalar(logged: Path, events: EventAccumulator) -> None:
    attacks = json.loads((logged / "summary.json").read_text())["attacks"]
    assert [one["attack"] for one in attacks] == ["asma", "noise@0.5", "noise@16", "pgd@0.5", "pgd@16"]
    for one in attacks:
        numbers = _numbers(one, f"attack/{one['attack'].replace('.', '_')}")
        numbers.pop(f"attack/{one['attack'].replace('.', '_')}/images")  # the table's key
        assert len(numbers) > 100
        for tag, value in numbers.items():
            assert [(event.step, event.value) for event in events.Scalars(tag)] == [
                (0, pytest.approx(value, rel=1e-5, abs=1e-7))
            ], tag


@pytest.mark.parametrize("attack", ["asma", "pgd@0.5"])
def test_curves_are_means_over_images(logged: Path, events: EventAccumulator, attack: str) -> None:
    traces = [row for row in pq.read_table(logged / "traces.parquet").to_pylist() if row["attack"] == attack]
    images = {row["id"] for row in traces}
    assert len(images) > 1  # those the clean image does not satisfy
    for name in ("iou", "l2", "linf"):
        shown = events.Scalars(f"attack/{attack.replace('.', '_')}/{name}")
        assert [event.step for event in shown] == sorted({row["step"] for row in traces})
        for event in shown:
            last = [_last(traces, image, event.step)[name] for image in images]
            assert event.value == pytest.approx(math.fsum(last) / len(images), rel=1e-5)


def test_montages_are_those_of_the_folder(logged: Path, events: EventAccumulator, tmp_path: Path) -> None:
    files = {"asma": "montage_asma.png", "noise@16": "montage_noise@16.png", "pgd@16": "montage_pgd@16.png"}
    assert set(events.Tags()["images"]) == {f"attack/{attack}/montage" for attack in files}
    for attack, name in files.items():
        (event,) = events.Images(f"attack/{attack}/montage")
        (tmp_path / "shown.png").write_bytes(event.encoded_image_string)
        drawn = Image.open(logged / name).convert("RGB")
        assert np.array_equal(np.asarray(Image.open(tmp_path / "shown.png")), np.asarray(drawn))


def test_a_resumed_run_goes_on_in_the_same_folder(command, logged: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(logged, tmp_path / "run")
    rows = tables.read(folder).to_pylist()
    lost = [row for row in rows if not (row["attack"] == "pgd@16" and row["id"] == rows[-1]["id"])]
    (folder / "records.parquet").unlink()
    tables.Writer(folder, tables.RECORDS).append(lost)
    outcome = command("run", f"run.resume={folder}", "logger=[tensorboard]")
    assert outcome.status == 0, outcome.err
    assert tables.read(folder).num_rows == len(lost) + 1
    again = _read(folder)
    assert [event.step for event in again.Scalars("val/iou")] == [
        event.step for event in _read(logged).Scalars("val/iou")
    ]
    for tag in ("attack/pgd@16/iou", "attack/asma/iou"):
        steps = [event.step for event in again.Scalars(tag)]
        assert steps == sorted(set(steps))
    (count,) = again.Scalars("attack/pgd@16/attacked")
    (skipped,) = again.Scalars("attack/pgd@16/already_satisfied")
    assert count.value + skipped.value == 4
