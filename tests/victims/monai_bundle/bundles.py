"""A bundle's folder as MONAI has it, and what MONAI itself makes of it."""

import copy
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

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
