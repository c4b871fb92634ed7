"""Another checkpoint than the one that was attacked, or none: `verify` says so."""

from pathlib import Path

import pytest
import torch

from benchmark.results.transfer_matrix import TRANSFER
from tests.fixtures.spoilt import data_of


def _changed_weights(folder: Path, amount: float) -> None:
    path = folder / "checkpoints" / "best.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    name = [name for name, value in checkpoint["state_dict"].items() if value.ndim == 4][-1]
    checkpoint["state_dict"][name] = checkpoint["state_dict"][name] * (1 + amount)
    path.unlink()
    torch.save(checkpoint, path)


def test_other_weights(mismatches, spoilt: Path) -> None:
    _changed_weights(spoilt, -2.0)
    lines = mismatches(spoilt)
    assert lines[0].startswith("checkpoint: checkpoint_sha256: environment.json says ")
    assert lines[1].startswith("checkpoint: weights_sha256: environment.json says ")
    assert any(": adv8_" in line for line in lines)


def test_a_weight_that_changes_no_prediction(mismatches, spoilt: Path) -> None:
    _changed_weights(spoilt, 1e-6)
    assert [line.split(": ")[1] for line in mismatches(spoilt)] == ["checkpoint_sha256", "weights_sha256"]


@pytest.mark.parametrize("content", [b"PK nothing"])
def test_a_checkpoint_that_is_damaged(mismatches, spoilt: Path, content: bytes) -> None:
    path = spoilt / "checkpoints" / "best.ckpt"
    path.unlink()
    path.write_bytes(content)
    first, second = mismatches(spoilt)
    assert first.startswith("checkpoint: checkpoint_sha256: environment.json says ")
    assert second.startswith("checkpoint: cannot be loaded: ")


def test_a_checkpoint_of_the_same_weights_in_other_bytes(mismatches, spoilt: Path) -> None:
    _changed_weights(spoilt, 0.0)
    (line,) = mismatches(spoilt)
    assert line.startswith("checkpoint: checkpoint_sha256: ")


def test_no_checkpoint(command, spoilt: Path) -> None:
    (spoilt / "checkpoints" / "best.ckpt").unlink()
    outcome = command("verify", spoilt)
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err == (
        f"error: {spoilt}: has no checkpoints/best.ckpt; give the checkpoint that it attacked, verify --ckpt PATH or "
        "transfer --victims PATH\n"
    )


def test_a_network_of_ones_own(command, small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_net.py").write_text(
        "import torch\n"
        "class Bright(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.scale = torch.nn.Parameter(torch.tensor(9.0))\n"
        "    def forward(self, images):\n"
        "        logits = self.scale * (images.mean(1, keepdim=True) - 0.45)\n"
        "        return [-logits, logits]\n"
        "def load():\n"
        "    return Bright()\n"
        "def load_with(scale):\n"
        "    return Bright()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    victim = ("victim=python", "victim.factory=own_net:load", "victim.head=sigmoid", "victim.output=1")
    folder = tmp_path / "run"
    how = ("attack=pgd", "run.montage=0", "engine.max_passes=12")
    assert command("attack", *data_of(small_run), *victim, *how, f"run.dir={folder}").status == 0
    outcome = command("verify", folder)
    assert outcome.status == 2
    again = "--network victim=python victim.factory=own_net:load"
    assert f"{folder}: is of a network of your own; give {again}\n" in outcome.err
    outcome = command("verify", folder, "--network", "victim=torchscript", "victim.program=net.ts")
    assert outcome.status == 2
    other = "of another kind than victim=torchscript, which is given"
    assert f"{folder}: is of a network of your own, {other}; give {again}\n" in outcome.err
    outcome = command("verify", folder, "--factory", "own_net:load")
    assert outcome.status == 0, outcome
    for given in (("victim.factory=own_net:load",), ("victim=python", "victim.factory=own_net:load")):
        shown = tmp_path / f"shown {len(given)}"
        outcome = command("transfer", folder, "--network", *given, "--out", shown)
        assert outcome.status == 0, outcome
        assert {row["white_box"] for row in TRANSFER.read(shown).to_pylist()} == {True}
    outcome = command("verify", folder, "--factory", "own_net:load_with")
    assert outcome.status == 2
    assert "own_net:load_with failed when called with {}" in outcome.err
    outcome = command("verify", small_run, "--factory", "own_net:load")
    assert outcome.status == 2
    assert f"{again}: {small_run} attacked no network of your own; leave it out" in outcome.err
