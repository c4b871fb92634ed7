"""The released checkpoint: a stand-in of its structure, pickled elsewhere in both of torch's formats; hostile ones."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmark.errors import InputError
from benchmark.victims.asma_release.convert import convert
from benchmark.victims.loading import load_victim
from tests.pickled_call import PickledCall

WIDTHS = (2, 3, 4, 5, 6)

# The parts, their names and their order are those of the repository; what they do is written here.
STAND_IN = """
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F


class SimpleUnet(nn.Module):
    def __init__(self, widths):
        super().__init__()
        def block(i, o):
            return nn.Sequential(nn.Conv2d(i, o, 3), nn.ReLU(inplace=True), nn.Conv2d(o, o, 3), nn.ReLU(inplace=True))
        for level, (i, o) in enumerate(zip((3, *widths), widths), 1):
            setattr(self, f"conv{level}_block", block(i, o))
            if level < len(widths):
                setattr(self, f"max{level}", nn.MaxPool2d(kernel_size=2, stride=2))
        for step, (i, o) in enumerate(zip(widths[::-1], widths[-2::-1]), 1):
            setattr(self, f"up_{step}", nn.ConvTranspose2d(i, o, kernel_size=2, stride=2))
            setattr(self, f"conv_up_{step}", block(2 * o, o))
        self.conv_final = nn.Conv2d(widths[0], 2, kernel_size=1)

    def forward(self, x):
        saved = []
        for level in range(1, 6):
            x = getattr(self, f"conv{level}_block")(x if level == 1 else F.max_pool2d(x, 2))
            saved.append(x)
        for step in range(1, 5):
            x = getattr(self, f"up_{step}")(x)
            skip = saved[4 - step]
            low = (skip.shape[2] - x.shape[2]) // 2
            skip = skip[:, :, low:low + x.shape[2], low:low + x.shape[2]]
            x = getattr(self, f"conv_up_{step}")(torch.cat([x, skip], 1))
        return self.conv_final(x)


if __name__ == "__main__":
    from unet_model import SimpleUnet

    torch.manual_seed(3)
    model = SimpleUnet((2, 3, 4, 5, 6))
    torch.save(model, "model.pt")
    torch.save(model, "legacy.pt", _use_new_zipfile_serialization=False)
    torch.save(model.state_dict(), "state.pt")
    image = torch.rand(1, 3, 572, 572)
    torch.save((image, model(image).detach()), "pass.pt")
"""


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of stand-ins, written by another process: nothing of theirs can be imported here."""
    folder = tmp_path_factory.mktemp("released")
    (folder / "unet_model.py").write_text(STAND_IN)
    subprocess.run([sys.executable, "unet_model.py"], cwd=folder, check=True)
    return folder


@pytest.mark.parametrize("name", ["model.pt", "legacy.pt", "state.pt"])
def test_equal_weights_and_the_same_forward_pass(released: Path, tmp_path: Path, name: str) -> None:
    assert "unet_model" not in sys.modules
    own = convert(released / name, tmp_path / "victim.ckpt")
    assert own["options"] == {"widths": list(WIDTHS)}
    victim = load_victim(tmp_path / "victim.ckpt", classes=2, channels=3)
    assert "unet_model" not in sys.modules
    state = torch.load(released / "state.pt", weights_only=True)
    assert len(victim.network.state_dict()) == len(state)
    for theirs, mine in (
        ("conv1_block.0.weight", "down.0.0.weight"),
        ("conv5_block.2.bias", "down.4.2.bias"),
        ("up_1.weight", "up.0.weight"),
        ("conv_up_4.2.weight", "merge.3.2.weight"),
        ("conv_final.bias", "head.bias"),
    ):
        assert torch.equal(victim.network.state_dict()[mine], state[theirs])
    image, logits = torch.load(released / "pass.pt", weights_only=True)
    with torch.no_grad():
        torch.testing.assert_close(victim(image), logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("hidden", [False, True])
def test_nothing_a_file_names_is_called(tmp_path: Path, legacy: bool, hidden: bool) -> None:
    mark = tmp_path / "mark"
    call = PickledCall(Path.touch, mark)
    # Beside real weights, too: among the attributes of an innocent layer.
    layer = nn.Conv2d(1, 1, 1)
    layer.extra = call
    path = tmp_path / "evil.pt"
    torch.save(layer if hidden else call, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(InputError, match=r"is refused: it names .*which is no part of that network"):
        convert(path, tmp_path / "victim.ckpt")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["evil.pt"]
    # The same file does its work where it is trusted.
    torch.load(path, weights_only=False)
    assert mark.exists()


def test_a_function_that_is_called_like_the_network_is_not_called(tmp_path: Path) -> None:
    """By its last name alone it passes for the class, but what is called is an empty object."""
    path = tmp_path / "evil.pt"
    module = tmp_path / "wicked.py"
    module.write_text(f"import pathlib\ndef SimpleUnet(*_):\n    pathlib.Path({str(tmp_path / 'mark')!r}).touch()\n")
    stream = b"\x80\x02cwicked\nSimpleUnet\n)R."
    torch.save({}, path)
    path.write_bytes(_legacy(stream))
    sys.path.insert(0, str(tmp_path))
    try:
        with pytest.raises(InputError, match="holds no network of the ASMA authors' repository"):
            convert(path, tmp_path / "victim.ckpt")
    finally:
        sys.path.remove(str(tmp_path))
    assert "wicked" not in sys.modules
    assert not (tmp_path / "mark").exists()


def _legacy(stream: bytes) -> bytes:
    """torch's format before archives: magic number, protocol, system, object, keys of storages; each a pickle."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    head = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, system)]
    return b"".join([*head, stream, pickle.dumps([], 2)])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no checkpoint", "nothing.pt (cannot be read|is refused)"),
        (b"", "nothing.pt cannot be read"),
        (None, "no file at .*nothing.pt; give the released checkpoint"),
    ],
)
def test_what_is_no_checkpoint(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "nothing.pt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        convert(path, tmp_path / "victim.ckpt")


def test_other_networks_are_refused(released: Path, tmp_path: Path) -> None:
    state = torch.load(released / "state.pt", weights_only=True)
    path = tmp_path / "other.pt"
    torch.save({name: tensor for name, tensor in state.items() if name != "up_2.bias"}, path)
    with pytest.raises(InputError, match=r"weights do not fit the ValidUNet: .*up.1.bias"):
        convert(path, tmp_path / "victim.ckpt")
    torch.save({"weight": torch.ones(3)}, path)
    with pytest.raises(InputError, match="holds no network of the ASMA authors' repository"):
        convert(path, tmp_path / "victim.ckpt")
