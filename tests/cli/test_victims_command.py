"""`victims export` and `import` as commands, on the victim of a finished run."""

import json
from pathlib import Path

import torch

from benchmark.victims.fingerprints import checkpoint_sha256, weights_sha256
from benchmark.victims.loading import load_victim


def test_a_run_s_victim_goes_out_and_comes_back(command, trained: Path, tmp_path: Path) -> None:
    checkpoint = trained / "checkpoints" / "best.ckpt"
    out = command("victims", "export", checkpoint, tmp_path / "hub", "--licence", "cc-by-4.0")
    assert out.status == 0, out.err
    assert sorted(path.name for path in (tmp_path / "hub").iterdir()) == ["README.md", "model.safetensors"]
    card = (tmp_path / "hub" / "README.md").read_text()
    environment = json.loads((trained / "environment.json").read_text())
    attack = json.loads((trained / "summary.json").read_text())
    for said in (
        *('license: "cc-by-4.0"', "| architecture | unet |", "| encoder | resnet18 |", "| classes | 2 |"),
        *("[0.485, 0.456, 0.406]", f"| data_fingerprint | {environment['data_fingerprint']} |"),
        *(f"| weights_sha256 | {environment['weights_sha256']} |", checkpoint_sha256(checkpoint)),
        f"| val_iou | {environment['trained']['val_iou']:.4g} |",
        f"| test_iou | {attack['clean_iou_truth']['mean']:.4g} |",
    ):
        assert said in card, said
    other = command("victims", "export", trained / "checkpoints" / "last.ckpt", tmp_path / "other")
    assert other.status == 0
    scored = "test_iou" in (tmp_path / "other" / "README.md").read_text()
    assert scored == (other.out.splitlines()[-1] == out.out.splitlines()[-1]), "scores are of these weights alone"
    back = command("victims", "import", tmp_path / "hub", "--out", tmp_path / "back.ckpt")
    assert back.status == 0, back.err
    before, after = load_victim(checkpoint), load_victim(tmp_path / "back.ckpt", classes=2, channels=3)
    assert weights_sha256(after) == weights_sha256(before) == environment["weights_sha256"]
    assert dict(after.hparams) == dict(before.hparams)
    assert out.out.splitlines()[-1] == back.out.splitlines()[-1]
    raw = (tmp_path / "hub" / "model.safetensors").read_bytes()
    assert b"torch._utils" not in raw, "no pickle in it"


def test_one_file_with_its_card_beside_it(command, trained: Path, tmp_path: Path) -> None:
    file = tmp_path / "unet.safetensors"
    assert command("victims", "export", trained / "checkpoints" / "best.ckpt", file).status == 0
    assert file.with_suffix(".md").read_text().startswith('---\nlibrary_name: "pytorch"')
    assert command("victims", "import", file, "--out", tmp_path / "a.ckpt").status == 0


def test_a_network_of_the_users_own_needs_its_factory_again(command, tmp_path: Path) -> None:
    weights = {"network.weight": torch.ones(2, 3, 1, 1), "network.bias": torch.zeros(2)}
    own = {"architecture": "python", "encoder": None, "classes": 2, "channels": 3, "head": "softmax", "options": {}}
    own |= {"background": 0, "mean": [0.0] * 3, "std": [1.0] * 3, "stride": None, "learning_rate": 1e-3}
    torch.save(
        {"hyper_parameters": own | {"weight_decay": 0.0, "schedule": "none"}, "state_dict": weights}, tmp_path / "a"
    )
    assert command("victims", "export", tmp_path / "a", tmp_path / "b.safetensors").status == 0
    outcome = command("victims", "import", tmp_path / "b.safetensors", "--out", tmp_path / "c.ckpt")
    assert outcome.status == 0
    assert "of a network of your own" in outcome.out
    assert torch.equal(
        torch.load(tmp_path / "c.ckpt", weights_only=True)["state_dict"]["network.weight"], weights["network.weight"]
    )


def test_what_is_refused(command, trained: Path, tmp_path: Path) -> None:
    checkpoint = trained / "checkpoints" / "best.ckpt"
    (tmp_path / "there.ckpt").write_text("mine")
    for arguments, message in (
        (("publish", checkpoint), "victims publish: unknown"),
        (("export", checkpoint), "needs a checkpoint and where to"),
        (("import", checkpoint), "needs what to read and where to write"),
        (("import", checkpoint, "--out", tmp_path / "there.ckpt"), "already exists"),
        (("import", checkpoint, "--out", tmp_path / "new.ckpt"), "is no readable safetensors file"),
        (("export", tmp_path / "there.ckpt", tmp_path / "hub"), "is not a PyTorch checkpoint"),
    ):
        outcome = command("victims", *arguments)
        assert outcome.status == 2
        assert message in outcome.err
        assert len(outcome.err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["there.ckpt"]
