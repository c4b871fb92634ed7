"""A victim is loaded from its checkpoint as it was fitted; any other file is refused and runs no code."""

import hashlib
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from benchmark.errors import InputError
from benchmark.victims import smp_networks
from benchmark.victims.fingerprints import checkpoint_sha256
from benchmark.victims.loading import load_victim
from benchmark.victims.usable_network import check_finite
from tests.pickled_call import PickledCall
from tests.victims.fitted_victims import altered, fitted


def test_round_trip_gives_equal_logits(original: tuple[pl.LightningModule, bytes], checkpoint: Path) -> None:
    loaded = load_victim(checkpoint, classes=2, channels=3)
    images = torch.rand(2, 3, 23, 17)
    assert not loaded.training
    with torch.no_grad():
        assert torch.equal(loaded(images), original[0].eval()(images))
    assert dict(loaded.hparams) == dict(original[0].hparams)


def test_sigmoid_head_round_trip(tmp_path: Path) -> None:
    victim, path = fitted(tmp_path, head="sigmoid", mean=[0.4, 0.5, 0.6])
    images = torch.rand(2, 3, 23, 17)
    with torch.no_grad():
        logits = load_victim(path)(images)
        assert torch.equal(logits, victim.eval()(images))
    assert logits.shape == (2, 1, 23, 17)


def test_loading_never_asks_for_encoder_weights(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*place: str) -> None:
        raise AssertionError("asked for pretrained weights")

    monkeypatch.setattr(smp_networks, "_fetch_encoder_weights", refuse)
    assert load_victim(altered(checkpoint, hyper_parameters={"encoder_weights": "imagenet"})).outputs == 2


def test_sha256_is_that_of_the_file(checkpoint: Path) -> None:
    assert checkpoint_sha256(checkpoint) == hashlib.sha256(checkpoint.read_bytes()).hexdigest()


def test_sha256_of_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read checkpoint .*none\.ckpt: No such file"):
        checkpoint_sha256(tmp_path / "none.ckpt")


@pytest.mark.parametrize(
    ("needed", "message"),
    [
        ({"classes": 3}, r"victim\.ckpt was trained on 2 classes, the data have 3; choose"),
        ({"channels": 1}, r"victim\.ckpt was trained on 3 channels, the data have 1; choose"),
    ],
)
def test_checkpoint_that_does_not_fit_the_data(checkpoint: Path, needed: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_victim(checkpoint, **needed)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nonfinite_weights_are_refused(checkpoint: Path, value: float) -> None:
    name = "network.encoder.bn1.running_var"
    broken = torch.full_like(torch.load(checkpoint, weights_only=True)["state_dict"][name], value)
    with pytest.raises(InputError, match=rf"victim\.ckpt has NaN or infinite values in {name};"):
        load_victim(altered(checkpoint, state_dict={name: broken}))


def test_check_finite_names_the_first_tensor() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.BatchNorm2d(2))
    check_finite(network)
    torch.nn.init.constant_(network[1].weight, float("nan"))
    with pytest.raises(InputError, match=r"the network has NaN or infinite values in 1\.weight"):
        check_finite(network, "the network")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"hyper_parameters": None}, "a Lightning checkpoint that another program wrote"),
        ({"state_dict": None}, "a checkpoint of something else"),
        ({"hyper_parameters": {"hidden_size": 3}}, "that another program wrote .hyper-parameters architecture"),
        ({"hyper_parameters": {"architecture": "unett"}}, r"victim\.ckpt: unknown architecture 'unett'"),
        ({"hyper_parameters": {"architecture": ["unet"]}}, "hyper-parameters no victim has"),
        ({"hyper_parameters": {"classes": "2"}}, "classes='2': label maps tell at most 255 classes apart"),
        (
            {"hyper_parameters": {"architecture": "fpn", "options": {}}},
            "of architecture fpn: the weights do not fit the Victim: missing .*check that network",
        ),
        ({"hyper_parameters": {"classes": 4}}, r"do not fit the Victim: network.* is \(2, 4, 3, 3\) in the file"),
        ({"state_dict": {"extra": torch.zeros(1)}}, r"do not fit the Victim: left over 1 \(extra\)"),
        (
            {"state_dict": {"network.encoder.bn1.weight": "x"}},
            "do not fit the Victim: .*bn1.weight is a str, expected a tensor",
        ),
    ],
)
def test_checkpoint_of_something_else(checkpoint: Path, entries: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_victim(altered(checkpoint, **entries))
    _, *details = str(caught.value).splitlines()
    assert all(line.startswith("  ") for line in details)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no checkpoint at .*none\.ckpt; check victim\.ckpt"):
        load_victim(tmp_path / "none.ckpt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a PyTorch checkpoint"),
        (b"hello, world\n", "is not a PyTorch checkpoint"),
        (b"epoch,loss\n1,2\n", "is not a PyTorch checkpoint"),
        (b"PK\x03\x04 of something else", "is no readable PyTorch checkpoint"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "is not a PyTorch checkpoint"),
    ],
    ids=["empty", "text", "csv", "zip", "png"],
)
def test_file_that_is_no_checkpoint(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "victim.ckpt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"victim\.ckpt {message}") as caught:
        load_victim(path)
    assert len(str(caught.value).splitlines()) == 1


def test_truncated_checkpoint(checkpoint: Path) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:-5000])
    with pytest.raises(InputError, match=r"victim\.ckpt is no readable PyTorch checkpoint"):
        load_victim(checkpoint)


def test_checkpoint_that_holds_no_dict(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "victim.ckpt")
    with pytest.raises(InputError, match=r"victim\.ckpt holds a list, not the checkpoint of a victim"):
        load_victim(tmp_path / "victim.ckpt")


@pytest.mark.parametrize("form", ["pickle", "torch", "hyper_parameters"])
def test_code_in_a_checkpoint_is_refused_and_never_runs(checkpoint: Path, tmp_path: Path, form: str) -> None:
    trace = tmp_path / "executed"
    bait = PickledCall(os.system, f"touch {trace}")
    if form == "pickle":
        checkpoint.write_bytes(pickle.dumps(bait))
    elif form == "torch":
        torch.save(bait, checkpoint)
    else:
        altered(checkpoint, hyper_parameters={"classes": bait})
    with pytest.raises(InputError, match=r"victim\.ckpt is refused: .*would execute code"):
        load_victim(checkpoint)
    assert not trace.exists()
    # The bait is live: an unpickler that trusts the file does run it.
    if form != "pickle":
        with zipfile.ZipFile(checkpoint) as archive:
            name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
            assert b"system" in archive.read(name)
    else:
        pickle.loads(checkpoint.read_bytes())
        assert trace.exists()
