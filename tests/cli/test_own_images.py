"""What somebody has who only wants to attack: some images, a program, no masks and no split. One command gives rows."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from benchmark.runs import tables


@pytest.fixture
def at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, the current one, with 24 photos of several sizes and types and a TorchScript file."""
    (tmp_path / "photos").mkdir()
    generator, (rows, columns) = np.random.default_rng(0), np.mgrid[:52, :48]
    for number in range(24):
        levels = generator.integers(0, 90, (40 + 4 * (number % 3), 48, 3))
        disc = (rows - 20) ** 2 + (columns - 24) ** 2 < (8 + number % 5) ** 2
        levels[disc[: len(levels)]] += 120
        Image.fromarray(levels.astype(np.uint8)).save(tmp_path / "photos" / f"{number:02}.{('png', 'jpg')[number % 2]}")
    network = nn.Sequential(nn.Conv2d(3, 1, 3, padding=1), nn.Conv2d(1, 2, 1))
    with torch.no_grad():
        for parameter, value in zip(network.parameters(), (1 / 27, 0, [-24, 24], [10, -10]), strict=True):
            parameter.copy_(torch.tensor(value).view(-1, *[1] * (parameter.ndim - 1)).expand_as(parameter))
    torch.jit.script(network).save(str(tmp_path / "mine.ts"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_one_command_gives_a_row_for_each_image(command: Callable[..., Any], at_work: Path) -> None:
    data = ("data=folder", "data.root=photos", "data.test_split=all", "data.labels=predicted")
    short = ("trainer=cpu", "attacks.asma.max_steps=3", "run.dir=out")  # the defaults would do
    outcome = command("attack", "victim=torchscript", "victim.program=mine.ts", *data, *short)
    assert outcome.status == 0, outcome
    rows = tables.read("out").to_pylist()
    assert len({row["id"] for row in rows}) == len(rows) == 24
    assert {row["victim"] for row in rows} == {"torchscript_mine"}
    assert {row["clean_iou_truth"] for row in rows} == {1.0}
    notes = [line for line in outcome.err.splitlines() if line and not line.startswith("attack:")]
    assert all(line.startswith("note: ") for line in notes), notes
    assert "all of its images are test images" in notes[0]
    assert "predictions of the 24 clean images are taken as their masks" in notes[1]
    assert "The truth is the victim's own prediction of the clean image" in re.sub(r"\s+", " ", outcome.out)
    outcome = command("verify", "out", "--network", "victim.program=mine.ts")
    assert outcome.status == 0, outcome
