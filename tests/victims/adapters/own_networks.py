"""A tiny network of every adapter, as its user would have it; what one needs that is not installed is imitated."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

CHANNELS, OUTPUTS = 3, 3


class Small(nn.Module):
    """Convolutions only, so that images of any size will do."""

    def __init__(self, channels: int = CHANNELS, outputs: int = OUTPUTS) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, 4, 3, padding=1)
        self.last = nn.Conv2d(4, outputs, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(torch.tanh(self.first(images)))


def python(folder: Path) -> dict[str, Any]:
    (folder / "contract_network.py").write_text(
        "from torch import nn\n\n"
        "def network(width=4):\n"
        "    return nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.Conv2d(width, 3, 1))\n"
    )
    return {"factory": "contract_network:network"}


def torchscript(folder: Path) -> dict[str, Any]:
    torch.jit.script(Small()).save(str(folder / "small.ts"))
    return {"program": str(folder / "small.ts")}


def exported(folder: Path) -> dict[str, Any]:
    side = {name: torch.export.Dim(name, min=2, max=4096) for name in ("batch", "height", "width")}
    shapes = ({0: side["batch"], 2: side["height"], 3: side["width"]},)
    program = torch.export.export(Small(), (torch.rand(2, CHANNELS, 16, 24),), dynamic_shapes=shapes)
    torch.export.save(program, folder / "small.pt2")
    return {"program": str(folder / "small.pt2")}


def onnx(folder: Path) -> dict[str, Any]:
    return {"program": str(to_onnx(Small(), folder / "small.onnx"))}


def to_onnx(network: nn.Module, path: Path, dtype: torch.dtype = torch.float32) -> Path:
    """Write the network for any number of images of any size, by the exporter of torch that takes no seconds."""
    axes = {"images": {0: "batch", 2: "height", 3: "width"}}
    images = torch.rand(2, CHANNELS, 32, 32, dtype=dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the other exporter is newer
        torch.onnx.export(
            network.eval(), (images,), path, dynamo=False, input_names=["images"], dynamic_axes=axes, verbose=False
        )
    return path


def hugging_face(folder: Path) -> dict[str, Any]:
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    config = SegformerConfig(
        num_labels=OUTPUTS,
        depths=[1] * 4,
        hidden_sizes=[8, 8, 16, 16],
        decoder_hidden_size=8,
        classifier_dropout_prob=0,
    )
    SegformerForSemanticSegmentation(config).save_pretrained(folder / "segformer")
    said = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.2, 0.25], "do_resize": True}
    (folder / "segformer" / "preprocessor_config.json").write_text(
        json.dumps(said | {"size": {"height": 64, "width": 48}})
    )
    return {"folder": str(folder / "segformer")}


def monai(folder: Path) -> dict[str, Any]:
    from monai.networks.nets import UNet
    from safetensors.torch import save_file

    options = {"channels": [4, 8], "strides": [2]}
    save_file(UNet(2, CHANNELS, OUTPUTS, **options).state_dict(), folder / "unet.safetensors")
    return {"network_class": "UNet", "options": options, "weights": str(folder / "unet.safetensors"), "stride": 2}


PLANS: dict[str, Any] = {
    "configurations": {
        "2d": {
            "patch_size": [32, 24],
            "normalization_schemes": ["ZScoreNormalization"] * CHANNELS,
            "use_mask_for_norm": [False] * CHANNELS,
            "architecture": {
                "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
                "arch_kwargs": {"conv_op": "torch.nn.modules.conv.Conv2d", "dropout_op": None, "width": 4},
                "_kw_requires_import": ["conv_op", "dropout_op"],
            },
        }
    }
}
DATASET = {"channel_names": {"0": "R", "1": "G", "2": "B"}, "labels": {"background": 0, "disc": 1, "cup": 2}}


def nnunet(folder: Path) -> dict[str, Any]:
    """With a network in place of nnU-Net's, whose package would need an older timm."""
    import numpy as np

    package = folder / "dynamic_network_architectures" / "architectures"
    package.mkdir(parents=True)
    for place in (package, package.parent):
        (place / "__init__.py").touch()
    (package / "unet.py").write_text(
        "from torch import nn\n\n"
        "class PlainConvUNet(nn.Sequential):\n"
        "    def __init__(self, input_channels, num_classes, deep_supervision, conv_op, dropout_op, width):\n"
        "        assert not deep_supervision and dropout_op is None\n"
        "        super().__init__(conv_op(input_channels, width, 3, padding=1), conv_op(width, num_classes, 1))\n"
    )
    model = folder / "nnUNetTrainer__nnUNetPlans__2d"
    (model / "fold_0").mkdir(parents=True)
    (model / "plans.json").write_text(json.dumps(PLANS))
    (model / "dataset.json").write_text(json.dumps(DATASET))
    weights = nn.Sequential(nn.Conv2d(CHANNELS, 4, 3, padding=1), nn.Conv2d(4, OUTPUTS, 1)).state_dict()
    # As nnU-Net saves it, NumPy's numbers included.
    checkpoint = {
        "network_weights": weights,
        "_best_ema": np.float64(0.5),
        "logging": {"ema_fg_dice": [np.float32(0.1)]},
    }
    torch.save(checkpoint, model / "fold_0" / "checkpoint_final.pth")
    return {"folder": str(model)}


WRITERS: dict[str, Callable[[Path], dict[str, Any]]] = {
    **{"python": python, "torchscript": torchscript, "exported": exported, "onnx": onnx},
    **{"hugging_face": hugging_face, "monai": monai, "nnunet": nnunet},
}
"""Adapter -> writes what it reads into a folder, which Python's path has too, and returns the keys of its YAML."""
