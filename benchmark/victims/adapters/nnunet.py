"""A trained two-dimensional configuration of nnU-Net (Isensee et al. 2021, doi 10.1038/s41592-020-01008-z).

The adapter reads plans.json, dataset.json and the checkpoint of the fold. Of nnU-Net it needs only the package of its
networks. Inference is that of nnU-Net: the whole image is normalised, windows of the patch size overlap by half and are
averaged with Gaussian weights, and predictions of mirrored images are averaged on request. The images are expected to
have the spacing of the plans.
"""

import pkgutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.errors import InputError, first_line
from benchmark.victims.adapters import import_extra, read_json
from benchmark.victims.deployment.sliding_window import slide
from benchmark.victims.weights import put_into, read_tensors

HARMLESS = ("configuration", "fold", "intensity", "mirror")
Normaliser = Callable[[Tensor], Tensor]
CURE = "give the folder of a trained nnU-Net"
# The packages from which plans may name classes: a file must not choose code to run.
_NETWORKS, _LAYERS = "dynamic_network_architectures.", "torch.nn."


def network(
    folder: str,
    *,
    channels: int,
    outputs: int,
    configuration: str = "2d",
    fold: int | str = 0,
    checkpoint: str = "checkpoint_final.pth",
    intensity: float = 255.0,
    mirror: bool = False,
) -> nn.Module:
    """The network of one fold.

    Args:
        folder: of the trained model (Trainer__Plans__configuration), with plans.json, dataset.json and fold_0/ or so.
        channels, outputs: of the data; the model's have to be equal.
        configuration: name of a two-dimensional configuration in the plans.
        fold: its number, or "all".
        checkpoint: file in the fold's folder.
        intensity: the value in nnU-Net's training that is 1 in an image here: 255 for 8-bit images.
        mirror: whether to average over mirrored images, as nnU-Net does by default; four times the cost.

    Raises:
        InputError: a file is missing, the plans are of an older nnU-Net or of three dimensions, or nothing fits.
    """
    path = Path(folder).expanduser()
    plans, dataset = (read_json(path / name, CURE) for name in ("plans.json", "dataset.json"))
    plan = _configuration(plans, configuration, path)
    _check_data(dataset, channels, outputs, path)
    model = _build(plan["architecture"], channels, outputs, path)
    file = path / f"fold_{fold}" / checkpoint
    put_into(model, read_tensors(file, "victim.folder", "network_weights"), str(file))
    if any(plan["use_mask_for_norm"]):
        raise InputError(f"{path}: normalises within a mask of each image (use_mask_for_norm), which is not supported")
    schemes = enumerate(plan["normalization_schemes"])
    normalisers = [_normaliser(scheme, plans, channel, path) for channel, scheme in schemes]
    height, width = plan["patch_size"]
    return NNUNet(model, normalisers, (int(height), int(width)), intensity, mirror)


class NNUNet(nn.Module):
    """Images in [0, 1] -> logits, by nnU-Net's inference."""

    def __init__(
        self, network: nn.Module, normalisers: list[Normaliser], patch: tuple[int, int], intensity: float, mirror: bool
    ) -> None:
        super().__init__()
        self.network, self._normalisers, self._patch = network, normalisers, patch
        self._intensity, self._axes = intensity, [(), (2,), (3,), (2, 3)] if mirror else [()]

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, K, H, W) of images (B, C, H, W)."""
        channels = zip((images * self._intensity).unbind(1), self._normalisers, strict=True)
        inputs = torch.stack([normalise(channel) for channel, normalise in channels], dim=1)
        return slide(self._mirrored, inputs, self._patch)

    def _mirrored(self, windows: Tensor) -> Tensor:
        each = [self.network(windows.flip(axes)).flip(axes) if axes else self.network(windows) for axes in self._axes]
        return torch.stack(each).mean(0)


def _normaliser(scheme: str, plans: Mapping[str, Any], channel: int, path: Path) -> Normaliser:
    """The function from intensities (B, H, W) of one channel to the values that the network takes."""
    if scheme in SIMPLE_NORMALISERS:
        return SIMPLE_NORMALISERS[scheme]
    if scheme == "CTNormalization":
        values = plans["foreground_intensity_properties_per_channel"][str(channel)]
        low, high, mean, std = (float(values[name]) for name in ("percentile_00_5", "percentile_99_5", "mean", "std"))
        return lambda image: (image.clamp(low, high) - mean) / max(std, 1e-8)
    raise InputError(f"{path}: normalises by {scheme}, which is not supported; use victim=python")


def _z_score(image: Tensor) -> Tensor:
    std, mean = torch.std_mean(image, dim=(1, 2), correction=0, keepdim=True)
    return (image - mean) / std.clamp(min=1e-8)


def _rescale(image: Tensor) -> Tensor:
    image = image - image.amin((1, 2), keepdim=True)
    return image / image.amax((1, 2), keepdim=True).clamp(min=1e-8)


SIMPLE_NORMALISERS: dict[str, Normaliser] = {
    "ZScoreNormalization": _z_score,
    "RescaleTo01Normalization": _rescale,
    "RGBTo01Normalization": lambda image: image / 255,
    "NoNormalization": lambda image: image,
}


def _build(architecture: Mapping[str, Any], channels: int, outputs: int, path: Path) -> nn.Module:
    import_extra("dynamic_network_architectures", "nnunet")
    arguments = dict(architecture["arch_kwargs"])
    for name in architecture["_kw_requires_import"]:
        if arguments[name] is not None:
            arguments[name] = _class(arguments[name], _LAYERS, path)
    kind = _class(architecture["network_class_name"], _NETWORKS, path)
    try:
        model: nn.Module = kind(input_channels=channels, num_classes=outputs, deep_supervision=False, **arguments)
    except Exception as error:  # the library raises errors of many types
        raise InputError(f"{path}: its network cannot be built ({first_line(error)})") from error
    return model


def _class(name: Any, package: str, path: Path) -> Any:
    """The module class of that name. The name is checked before it is imported, and the class afterwards."""
    kind = None
    if isinstance(name, str) and name.startswith(package):
        with suppress(ImportError, ValueError, AttributeError):
            kind = pkgutil.resolve_name(name)
    if not (isinstance(kind, type) and issubclass(kind, nn.Module) and kind.__module__.startswith(package)):
        raise InputError(f"{path / 'plans.json'}: names {name}, which is no network or layer of {package.rstrip('.')}")
    return kind


def _configuration(plans: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    known = plans.get("configurations", {})
    if name not in known:
        raise InputError(f"victim.configuration={name}: {path} has {', '.join(known)}")
    plan: dict[str, Any] = known.get(known[name].get("inherits_from"), {}) | known[name]
    if "architecture" not in plan:
        raise InputError(f"{path}: its plans do not name a network, as those of nnU-Net 2.4 and older; plan it again")
    if len(plan["patch_size"]) != 2:
        raise InputError(f"victim.configuration={name}: works on {len(plan['patch_size'])} dimensions; give a 2d one")
    return plan


def _check_data(dataset: Mapping[str, Any], channels: int, outputs: int, path: Path) -> None:
    names, labels = dataset.get("channel_names", {}), dict(dataset.get("labels", {}))
    if len(names) != channels:
        raise InputError(f"{path}: takes images of {len(names)} channels, the data have {channels}")
    labels.pop("ignore", None)
    if any(isinstance(value, list) for value in labels.values()):
        raise InputError(f"{path}: predicts overlapping regions, not classes; use victim=python")
    if len(labels) != outputs:
        raise InputError(f"{path}: tells {len(labels)} classes apart, the data have {outputs}")
