"""`convert`, from the command line."""

from pathlib import Path

import torch

from benchmark.victims.asma_release.network import ValidUNet
from benchmark.victims.loading import load_victim

PARTS = {
    **{f"down.{level}": f"conv{level + 1}_block" for level in range(5)},
    **{f"up.{step}": f"up_{step + 1}" for step in range(4)},
    **{f"merge.{step}": f"conv_up_{step + 1}" for step in range(4)},
    "head": "conv_final",
}


def test_a_state_dict_becomes_a_victim(command, tmp_path: Path) -> None:
    network = ValidUNet(widths=(2, 3, 4, 5, 6))
    state = {}
    for name, tensor in network.state_dict().items():
        part = next(own for own in PARTS if name.startswith(f"{own}."))
        state[name.replace(part, PARTS[part], 1)] = tensor
    torch.save(state, tmp_path / "released.pt")
    outcome = command("convert", tmp_path / "released.pt", "--out", tmp_path / "victim.ckpt")
    assert outcome.status == 0, outcome
    assert "valid U-Net 2-3-4-5-6, 2 classes" in outcome.out
    victim = load_victim(tmp_path / "victim.ckpt")
    assert victim.window(408, 408) == (10, 10, 388, 388)
    assert all(torch.equal(victim.network.state_dict()[name], tensor) for name, tensor in network.state_dict().items())


def test_bad_input_is_one_line(command, tmp_path: Path) -> None:
    taken = tmp_path / "taken.ckpt"
    taken.write_bytes(b"")
    for arguments, message in (
        (["nowhere.pt", "--out", tmp_path / "new.ckpt"], "error: no file at nowhere.pt; give the released checkpoint"),
        (["nowhere.pt", "--out", taken], f"error: --out {taken}: already exists; choose another name"),
        (["nowhere.pt"], "error: the following arguments are required: --out"),
    ):
        outcome = command("convert", *arguments)
        assert outcome.status == 2
        assert outcome.err.startswith(message)
        assert outcome.err.count("\n") == 1
