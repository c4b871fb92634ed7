"""`verify` on the four real runs that the report compares: as they are, and with one thing changed in each."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from benchmark.__main__ import main
from benchmark.runs import tables
from benchmark.runs.folder import RunFolder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_they_are_as_recorded(real_runs: list[Path]) -> None:
    assert main(["verify", *map(str, real_runs)]) == 0


@pytest.fixture
def copy(real_runs: list[Path], tmp_path: Path) -> Path:
    """Of the first run, to be changed."""
    return Path(shutil.copytree(real_runs[0], tmp_path / "copy"))


def test_one_pixel(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = tables.read(copy).to_pylist()[3]
    path = RunFolder(copy).adversarial(row["attack"], row["id"])
    pixels = np.array(Image.open(path))
    pixels[5, 7, 1] ^= 1
    Image.fromarray(pixels).save(path)
    assert main(["verify", str(copy)]) == 1
    told = capsys.readouterr().out
    assert f"asma / {row['id']}: adv8_sha256: " in told
    assert not [other for other in tables.read(copy)["id"].to_pylist() if other != row["id"] and other in told]


def test_one_number(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pq.read_table(copy / "records.parquet")
    rows = table.to_pylist()
    rows[4]["adv8_iou_truth"] += 0.01
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), copy / "records.parquet")
    assert main(["verify", str(copy)]) == 1
    assert f"asma / {rows[4]['id']}: adv8_iou_truth: row says " in capsys.readouterr().out


def test_another_checkpoint(
    copy: Path, real_runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = real_runs[0].parent / "unet" / "checkpoints" / "best.ckpt"
    saved = torch.load(trained, weights_only=True)
    name = next(key for key, value in saved["state_dict"].items() if value.ndim == 4)
    saved["state_dict"][name] *= 1.05
    torch.save(saved, tmp_path / "other.ckpt")
    assert main(["verify", str(copy), "--ckpt", str(tmp_path / "other.ckpt")]) == 1
    told = capsys.readouterr().out
    assert "checkpoint: weights_sha256: " in told
    assert [row for row in tables.read(copy)["id"].to_pylist() if f"asma / {row}: " in told]
