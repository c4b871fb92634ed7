"""The main job as a user runs it, in minutes: on generated images, and on real ones where they are."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmark import metrics
from benchmark.runs import tables
from benchmark.victims.loading import load_victim
from tests.synthetic_data import synthetic_data

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).resolve().parents[2]


def run(folder: Path, *overrides: str) -> tuple[str, dict[str, Any]]:
    """Run the command from the checkout; its output and summary."""
    command = [sys.executable, "-m", "benchmark", "run", f"run.dir={folder}", *overrides]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads((folder / "summary.json").read_text())


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("demo") / "run"
    return (folder, *run(folder))


def test_the_demo_reaches_the_target_and_says_where_everything_is(demo: tuple[Path, str, dict[str, Any]]) -> None:
    folder, output, summary = demo
    assert summary["adv_iou_target"]["mean"] >= 0.90
    assert summary["success8_rate"] >= 0.80
    assert summary["already_satisfied"] == 0
    for name in ("montage.png", "records.parquet"):
        assert str(folder / name) in output
        assert (folder / name).exists()


def noise_like(image: Tensor, norm: float, seed: int) -> Tensor:
    """The image with Gaussian noise whose L2 norm is `norm` after clipping; (C, H, W)."""
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(seed))
    scale = norm / noise.norm()
    for _ in range(20):
        noisy = (image + scale * noise).clamp(0, 1)
        scale = scale * norm / (noisy - image).norm()
    assert (noisy - image).norm().item() == pytest.approx(norm, rel=1e-3)
    return noisy


def test_noise_of_the_same_norm_does_not_fool_the_demo_victim(demo: tuple[Path, str, dict[str, Any]]) -> None:
    folder, _, _ = demo
    config = json.loads((folder / "splits.json").read_text())
    victim = load_victim(folder / "checkpoints" / "best.ckpt")
    data = synthetic_data(
        n_train=len(config["train"]), n_val=len(config["val"]), n_test=len(config["test"]), size=64, seed=0
    )
    items = {item["id"]: item for item in data.test_dataloader().dataset}
    drops = []
    for number, row in enumerate(tables.read(folder).to_pylist()):
        item = items[row["id"]]
        noisy = noise_like(item["image"], row["l2"], seed=number)
        with torch.no_grad():
            preds = victim(torch.stack([item["image"], noisy])).argmax(1)
        clean, fooled = metrics.iou(metrics.confusion(preds, torch.stack([item["mask"]] * 2), None, 2)).tolist()
        assert clean == pytest.approx(row["clean_iou_truth"], abs=0.01)
        drops.append(clean - fooled)
    assert sum(drops) / len(drops) < 0.02


@pytest.mark.parametrize("victim", ["unet", "deeplabv3plus"])
def test_real_images_are_segmented_and_attacked(victim: str, isic_root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    _, summary = run(folder, "data=isic2018", f"data.root={isic_root}", f"victim={victim}", "attack=asma")
    assert summary["images"] == 10
    if victim == "unet":
        assert summary["clean_iou_truth"]["mean"] >= 0.70
        assert summary["success8_rate"] * summary["attacked"] >= 8
        assert summary["adv8_iou_target"]["mean"] >= 0.93
