"""What is given as victim.ckpt and is something else is called by its name, and the factory that is shown works."""

import importlib
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from benchmark.__main__ import main
from benchmark.errors import DetailedError, InputError
from benchmark.victims.loading import load_victim
from benchmark.victims.network_outputs import chosen_output


def smp(architecture: str = "unet", encoder: str = "resnet18", **keywords: Any) -> nn.Module:
    import segmentation_models_pytorch

    torch.manual_seed(0)
    return segmentation_models_pytorch.create_model(
        architecture, encoder_name=encoder, encoder_weights=None, classes=2, **keywords
    ).eval()


def torchvision(name: str = "lraspp_mobilenet_v3_large", **keywords: Any) -> nn.Module:
    from torchvision.models import segmentation

    torch.manual_seed(0)
    make = getattr(segmentation, name)
    made: nn.Module = make(weights=None, weights_backbone=None, num_classes=2, **keywords)
    return made.eval()


def prefixed(prefix: str, network: nn.Module) -> dict[str, Any]:
    return {prefix + name: tensor for name, tensor in network.state_dict().items()}


def shown(path: Path) -> DetailedError:
    with pytest.raises(DetailedError) as caught:
        load_victim(path)
    first, *lines = str(caught.value).splitlines()
    assert str(path) in first
    assert len(lines) == len(caught.value.details)
    return caught.value


