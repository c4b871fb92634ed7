"""What every adapter is told, and what it says when something is missing; its network is tested with the victims."""

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.errors import InputError
from benchmark.victims import adapters
from benchmark.victims.adapters.exported import network as exported_network
from benchmark.victims.adapters.nnunet import network as nnunet_network
from benchmark.victims.adapters.torchscript import network as torchscript_network
from benchmark.victims.weights import read_tensors
from tests.victims.adapters.own_networks import DATASET, OUTPUTS, PLANS, WRITERS, Small, exported, nnunet


def test_every_adapter_has_a_victim_and_a_miniature() -> None:
    from benchmark.config.groups import names

    assert set(adapters.names()) == set(WRITERS)
    assert set(adapters.names()) <= set(names("victim"))


def test_keys_that_are_missing_or_unknown() -> None:
    with pytest.raises(InputError, match=r"victim=torchscript needs victim\.program"):
        adapters.make("torchscript", {}, 3, 2)
    with pytest.raises(InputError, match=r"victim\.programme: victim=torchscript takes no such key"):
        adapters.make("torchscript", {"program": "x", "programme": "x"}, 3, 2)


@pytest.mark.parametrize(
    ("name", "module", "keys"),
    [("hugging_face", "transformers", {}), ("monai", "monai", {}), ("nnunet", "dynamic_network_architectures", {})],
)
def test_an_extra_that_is_missing_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str, keys: dict[str, Any]
) -> None:
    real = adapters.importlib.import_module

    def without(wanted: str) -> Any:
        if wanted.partition(".")[0] == module:
            raise ModuleNotFoundError(f"No module named {module!r}")
        return real(wanted)

    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "plans.json").write_text(json.dumps(PLANS))
    (tmp_path / "dataset.json").write_text(json.dumps(DATASET))
    given = {"network_class": "UNet"} if name == "monai" else {"folder": str(tmp_path)}
    monkeypatch.setattr(adapters.importlib, "import_module", without)
    with pytest.raises(InputError, match=rf'victim={name} needs {module} .*pip install "segmentation-.*\[{name}\]"'):
        adapters.make(name, given, 3, 3)


@pytest.mark.parametrize("name", ["torchscript", "exported"])
def test_a_program_gives_the_logits_of_what_was_saved(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    original = Small()
    torch.manual_seed(0)
    made = adapters.make(name, WRITERS[name](tmp_path), 3, OUTPUTS)
    images = torch.rand(3, 3, 19, 11)
    torch.testing.assert_close(made(images), original(images))
    made.eval()
    assert made.train() is made


@pytest.mark.parametrize(("make", "kind"), [(torchscript_network, "TorchScript"), (exported_network, "no program")])
def test_a_file_that_is_no_program(tmp_path: Path, make: Callable[..., nn.Module], kind: str) -> None:
    (tmp_path / "text").write_text("hello")
    with pytest.raises(InputError, match=rf"victim\.program=.*text: .*{kind}"):
        make(str(tmp_path / "text"))
    with pytest.raises(InputError, match=r"victim\.program=.*none: no such file"):
        make(str(tmp_path / "none"))


class Bait:
    """Unpickling it makes a folder."""

    def __init__(self, trace: Path) -> None:
        self.trace = str(trace)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.trace,)


