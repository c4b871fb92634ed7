"""A trained two-dimensional configuration of nnU-Net (Isensee et al. 2021, doi 10.1038/s41592-020-01008-z).

The adapter reads plans.json, dataset.json and the checkpoint of the fold. Of nnU-Net it needs only the package of its
networks. Inference is that of nnU-Net: the whole image is normalised, windows of the patch size overlap by half and are
averaged with Gaussian weights, and predictions of mirrored images are averaged on request. The images are expected to
have the spacing of the plans.
"""

import json
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.errors import InputError, first_line
from benchmark.victims.adapters import import_extra
from benchmark.victims.deployment.sliding_window import slide
from benchmark.victims.weights import put_into, read_tensors

# Where the classes that plans name have to come from: a file must not choose code to run.
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
        channels, outputs: of the data; have to be those of the model.
        configuration: of the plans, a two-dimensional one.
        fold: its number, or "all".
        checkpoint: file in the fold's folder.
        intensity: what 1 in an image was when nnU-Net was trained: 255 for 8-bit images.
        mirror: average over mirrored images, as nnU-Net does by default; four times the cost.

    Raises:
        InputError: a file is missing, the plans are of an older nnU-Net or of three dimensions, or nothing fits.
    """
    path = Path(folder).expanduser()
    plans, dataset = _json(path / "plans.json"), _json(path / "dataset.json")
    said = _configuration(plans, configuration, path)
    _check_data(dataset, channels, outputs, path)
    made = _build(said["architecture"], channels, outputs, path)
    file = path / f"fold_{fold}" / checkpoint
    put_into(made, read_tensors(file, "victim.folder"), str(file))
    normalisers = [
        _normaliser(scheme, masked, plans, channel, path)
        for channel, (scheme, masked) in enumerate(
            zip(said["normalization_schemes"], said["use_mask_for_norm"], strict=True)
        )
    ]
    height, width = said["patch_size"]
    return NNUNet(made, normalisers, (int(height), int(width)), intensity, mirror)


class NNUNet(nn.Module):
    """Images in [0, 1] -> logits, by nnU-Net's inference."""

    def __init__(
        self, network: nn.Module, normalisers: list[Any], patch: tuple[int, int], intensity: float, mirror: bool
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


def _normaliser(scheme: str, masked: bool, plans: Mapping[str, Any], channel: int, path: Path) -> Any:
    """(B, H, W) intensities -> what the network takes."""
    if masked:
        raise InputError(f"{path}: normalises within a mask of each image (use_mask_for_norm), which is not supported")
    if scheme == "ZScoreNormalization":
        return _z_score
    if scheme == "RescaleTo01Normalization":
        return _rescale
    if scheme == "RGBTo01Normalization":
        return lambda image: image / 255
    if scheme == "NoNormalization":
        return lambda image: image
    if scheme == "CTNormalization":
        of = plans["foreground_intensity_properties_per_channel"][str(channel)]
        low, high, mean, std = (float(of[name]) for name in ("percentile_00_5", "percentile_99_5", "mean", "std"))
        return lambda image: (image.clamp(low, high) - mean) / max(std, 1e-8)
    raise InputError(f"{path}: normalises by {scheme}, which is not supported; use victim=python")


def _z_score(image: Tensor) -> Tensor:
    std, mean = torch.std_mean(image, dim=(1, 2), correction=0, keepdim=True)
    return (image - mean) / std.clamp(min=1e-8)


def _rescale(image: Tensor) -> Tensor:
    image = image - image.amin((1, 2), keepdim=True)
    return image / image.amax((1, 2), keepdim=True).clamp(min=1e-8)


def _build(architecture: Mapping[str, Any], channels: int, outputs: int, path: Path) -> nn.Module:
    import_extra("dynamic_network_architectures", "nnunet")
    arguments = dict(architecture["arch_kwargs"])
    for name in architecture["_kw_requires_import"]:
        if arguments[name] is not None:
            arguments[name] = _class(arguments[name], _LAYERS, path)
    kind = _class(architecture["network_class_name"], _NETWORKS, path)
    try:
        made: nn.Module = kind(input_channels=channels, num_classes=outputs, deep_supervision=False, **arguments)
    except Exception as error:  # the library raises many things at what it cannot use
        raise InputError(f"{path}: its network cannot be made ({first_line(error)})") from error
    return made


def _class(name: Any, package: str, path: Path) -> Any:
    """The module class of that name. First the name is checked, then what it leads to."""
    found = None
    if isinstance(name, str) and name.startswith(package):
        try:
            found = pkgutil.resolve_name(name)
        except (ImportError, ValueError, AttributeError):
            found = None
    if not (isinstance(found, type) and issubclass(found, nn.Module) and found.__module__.startswith(package)):
        raise InputError(f"{path / 'plans.json'}: names {name}, which is no network or layer of {package.rstrip('.')}")
    return found


def _configuration(plans: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    known = plans.get("configurations", {})
    said = known.get(name)
    if said is None:
        raise InputError(f"victim.configuration={name}: {path} has {', '.join(known)}")
    inherited = said.get("inherits_from")
    said = (known[inherited] if inherited else {}) | said
    if "architecture" not in said:
        raise InputError(f"{path}: its plans do not say which network, as nnU-Net 2.4 and older; plan it again")
    if len(said["patch_size"]) != 2:
        raise InputError(f"victim.configuration={name}: works on {len(said['patch_size'])} dimensions; give a 2d one")
    return dict(said)


def _check_data(dataset: Mapping[str, Any], channels: int, outputs: int, path: Path) -> None:
    names, labels = dataset.get("channel_names", {}), dict(dataset.get("labels", {}))
    if len(names) != channels:
        raise InputError(f"{path}: takes images of {len(names)} channels, the data have {channels}")
    labels.pop("ignore", None)
    if any(isinstance(value, list) for value in labels.values()):
        raise InputError(f"{path}: predicts overlapping regions, not classes; use victim=python")
    if len(labels) != outputs:
        raise InputError(f"{path}: tells {len(labels)} classes apart, the data have {outputs}")


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read ({first_line(error)}); give the folder of a trained nnU-Net"
        ) from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: holds no names and values; restore it")
    return found