def pasted(error: DetailedError, folder: Path, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """What the factory of the message returns, pasted into a file."""
    (folder / "mymodel.py").write_text("\n".join(error.details))
    monkeypatch.syspath_prepend(folder)
    sys.modules.pop("mymodel", None)
    made: nn.Module = importlib.import_module("mymodel").load()
    return made


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "unet": smp,
    "one channel": lambda: smp(in_channels=1),
    "unetplusplus": lambda: smp("unetplusplus", "mobilenet_v2"),
    "fpn": lambda: smp("fpn", "efficientnet-b0"),
    "deeplabv3plus": lambda: smp("deeplabv3plus", "resnet34"),
    "linknet": lambda: smp("linknet", "densenet121"),
    "pspnet": lambda: smp("pspnet"),
    "manet": lambda: smp("manet"),
    "segformer": lambda: smp("segformer", "mit_b0"),
    "lraspp": torchvision,
    "fcn": lambda: torchvision("fcn_resnet50", aux_loss=True),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_factory_for_plain_weights_works_when_it_is_pasted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    network = NETWORKS[name]()
    torch.save({"model": prefixed("module.", network), "epoch": 3}, tmp_path / "weights.pth")
    error = shown(tmp_path / "weights.pth")
    assert "holds weights alone" in str(error)
    made = pasted(error, tmp_path, monkeypatch)
    images = torch.rand(1, 1 if name == "one channel" else 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(chosen_output(made(images), "out" if name == "fcn" else None), _of(network(images)))


def _of(output: Any) -> torch.Tensor:
    return output["out"] if isinstance(output, dict) else output


@pytest.mark.parametrize("form", ["lightning", "ema", "safetensors"])
def test_other_files_of_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    network, path = smp(), tmp_path / "victim.ckpt"
    weights = prefixed("model.", network)
    if form == "lightning":
        hyper_parameters = {"hidden": 3, "lr": 0.1}
        lightning = {"pytorch-lightning_version": "2.5", "state_dict": weights, "hyper_parameters": hyper_parameters}
        torch.save(lightning, path)
        said = "a Lightning checkpoint that another program wrote (hyper-parameters hidden, lr)"
    elif form == "ema":
        torch.save({"state_dict": weights, "state_dict_ema": {n: t + 1 for n, t in weights.items()}}, path)
        said = "several sets of weights (state_dict, state_dict_ema)"
    else:
        from safetensors.torch import save_file

        path = path.with_suffix(".safetensors")
        save_file(weights, path)
        said = "holds weights alone"
    error = shown(path)
    assert said in str(error)
    made = pasted(error, tmp_path, monkeypatch)
    assert torch.equal(
        made.state_dict()["segmentation_head.0.weight"], network.state_dict()["segmentation_head.0.weight"]
    )


def test_a_whole_module_is_named_and_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for legacy in (False, True):
        torch.save(nn.Conv2d(3, 2, 1), tmp_path / "whole.pt", _use_new_zipfile_serialization=not legacy)
        error = shown(tmp_path / "whole.pt")
        assert "a whole pickled module (torch.nn.modules.conv.Conv2d), and loading that would execute code" in str(
            error
        )
        assert isinstance(pasted(error, tmp_path, monkeypatch), nn.Conv2d)


def test_weights_of_an_unknown_network(tmp_path: Path) -> None:
    torch.save({"net.a.weight": torch.ones(2), "net.b.weight": torch.ones(2)}, tmp_path / "weights.pth")
    error = shown(tmp_path / "weights.pth")
    assert "all under net." in str(error)
    assert "    return load_weights(MyNetwork(), " in "\n".join(error.details)


def test_a_lightning_checkpoint_of_an_unknown_network_is_given_its_hyper_parameters(tmp_path: Path) -> None:
    hyper_parameters = {"width": 8, "kind": "a", "loss": {"w": torch.ones(2)}, "no name": 1}
    contents = {"pytorch-lightning_version": "2.5", "state_dict": {"net.w": torch.ones(2)}}
    torch.save(contents | {"hyper_parameters": hyper_parameters}, tmp_path / "mine.ckpt")
    lines = "\n".join(shown(tmp_path / "mine.ckpt").details)
    assert "return load_weights(MyModule(width=8, kind='a', loss=...), " in lines
    assert "MyModule.load_from_checkpoint(...)" in lines
    assert "give victim.mean and victim.std too, unless forward normalises them itself" in lines
    compile(lines, "mymodel.py", "exec")


def test_an_exported_victim_is_imported(tmp_path: Path) -> None:
    from benchmark.victims.safetensors_io import save_victim

    for name in ("model.safetensors", "unet.safetensors"):
        save_victim({"architecture": "unet"}, {"w": torch.ones(2)}, tmp_path / name, {})
    (tmp_path / "README.md").touch()
    for path in (tmp_path, tmp_path / "unet.safetensors"):
        with pytest.raises(
            InputError, match=rf"{path} is an exported victim; import it: .*victims import {path} --out"
        ):
            load_victim(path)


def test_a_checkpoint_of_mmsegmentation(tmp_path: Path) -> None:
    weights = {"backbone.layer.weight": torch.ones(2), "decode_head.conv_seg.weight": torch.ones(2)}
    for meta in ({"epoch": 3}, {"hub": Path("x")}):  # with objects of its own, too
        torch.save({"meta": meta, "state_dict": weights}, tmp_path / "mm.pth")
        error = shown(tmp_path / "mm.pth")
        assert "is a checkpoint of mmsegmentation" in str(error)
        compile("\n".join(error.details), "mymodel.py", "exec")


def test_a_lightning_checkpoint_with_objects(tmp_path: Path) -> None:
    saved = {"pytorch-lightning_version": "2.5", "state_dict": {"w": torch.ones(2)}, "hyper_parameters": Path("x")}
    torch.save(saved, tmp_path / "objects.ckpt")
    error = shown(tmp_path / "objects.ckpt")
    assert "Lightning checkpoint that another program wrote" in str(error)
    assert "load_from_checkpoint" in "\n".join(error.details)


def script(path: Path) -> None:
    torch.jit.script(nn.Conv2d(3, 2, 1)).save(str(path))


def keras(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("metadata.json", "config.json", "model.weights.h5"):
            archive.writestr(name, "{}")


def nnunet_checkpoint(path: Path) -> None:
    torch.save({"network_weights": {"w": torch.ones(2)}, "trainer_name": "nnUNetTrainer"}, path)


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("a.ts", script, r"TorchScript program; give victim=torchscript victim\.program=.*a\.ts"),
        (
            "a.ckpt",
            lambda p: torch.export.save(torch.export.export(nn.Conv2d(3, 2, 1), (torch.rand(1, 3, 4, 4),)), p),
            r"program of torch\.export; give victim=exported victim\.program=.*a\.ckpt",
        ),
        ("a.onnx", lambda p: p.write_bytes(b"\x08\x09"), r"ONNX file; give victim=onnx victim\.program=.*a\.onnx"),
        ("a.ckpt", lambda p: p.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(9)), "Keras or other HDF5 file, which is no"),
        ("a.keras", keras, "is a Keras file"),
        ("a.ckpt", keras, "is a Keras file"),
        ("fold_0.pth", nnunet_checkpoint, r"checkpoint of nnU-Net; give victim=nnunet victim\.folder="),
        ("f/plans.json", lambda p: p.write_text("{}"), r"trained model of nnU-Net; give victim=nnunet victim\.folder="),
        ("f/configs/inference.json", lambda p: p.write_text("{}"), r"MONAI bundle; give victim=monai victim\.folder="),
        (
            "f/config.json",
            lambda p: p.write_text("{}"),
            r"Hugging Face model; give victim=hugging_face victim\.folder=",
        ),
        ("f/config.json", lambda p: p.write_text(json.dumps({"_model_class": "Unet"})), "victims import .* --out"),
        ("f/saved_model.pb", lambda p: p.write_text(""), "TensorFlow SavedModel, which is no PyTorch"),
        ("f/best.ckpt", lambda p: p.write_text(""), r"is a folder; give one of its files, such as victim\.ckpt=.*best"),
    ],
)
def test_files_and_folders_of_other_tools(tmp_path: Path, name: str, write: Any, message: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    write(file)
    with pytest.raises(InputError, match=message) as caught:
        load_victim(tmp_path / "f" if name.startswith("f/") else file)
    assert len(str(caught.value).splitlines()) == 1


def test_the_command_shows_the_factory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(smp().state_dict(), tmp_path / "unet.pth")
    assert (
        main(["attack", f"victim.ckpt={tmp_path / 'unet.pth'}", "data=synthetic", f"run.dir={tmp_path / 'run'}"]) == 2
    )
    first, *lines = capsys.readouterr().err.splitlines()
    assert first.startswith("error: ")
    assert first.endswith("attack it with a factory, such as the one below")
    assert "  import segmentation_models_pytorch as smp" in lines
    assert not (tmp_path / "run").exists()
