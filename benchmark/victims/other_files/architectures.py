"""Which network of segmentation-models-pytorch or torchvision weights are of, found by their names and shapes."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.victims.weight_names import fitted_names

# What the names of an architecture's decoder have, and no other's.
_DECODERS = {
    "unetplusplus": "decoder.blocks.x_0_0.",
    "manet": "decoder.center.top_conv.",
    "pan": "decoder.fpa.",
    "pspnet": "decoder.psp.",
    "upernet": "decoder.fusion_block.",
    "segformer": "decoder.mlp_stage.",
    "fpn": "decoder.seg_blocks.",
    "deeplabv3plus": "decoder.block2.",
    "deeplabv3": "decoder.aspp.convs.",
    "linknet": "decoder.blocks.0.block.",
    "unet": "decoder.blocks.0.conv1.",
}
# What the names of a family of encoders have, and its members.
_ENCODERS = {
    "encoder.layer1.0.": [
        "resnet18",
        "resnet34",
        "resnet50",
        "resnet101",
        "resnet152",
        "resnext50_32x4d",
        "se_resnet50",
    ],
    "encoder._conv_stem.": [f"efficientnet-b{size}" for size in range(8)],
    "encoder.features.denseblock1.": ["densenet121", "densenet169", "densenet201", "densenet161"],
    "encoder.features.1.conv.": ["mobilenet_v2"],
    "encoder.patch_embed1.": [f"mit_b{size}" for size in range(6)],
    "encoder.features.0.": ["vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"],
}
_TORCHVISION = (
    *("fcn_resnet50", "fcn_resnet101", "deeplabv3_resnet50", "deeplabv3_resnet101"),
    *("deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large"),
)


def constructor(tensors: Mapping[str, Tensor]) -> tuple[str, str] | None:
    """The line that imports, and the expression that makes, the network whose weights these are; None: unknown."""
    short = _without_prefix(tensors)
    if any(name.startswith("segmentation_head.") for name in short):
        return _of_smp(short, tensors)
    if any(name.startswith("backbone.") for name in short) and any(name.startswith("classifier.") for name in short):
        return _of_torchvision(short, tensors)
    return None


def _without_prefix(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under names that begin at the encoder, the backbone or the head."""
    starts = ("encoder.", "backbone.", "segmentation_head.")
    first = next((name for name in tensors if any(start in name for start in starts)), "")
    place = min((first.index(start) for start in starts if start in first), default=0)
    prefix = first[:place]
    found = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return {name.replace("_orig_mod.", ""): tensor for name, tensor in found.items()}


def _of_smp(short: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> tuple[str, str] | None:
    import segmentation_models_pytorch as smp

    architecture = next((name for name, part in _DECODERS.items() if any(key.startswith(part) for key in short)), None)
    families = (names for part, names in _ENCODERS.items() if any(key.startswith(part) for key in short))
    channels = next((t.shape[1] for name, t in short.items() if name.startswith("encoder.") and t.ndim == 4), 3)
    classes = next((t.shape[0] for n, t in short.items() if n.startswith("segmentation_head.") and t.ndim == 4), 1)
    for encoder in next(families, []) if architecture else []:
        keywords = {"encoder_weights": None, "in_channels": int(channels), "classes": int(classes)}
        if _fits(partial(smp.create_model, architecture, encoder_name=encoder, **keywords), tensors):
            written = ", ".join(f"{key}={value}" for key, value in keywords.items())
            return (
                "import segmentation_models_pytorch as smp",
                f'smp.create_model("{architecture}", "{encoder}", {written})',
            )
    return None


def _of_torchvision(short: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> tuple[str, str] | None:
    from torchvision.models import segmentation

    heads = [tensor for name, tensor in short.items() if name.startswith("classifier.")]
    aux = any(name.startswith("aux_classifier.") for name in short)
    for name in _TORCHVISION if heads[-1].ndim else ():
        keywords: dict[str, Any] = {"weights": None, "weights_backbone": None, "num_classes": int(heads[-1].shape[0])}
        keywords |= {} if name.startswith("lraspp") else {"aux_loss": aux}
        if _fits(partial(getattr(segmentation, name), **keywords), tensors):
            written = ", ".join(f"{key}={value}" for key, value in keywords.items())
            return "from torchvision.models import segmentation", f"segmentation.{name}({written})"
    return None


def _fits(make: Callable[[], nn.Module], tensors: Mapping[str, Tensor]) -> bool:
    """Whether the network has the names and shapes of the tensors."""
    try:
        with torch.device("meta"):  # no memory is needed for its weights
            wanted = make().state_dict()
    except (RuntimeError, NotImplementedError):  # some encoders compute with numbers as they are built
        wanted = make().state_dict()
    found = fitted_names(tensors, wanted.keys())
    return found is not None and all(found[name].shape == value.shape for name, value in wanted.items())