def replaced(path: Path, name: str, content: bytes) -> Path:
    """The archive with one member replaced."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    (member,) = [found for found in members if found.endswith(name)]
    members[member] = content
    spoilt = path.with_name("spoilt.pt2")
    with zipfile.ZipFile(spoilt, "w", zipfile.ZIP_STORED) as archive:
        for found, own in members.items():
            archive.writestr(found, own)
    return spoilt


@pytest.mark.parametrize("place", ["sample_inputs", "weight", "object"])
def test_pickled_objects_in_an_exported_program_are_refused_and_never_run(tmp_path: Path, place: str) -> None:
    path, trace = Path(exported(tmp_path)["program"]), tmp_path / "executed"
    torch.save(Bait(trace), tmp_path / "bait")
    bait = (tmp_path / "bait").read_bytes()
    if place == "sample_inputs":
        path = replaced(path, "sample_inputs/model.pt", bait)
    else:
        with zipfile.ZipFile(path) as archive:
            (name,) = [found for found in archive.namelist() if found.endswith("weights_config.json")]
            config = json.loads(archive.read(name))
        payload = next(iter(config["config"].values()))
        payload["use_pickle"] = True
        member = payload["path_name"]
        if place == "object":
            payload["path_name"] = "opaque_obj_0"
        path = replaced(path, "weights_config.json", json.dumps(config).encode())
        path = replaced(path, f"weights/{member}", bait)
    with pytest.raises(InputError, match=r"could execute code"):
        exported_network(str(path))
    assert not trace.exists()


def test_a_program_for_a_fixed_batch_and_size(tmp_path: Path) -> None:
    torch.manual_seed(0)
    original = Small().eval()
    torch.export.save(torch.export.export(original, (torch.rand(2, 3, 16, 24),)), tmp_path / "fixed.pt2")
    made = exported_network(str(tmp_path / "fixed.pt2"))
    images = torch.rand(5, 3, 16, 24)
    torch.testing.assert_close(made(images), original(images))
    with pytest.raises(InputError, match=r"for images of 16 x 24 .*found 20 x 24; give 'victim\.resize=\[16,24\]'"):
        made(torch.rand(2, 3, 20, 24))


@pytest.fixture
def trained_nnunet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return Path(nnunet(tmp_path)["folder"])


def test_nnunet_normalises_the_whole_image_and_slides(trained_nnunet: Path) -> None:
    from benchmark.victims.deployment.sliding_window import slide

    made = nnunet_network(str(trained_nnunet), channels=3, outputs=OUTPUTS)
    weights = read_tensors(trained_nnunet / "fold_0" / "checkpoint_final.pth", "victim.folder")
    plain = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, OUTPUTS, 1))
    plain.load_state_dict(weights)
    images = torch.rand(2, 3, 50, 37)
    grey = images * 255
    flat = grey.flatten(2)
    normalised = (grey - flat.mean(2)[..., None, None]) / flat.std(2, correction=0)[..., None, None]
    torch.testing.assert_close(made(images), slide(plain, normalised, (32, 24)), rtol=1e-4, atol=1e-5)
    flipped = nnunet_network(str(trained_nnunet), channels=3, outputs=OUTPUTS, mirror=True)(images)
    mirrored: list[Tensor] = [made(images.flip(axes)).flip(axes) for axes in ((2,), (3,), (2, 3))]
    # A small convolution's border is the same from both sides, and windows lie symmetrically.
    torch.testing.assert_close(flipped, torch.stack([made(images), *mirrored]).mean(0), rtol=1e-3, atol=1e-3)


def changed(folder: Path, file: str, change: Callable[[dict[str, Any]], None]) -> str:
    content = json.loads((folder / file).read_text())
    change(content["configurations"]["2d"] if file == "plans.json" else content)
    (folder / file).write_text(json.dumps(content))
    return str(folder)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("plans.json", lambda c: c["architecture"].update(network_class_name="os.system"), "names os.system"),
        (
            "plans.json",
            lambda c: c["architecture"].update(network_class_name="dynamic_network_architectures.os.system"),
            "which is no network or layer",
        ),
        ("plans.json", lambda c: c["architecture"]["arch_kwargs"].update(conv_op="torch.load"), "names torch.load"),
        ("plans.json", lambda c: c["architecture"]["arch_kwargs"].update(width=5), "weights do not fit"),
        ("plans.json", lambda c: c.pop("architecture"), "do not name a network"),
        ("plans.json", lambda c: c.update(patch_size=[8, 8, 8]), "works on 3 dimensions"),
        ("plans.json", lambda c: c.update(use_mask_for_norm=[True] * 3), "use_mask_for_norm"),
        ("plans.json", lambda c: c.update(normalization_schemes=["Mine"] * 3), "normalises by Mine"),
        ("dataset.json", lambda c: c.update(channel_names={"0": "CT"}), "takes images of 1 channels, the data have 3"),
        ("dataset.json", lambda c: c["labels"].pop("cup"), "tells 2 classes apart, the data have 3"),
        ("dataset.json", lambda c: c["labels"].update(cup=[1, 2]), "overlapping regions"),
    ],
)
def test_nnunet_plans_that_cannot_be_followed(trained_nnunet: Path, file: str, change: Any, message: str) -> None:
    folder = changed(trained_nnunet, file, change)
    with pytest.raises(InputError, match=message) as caught:
        nnunet_network(folder, channels=3, outputs=OUTPUTS)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("NoNormalization", lambda grey: grey),
        ("RGBTo01Normalization", lambda grey: grey / 255),
        ("RescaleTo01Normalization", lambda grey: (grey - 51) / 153),
        ("CTNormalization", lambda grey: (grey.clamp(100, 180) - 120) / 40),
    ],
)
def test_nnunet_normalisations(trained_nnunet: Path, scheme: str, expected: Callable[[Tensor], Tensor]) -> None:
    def change(configuration: dict[str, Any]) -> None:
        configuration.update(normalization_schemes=[scheme] * 3)

    folder = changed(trained_nnunet, "plans.json", change)
    content = json.loads((trained_nnunet / "plans.json").read_text())
    of = {"percentile_00_5": 100, "percentile_99_5": 180, "mean": 120, "std": 40}
    content["foreground_intensity_properties_per_channel"] = {str(channel): of for channel in range(3)}
    (trained_nnunet / "plans.json").write_text(json.dumps(content))
    made = nnunet_network(folder, channels=3, outputs=OUTPUTS)
    grey = torch.linspace(51, 204, 12).view(1, 1, 3, 4).expand(1, 3, 3, 4)
    shown: list[Tensor] = []
    made.network.register_forward_pre_hook(lambda module, inputs: shown.append(inputs[0]))  # type: ignore[union-attr]
    made(grey / 255)
    torch.testing.assert_close(shown[0][..., :3, :4], expected(grey), rtol=1e-5, atol=1e-4)


def test_weights_are_read_without_executing_code(tmp_path: Path) -> None:
    trace = tmp_path / "executed"
    torch.save({"state_dict": {"w": torch.ones(1)}, "extra": Bait(trace)}, tmp_path / "bait.pth")
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(Bait(trace)))
    for name in ("bait.pth", "plain.pkl"):
        with pytest.raises(InputError, match="cannot be read as weights without executing code"):
            read_tensors(tmp_path / name, "victim.weights")
    assert not trace.exists()
    torch.save({"epoch": 3, "model": {"module.w": torch.ones(2)}}, tmp_path / "nested.pth")
    assert read_tensors(tmp_path / "nested.pth", "victim.weights")["w"].tolist() == [1, 1]
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    with pytest.raises(InputError, match="holds no names and tensors"):
        read_tensors(tmp_path / "empty.pth", "victim.weights")


def test_hugging_face_preprocesses_as_its_folder_says(tmp_path: Path) -> None:
    import torch.nn.functional as F

    keys = WRITERS["hugging_face"](tmp_path)
    made = adapters.make("hugging_face", keys, 3, OUTPUTS).eval()
    plain = adapters.make("hugging_face", keys | {"preprocess": False}, 3, OUTPUTS).eval()
    images = torch.rand(2, 3, 40, 32)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ([0.4, 0.5, 0.6], [0.2, 0.2, 0.25]))
    inputs = F.interpolate((images - mean) / std, (64, 48), mode="bilinear", antialias=True)
    expected = F.interpolate(plain.model(pixel_values=inputs).logits, (40, 32), mode="bilinear")
    torch.testing.assert_close(made(images), expected)
    assert plain(images).shape == made(images).shape == (2, OUTPUTS, 40, 32)


def test_a_hugging_face_backbone_without_a_trained_head_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = Path(WRITERS["hugging_face"](tmp_path)["folder"])
    tensors = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if "classifier" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"holds no weights for 2 tensors of the model, such as .*classifier"):
        adapters.make("hugging_face", {"folder": str(folder)}, 3, OUTPUTS)


def test_masks_with_classes_become_logits_as_transformers_does(tmp_path: Path) -> None:
    from types import SimpleNamespace

    from benchmark.victims.adapters.hugging_face import _per_pixel

    queries, masks = torch.randn(1, 5, OUTPUTS + 1), torch.randn(1, 5, 6, 4)
    output = SimpleNamespace(class_queries_logits=queries, masks_queries_logits=masks)
    score = sum(queries[0, q].softmax(0)[:-1].view(-1, 1, 1) * masks[0, q].sigmoid() for q in range(5))
    torch.testing.assert_close(_per_pixel(output)[0], score.log())


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"network_class": "Unett"}, r"unknown network of MONAI 'Unett' in victim\.network_class; nearest: "),
        (
            {"network_class": "UNet"},
            r"victim\.network_class=UNet: cannot be built from .*channels.*check victim\.options",
        ),
    ],
)
def test_unusable_monai_networks(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        adapters.make("monai", keys, 3, 2)
    assert len(str(caught.value).splitlines()) == 1


def test_monai_weights_are_those_of_the_file(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    keys = WRITERS["monai"](tmp_path)
    keys.pop("stride")
    made = adapters.make("monai", keys, 3, OUTPUTS)
    for name, tensor in load_file(keys["weights"]).items():
        assert torch.equal(made.network.state_dict()[name], tensor)  # type: ignore[union-attr]
    with pytest.raises(InputError, match=r"victim\.weights=.*do not fit the UNet"):
        adapters.make("monai", keys | {"options": {"channels": [4, 6], "strides": [2]}}, 3, OUTPUTS)
