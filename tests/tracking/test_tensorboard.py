"""Event files, read back with TensorBoard's own reader."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from benchmark.results.summary import summarise
from benchmark.tracking.epoch import FinishedEpoch
from benchmark.tracking.tensorboard import TensorBoardRun
from tests.tracking.example_epoch import IMAGES, rows, traces


def _read(run: Path) -> EventAccumulator:
    return EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0, "images": 0, "tensors": 0}).Reload()


def _scalars(run: Path, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in _read(run).Scalars(tag)]


def _epoch(**more: Any) -> FinishedEpoch:
    return FinishedEpoch(rows=rows(), traces=traces(), summaries=summarise(rows()), **more)


def test_curves_are_means_over_images_at_each_step(tmp_path: Path) -> None:
    TensorBoardRun(tmp_path).log_attack_epoch(_epoch())
    # Image i is attacked for i steps, has IoU step/10 while it is and keeps its last one.
    expected = [np.mean([min(step, image) / 10 for image in range(IMAGES)]) for step in range(IMAGES)]
    assert _scalars(tmp_path, "attack/asma/iou") == [(s, pytest.approx(v)) for s, v in enumerate(expected)]
    assert _scalars(tmp_path, "attack/asma/active") == [(s, IMAGES - s) for s in range(IMAGES)]
    assert "attack/asma/step" not in _read(tmp_path).Tags()["scalars"]


def test_the_numbers_of_the_summary_are_there(tmp_path: Path) -> None:
    TensorBoardRun(tmp_path).log_attack_epoch(_epoch())
    asma, noise = summarise(rows())
    tags = _read(tmp_path).Tags()["scalars"]
    assert _scalars(tmp_path, "attack/asma/success8_rate") == [(0, 0.75)]
    assert _scalars(tmp_path, "attack/noise/l2/mean") == [(0, pytest.approx(noise["l2"]["mean"]))]
    assert _scalars(tmp_path, "attack/asma/steps/ci95/low") == [(0, pytest.approx(asma["steps"]["ci95"][0]))]
    assert not {"attack/asma/targeted", "attack/asma/victim", "attack/asma/psnr/mean"} & set(tags)


def test_doubts_about_the_victim_are_a_text(tmp_path: Path) -> None:
    TensorBoardRun(tmp_path).log_attack_epoch(_epoch(doubts=["randomness: it is random"]))
    (event,) = _read(tmp_path).Tensors("victim_check/text_summary")
    assert event.tensor_proto.string_val == [b"randomness: it is random"]


def test_the_montage_is_an_image(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "montage.png")
    TensorBoardRun(tmp_path).log_attack_epoch(_epoch(montages={"asma": tmp_path / "montage.png"}))
    assert _read(tmp_path).Tags()["images"] == ["attack/asma/montage"]
    (event,) = _read(tmp_path).Images("attack/asma/montage")
    (tmp_path / "read.png").write_bytes(event.encoded_image_string)
    assert np.asarray(Image.open(tmp_path / "read.png")).tolist() == pixels.tolist()


def test_a_montage_that_cannot_be_read_costs_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        TensorBoardRun(tmp_path).log_attack_epoch(_epoch(montages={"asma": tmp_path / "none.png"}))
    (record,) = caplog.records
    assert "TensorBoard: logging the montage failed, the run goes on (FileNotFoundError" in record.getMessage()
    assert _scalars(tmp_path, "attack/noise/success8_rate") == [(0, 0.75)]


def test_a_second_start_goes_on_and_replaces_the_attack_epoch(tmp_path: Path) -> None:
    for start in range(2):
        logger = TensorBoardRun(tmp_path, {"seed": 3})
        logger.log_metrics({"val/iou": 0.5 + start / 4}, step=start)
        logger.finalize("success")
        logger.log_attack_epoch(_epoch())
        logger.finish()
    # Files of one second are read in any order.
    assert sorted(_scalars(tmp_path, "val/iou")) == [(0, 0.5), (1, 0.75)]
    assert [step for step, _ in _scalars(tmp_path, "attack/asma/iou")] == list(range(IMAGES))
    assert len(list((tmp_path / "tensorboard").glob("*.attacks"))) == 1
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} == {tmp_path / "tensorboard"}
    assert not list(tmp_path.rglob("hparams.yaml"))


def test_the_configuration_is_a_text_without_secrets(tmp_path: Path) -> None:
    logger = TensorBoardRun(tmp_path, {"attacks": {"asma": {"max_steps": 20}}, "api_key": "hunter2"})
    logger.log_metrics({"loss": 1.0}, step=0)
    logger.finish()
    (event,) = _read(tmp_path).Tensors("config/text_summary")
    (text,) = event.tensor_proto.string_val
    assert b"max_steps: 20" in text
    assert b"hunter2" not in text


def test_nothing_is_written_before_there_is_something(tmp_path: Path) -> None:
    logger = TensorBoardRun(tmp_path, {"seed": 3})
    logger.save()
    logger.finish()
    assert list(tmp_path.iterdir()) == []


def test_other_processes_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytorch_lightning.utilities.rank_zero import rank_zero_only

    monkeypatch.setattr(rank_zero_only, "rank", 1)
    logger = TensorBoardRun(tmp_path, {"seed": 3})
    logger.experiment.add_scalar("loss", 1.0, 0)
    logger.log_metrics({"loss": 1.0}, step=0)
    logger.finalize("success")
    logger.finish()
    assert list(tmp_path.iterdir()) == []
