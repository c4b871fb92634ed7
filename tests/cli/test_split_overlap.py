"""Images in more than one split: what `attack` says of them at its start, what it records, and what `verify` notes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from benchmark.data_check.duplicates import NEAR, perceptual_hash
from benchmark.results.split_overlap_line import overlap_line

SHORT = ("trainer=cpu", "data.size=32", "run.montage=0", "engine.max_passes=12", "attack=pgd", "data=folder")
BRIGHT = ("victim=python", "victim.factory=tests.cli.honest_networks:bright")


@pytest.fixture
def attacked(command: Callable[..., Any], tmp_path: Path) -> Callable[[Path], tuple[str, dict[str, Any], Path]]:
    """Attacks the images of a folder; returns what was warned of, what was recorded, and the run."""

    def run(root: Path) -> tuple[str, dict[str, Any], Path]:
        folder = tmp_path / f"run_of_{root.name}"
        outcome = command("attack", *SHORT, *BRIGHT, f"data.root={root}", f"run.dir={folder}")
        assert outcome.status == 0, outcome
        lines = [line for line in outcome.err.splitlines() if line.startswith("warning: splits overlap")]
        environment = json.loads((folder / "environment.json").read_text())
        return "\n".join(lines), environment["split_overlap"], folder

    return run


def _write(root: Path) -> Path:
    """Four images with shapes of their own in each split."""
    number = 0
    for split in ("train", "val", "test"):
        for part in ("images", "masks"):
            (root / split / part).mkdir(parents=True)
        for i in range(4):
            rng = np.random.default_rng(number)
            coarse = rng.integers(0, 255, (9, 9, 3), np.uint8)
            image = cv2.resize(coarse, (60, 50), interpolation=cv2.INTER_CUBIC)
            mask = np.zeros((50, 60), np.uint8)
            mask[5 + i : 30, 10 : 35 + i] = 255
            Image.fromarray(image).save(root / split / "images" / f"{split}{i}.png")
            Image.fromarray(mask).save(root / split / "masks" / f"{split}{i}.png")
            number += 1
    return root


def test_nothing_is_said_of_images_that_differ(attacked, tmp_path: Path) -> None:
    said, recorded, _ = attacked(_write(tmp_path / "clean"))
    assert said == ""
    assert recorded == {"compared": {"train": 4, "val": 4, "test": 4}, "identical": 0, "similar": 0, "pairs": []}


def test_identical_and_nearly_identical_images_are_named(attacked, command, tmp_path: Path) -> None:
    root = _write(tmp_path / "leaky")
    shutil.copy(root / "train" / "images" / "train1.png", root / "test" / "images" / "test2.png")
    with Image.open(root / "val" / "images" / "val0.png") as picture:
        copy = picture.resize((48, 40)).point(lambda value: min(255, value + 9))
    (root / "test" / "images" / "test0.png").unlink()
    copy.resize((60, 50)).save(root / "test" / "images" / "test0.jpg", quality=70)
    said, recorded, run = attacked(root)
    assert (recorded["identical"], recorded["similar"]) == (1, 1)
    assert recorded["pairs"][0] == ["train/train1", "test/test2", 0]
    assert recorded["pairs"][1][:2] == ["val/val0", "test/test0"]
    assert 0 < recorded["pairs"][1][2] <= NEAR
    line = (
        "splits overlap: 1 pair(s) of identical images, such as train/train1 and test/test2; "
        "1 pair(s) of nearly identical images, such as val/val0 and test/test0"
    )
    assert said.startswith(f"warning: {line}")
    outcome = command("verify", run, "--factory", "tests.cli.honest_networks:bright")
    assert outcome.status == 0, outcome
    assert f"note: {run}: {line}" in outcome.err


@pytest.mark.parametrize("recorded", [None, 3, {"pairs": 1}, {"identical": 1, "pairs": [1, ["a"]]}, {"pairs": []}])
def test_what_a_folder_says_instead_is_no_line(recorded: Any) -> None:
    assert overlap_line(recorded) is None


@pytest.mark.parametrize("size", [32, 64, 128])
def test_different_skin_images_are_far_from_near(isic_root: Path, size: int) -> None:
    files = sorted(isic_root.rglob("*.jpg"))
    assert len(files) > 50
    hashes = []
    for file in files:
        with Image.open(file) as picture:
            pixels = np.array(picture.convert("RGB"))
        hashes.append(perceptual_hash(cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA)))
    words = np.stack(hashes).view(np.uint64)
    distances = np.bitwise_count(words[:, None] ^ words[None]).sum(2, dtype=int)
    assert distances[np.triu_indices(len(words), 1)].min() > 2 * NEAR
