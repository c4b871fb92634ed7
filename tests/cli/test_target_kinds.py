"""Kinds of target end to end: what rows and summary say of them, and that an erased one can be reached."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmark.runs import tables
from benchmark.runs.folder import RunFolder

NETWORK = """
import torch
from torch import nn

def threshold():
    layer = nn.Conv2d(3, 2, 5, padding=2, padding_mode="replicate")
    with torch.no_grad():
        layer.weight[0].fill_(10 / 75)
        layer.weight[1].fill_(-10 / 75)
        layer.bias.copy_(torch.tensor([-4.0, 4.0]))
    return layer
"""


@pytest.fixture
def attacked(command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Attacks a victim that takes what is dark for the lesion; returns rows, summaries and folder."""
    (tmp_path / "dark_network.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(tmp_path)

    def run(*options: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]], Path]:
        folder = tmp_path / "run"
        victim = ("victim=python", "victim.factory=dark_network:threshold", "run.montage=0")
        outcome = command("attack", "experiment=smoke", "trainer=cpu", *victim, *options, f"run.dir={folder}")
        assert outcome.status == 0, outcome.err
        summary = json.loads((folder / "summary.json").read_text())
        return tables.read(folder).to_pylist(), summary.get("attacks", [summary]), folder

    return run


def test_an_erased_target_is_reached_by_what_is_left_under_the_default_judge(attacked) -> None:
    rows, summaries, folder = attacked(
        *(
            "attack=[asma,pgd]",
            "+attacks.asma.rule.iou=macro",
            "attacks.asma.rule.tau=1e-2",
            "attacks.asma.rule.beta=.1",
        ),
        *("attacks.pgd.rule.eps=.4", "engine.max_passes=60", "target=erased"),
    )
    assert {row["target"] for row in rows} == {"erased"}
    assert {row["target_pixels"] for row in rows} == {0}
    for row in rows:
        counts = np.array(row["adv8_confusion_truth"]).reshape(2, 2)
        left = counts[:, 1].sum() / max(counts[1].sum(), 1)
        assert row["success8"] == (left <= 0.01)
        assert row["target_too_close"] == (np.array(row["clean_confusion_truth"]).reshape(2, 2)[:, 1].sum() == 0)
        with Image.open(RunFolder(folder).picture("target", row["id"])) as picture:
            assert not np.asarray(picture).any()
    for summary in summaries:
        assert (summary["attacked"], summary["already_satisfied"]) == (3, 1)  # in one the victim sees nothing
        assert summary["success8_rate"] == 1, summary["attack"]
        assert (summary["targets_erased"], summary["targets_too_close"]) == (4, 1)
        assert summary["by_target"] == {}


@pytest.mark.parametrize("target", ["nearest", "farthest", "shifted", "scaled", "eroded", "dilated", "shape"])
def test_rows_say_what_was_aimed_at(attacked, target: str) -> None:
    rows, (summary,), folder = attacked("attack=[fgsm]", f"target={target}")
    assert len(rows) == 4
    for row in rows:
        assert row["target"].startswith(f"{target}:")
        assert 1 <= row["target_draw"] <= row["target_draws"]
        aimed, truth = (
            np.asarray(Image.open(RunFolder(folder).picture(name, row["id"]))) > 0 for name in ("target", "truth")
        )
        assert row["target_pixels"] == aimed.sum() > 0
        assert row["iou_target_truth"] == pytest.approx((aimed & truth).sum() / (aimed | truth).sum())
        if not row["target_too_close"]:
            assert max(row["iou_target_truth"], row["clean_iou_target"]) <= 0.8
            assert row["target_draw"] == row["target_draws"]
    assert summary["target"] == target
    assert summary["targets_redrawn"] == sum(row["target_draws"] > 1 for row in rows)
    assert summary["targets_too_close"] == sum(row["target_too_close"] for row in rows)


def test_a_strict_limit_draws_again_and_is_counted(attacked) -> None:
    rows, (summary,), _ = attacked("attack=[fgsm]", "target.max_iou=.45")
    assert summary["targets_redrawn"] > 0
    for row in rows:
        closest = max(row["iou_target_truth"], row["clean_iou_target"])
        assert row["target_too_close"] == (closest > 0.45)
    assert any(not row["target_too_close"] and row["target_draws"] > 1 for row in rows)
