"""A bundle's folder as MONAI has it, and what MONAI itself makes of it."""

import copy
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.victims import adapters

LEVELS = torch.randint(0, 256, (2, 3, 22, 30), generator=torch.Generator().manual_seed(0))

NETWORK: dict[str, Any] = {
    "_target_": "UNet",
    "spatial_dims": 2,
    "in_channels": "@channels",
    "out_channels": "$@classes",
    "channels": [4, 8],
    "strides": "$[2,]",
}
PREPROCESSING: list[Any] = [
    {"_target_": "LoadImaged", "keys": "@image"},
    {"_target_": "EnsureChannelFirstd", "keys": "@image"},
    {"_target_": "ScaleIntensityRanged", "keys": ["image"], "a_min": 0, "a_max": 255, "b_min": 0.0, "b_max": 1.0},
    {"_target_": "monai.transforms.EnsureTyped", "keys": "image", "device": "$torch.device('cpu')"},
]


def configuration(transforms: Sequence[Any] = PREPROCESSING, inferer: Any = None) -> dict[str, Any]:
    """configs/inference.json with these transforms; what is of no use to a victim is computed, as in real bundles."""
    content = {
        "imports": ["$import glob", "$import os"],
        "bundle_root": ".",
        "image": "image",
        "datalist": [],
        "channels": 3,
        "classes": 2,
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "network_def": NETWORK,
        "network": "$@network_def.to(@device)",
        "preprocessing": {"_target_": "Compose", "transforms": list(transforms)},
        "dataset": {"_target_": "Dataset", "data": "$@datalist", "transform": "@preprocessing"},
        "inferer": {"_target_": "SimpleInferer"} if inferer is None else inferer,
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "Activationsd", "keys": "pred", "softmax": True},
                {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
                {"_target_": "SaveImaged", "keys": "pred", "output_dir": "$os.getcwd()"},
            ],
        },
        "handlers": [{"_target_": "CheckpointLoader", "load_path": "$@bundle_root + '/models/model.pt'"}],
    }
    return copy.deepcopy(content)


def bundle(
    folder: Path, config: dict[str, Any] | None = None, save: Callable[[nn.Module, Path], None] | None = None
) -> str:
    """Write a bundle and return its folder."""
    from monai.networks.nets import UNet

    for name in ("configs", "models"):
        (folder / name).mkdir(parents=True)
    (folder / "configs" / "inference.json").write_text(json.dumps(config or configuration()))
    formats = {"inputs": {"image": {"num_channels": 3}}, "outputs": {"pred": {"num_channels": 2}}}
    (folder / "configs" / "metadata.json").write_text(json.dumps({"network_data_format": formats}))
    torch.manual_seed(3)
    network = UNet(2, 3, 2, channels=[4, 8], strides=[2])
    if save is None:
        torch.save(network.state_dict(), folder / "models" / "model.pt")
    else:
        save(network, folder / "models")
    return str(folder)


def parsed(folder: str, name: str) -> Any:
    """What MONAI's own parser makes of a name in the configuration."""
    from monai.bundle import ConfigParser

    parser = ConfigParser()
    parser.read_config(str(Path(folder) / "configs" / "inference.json"))
    for path in ("dataset", "handlers", "network"):
        parser.config.pop(path)
    return parser.get_parsed_content(name)


def made(folder: str, **keys: Any) -> nn.Module:
    """The victim's network of a bundle, for 3 channels and 2 classes."""
    return adapters.make("monai", {"folder": folder} | keys, 3, 2).eval()


def given_to(network: nn.Module, images: Tensor) -> Tensor:
    """What the innermost network is given."""
    shown: list[Tensor] = []
    hook = network.network.network.register_forward_pre_hook(lambda module, inputs: shown.append(inputs[0]))  # type: ignore[union-attr, operator]
    network(images)
    hook.remove()  # type: ignore[operator, union-attr]
    return shown[0]


def picture(folder: Path, levels: Tensor) -> str:
    from PIL import Image

    path = folder / "picture.png"
    Image.fromarray(levels.permute(1, 2, 0).byte().numpy()).save(path)
    return str(path)


def of_monai(folder: str, tmp_path: Path) -> Tensor:
    """What MONAI's own preprocessing makes of the pictures."""
    preprocess = parsed(folder, "preprocessing")
    each = [preprocess({"image": picture(tmp_path, one)})["image"].as_tensor() for one in LEVELS]
    return torch.stack(each)


def changed(place: str, value: Any) -> dict[str, Any]:
    """The configuration with another value at a place, whose steps are parted by points."""
    config = configuration()
    found: Any = config
    *steps, last = place.split(".")
    for step in steps:
        found = found[int(step) if step.isdigit() else step]
    found[int(last) if last.isdigit() else last] = value
    return config
