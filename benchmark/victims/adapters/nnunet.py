"""A trained two-dimensional configuration of nnU-Net (Isensee et al. 2021, doi 10.1038/s41592-020-01008-z).

The adapter reads plans.json, dataset.json and the checkpoint of the fold. Of nnU-Net it needs only the package of its
networks. Inference is that of nnU-Net: an image is cropped to the box of what is not zero, and outside of it background
is predicted; the crop is normalised and padded with zeros to a window; windows of the patch size overlap by half and
are averaged with Gaussian weights; predictions of mirrored images are averaged on request. The images are expected to
have the spacing of the plans.
"""

import pkgutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.errors import InputError, first_line
from benchmark.victims.adapters import import_extra
from benchmark.victims.deployment.sliding_window import slide
from benchmark.victims.nnunet_plans import NNUNetPlan, read_plan
from benchmark.victims.weights import put_into, read_contents, tensors_of

HARMLESS = ("configuration", "fold", "intensity", "mirror")
Normaliser = Callable[[Tensor], Tensor]
# The packages from which plans may name classes: a file must not choose code to run.
_NETWORKS, _LAYERS = "dynamic_network_architectures.", "torch.nn."
_OUTSIDE = 10.0  # the background's logit outside of the box, where all else has its negative
_HALF = 0.5 / 255  # of a level of 8 bits: what is less is zero in a picture


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
    head: str = "softmax",
    background: int | None = 0,
) -> nn.Module:
    """The network of one fold.

    Args:
        folder: of the trained model (Trainer__Plans__configuration), with plans.json, dataset.json and fold_0/ or so.
        channels, outputs: of the data; the model's have to be equal.
        configuration: name of a two-dimensional configuration in the plans.
        fold: its number, or "all".
        checkpoint: file in the fold's folder.
        intensity: the value in nnU-Net's training that is 1 in an image here: 255 for 8-bit images.
        mirror: whether to average over mirrored images, as nnU-Net does by default; up to four times the cost.
        head: of the victim; "multilabel" for regions that overlap.
        background: of the data; that of nnU-Net is 0.

    Raises:
        InputError: a file is missing, the plans are of an older nnU-Net or of three dimensions, or nothing fits.
    """
    path = Path(folder).expanduser()
    if background and head != "multilabel":
        raise InputError(f"{path}: class 0 is its background, that of the data is {background}; give them its order")
    plan = read_plan(path, configuration, channels, outputs, head)
    model = _build(plan.architecture, channels, outputs, path)
    file = path / f"fold_{fold}" / checkpoint
    contents = read_contents(file, "victim.folder")
    put_into(model, tensors_of(contents, f"victim.folder={file}", "network_weights"), str(file))
    normalisers = [_normaliser(scheme, plan, channel, path) for channel, scheme in enumerate(plan.schemes)]
    made = NNUNet(model, normalisers, plan.patch, intensity, mirror, plan=plan)
    axes = contents.get("inference_allowed_mirroring_axes", (0, 1))
    made.allow_mirroring(axes if axes is not None else ())
    return made


class NNUNet(nn.Module):
    """Images in [0, 1] -> logits, by nnU-Net's inference."""

    def __init__(
        self,
        network: nn.Module,
        normalisers: Sequence[Normaliser],
        patch: tuple[int, int],
        intensity: float,
        mirror: bool,
        *,
        plan: NNUNetPlan | None = None,
    ) -> None:
        super().__init__()
        self.network, self._normalisers, self._patch = network, normalisers, patch
        self._intensity, self._mirror, self._plan = intensity, mirror, plan
        self.allow_mirroring((0, 1))

    def allow_mirroring(self, axes: Sequence[int]) -> None:
        """Mirror along these axes, 0 of rows and 1 of columns, and along both where both are allowed."""
        chosen = [axis + 2 for axis in axes] if self._mirror else []
        self._axes = [along for count in range(len(chosen) + 1) for along in combinations(chosen, count)]

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, K, H, W) of images (B, C, H, W)."""
        if self._plan is not None and self._plan.swapped:
            return self._logits(images.mT).mT
        return self._logits(images)

    def _logits(self, images: Tensor) -> Tensor:
        shown = (images.detach() >= _HALF * min(1, 255 / self._intensity)).any(1)
        boxes = [_box(one) for one in shown]
        logits: dict[int, Tensor] = {}
        for box in dict.fromkeys(boxes):  # images of one box go through the network together
            members = [index for index, other in enumerate(boxes) if other == box]
            part = self._box_logits(images[members], shown[members], box)
            logits |= dict(zip(members, part, strict=True))
        return torch.stack([logits[index] for index in range(len(boxes))])

    def _box_logits(self, images: Tensor, shown: Tensor, box: tuple[int, int, int, int]) -> Tensor:
        top, bottom, left, right = box
        crop = (images * self._intensity)[..., top:bottom, left:right]
        inputs = torch.stack(
            [self._normalised(crop, shown[:, top:bottom, left:right], c) for c in range(crop.shape[1])], 1
        )
        missing = [max(0, side - length) for side, length in zip(self._patch, crop.shape[-2:], strict=True)]
        above, before = (total // 2 for total in missing)
        inputs = F.pad(inputs, (before, missing[1] - before, above, missing[0] - above))
        weights = _gaussian(self._patch)
        logits = slide(self._mirrored, inputs, self._patch, weighting=weights)
        logits = logits[..., above : above + bottom - top, before : before + right - left]
        size = images.shape[-2:]
        if tuple(logits.shape[-2:]) == tuple(size):
            return logits
        outside = logits.new_full((*logits.shape[:2], *size), -_OUTSIDE)
        if self._plan is None or not self._plan.regions:
            outside[:, 0] = _OUTSIDE
        inside = torch.zeros(size, dtype=torch.bool, device=logits.device)
        inside[top:bottom, left:right] = True
        return torch.where(inside, F.pad(logits, (left, size[1] - right, top, size[0] - bottom)), outside)

    def _normalised(self, crop: Tensor, shown: Tensor, channel: int) -> Tensor:
        """One channel (B, h, w) as the network takes it."""
        normalise, plan = self._normalisers[channel], self._plan
        # Only this scheme looks at the mask.
        if plan is None or not plan.masked[channel] or normalise is not _z_score:
            return normalise(crop[:, channel])
        return _masked_z_score(crop[:, channel], _filled(shown) if plan.fills else shown)

    def _mirrored(self, windows: Tensor) -> Tensor:
        each = [self.network(windows.flip(axes)).flip(axes) if axes else self.network(windows) for axes in self._axes]
        return torch.stack(each).mean(0)


def _box(shown: Tensor) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of what is shown in (H, W); the last row and column are not in it."""
    bounds: list[int] = []
    for axis in (1, 0):
        places = shown.any(axis).nonzero()[:, 0]
        bounds += [int(places[0]), int(places[-1]) + 1] if len(places) else [0, shown.shape[1 - axis]]
    top, bottom, left, right = bounds
    return top, bottom, left, right


def _filled(shown: Tensor) -> Tensor:
    from scipy.ndimage import binary_fill_holes

    filled = [torch.from_numpy(binary_fill_holes(one)) for one in shown.cpu().numpy()]
    return torch.stack(filled).to(shown.device)


@lru_cache(maxsize=8)
def _gaussian(size: tuple[int, int]) -> Tensor:
    """nnU-Net's weights of a window: its centre is the pixel in the middle, or the one after the middle."""
    sides = [torch.exp(-0.5 * ((torch.arange(s, dtype=torch.float64) - s // 2) / (s / 8)) ** 2) for s in size]
    return sides[0][:, None] * sides[1][None]


def _normaliser(scheme: str, plan: NNUNetPlan, channel: int, path: Path) -> Normaliser:
    """The function from intensities (B, H, W) of one channel to the values that the network takes."""
    if scheme in SIMPLE_NORMALISERS:
        return SIMPLE_NORMALISERS[scheme]
    if scheme != "CTNormalization":
        raise InputError(f"{path}: normalises by {scheme}, which is not supported; use victim=python")
    try:
        values = plan.intensities[str(channel)]
        low, high, mean, std = (float(values[name]) for name in ("percentile_00_5", "percentile_99_5", "mean", "std"))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path / 'plans.json'}: has no intensities of channel {channel}; restore it") from error
    return lambda image: (image.clamp(low, high) - mean) / max(std, 1e-8)


def _z_score(image: Tensor) -> Tensor:
    variance, mean = torch.var_mean(image, dim=(1, 2), correction=0, keepdim=True)
    return (image - mean) / variance.clamp(min=1e-16).sqrt()  # the square root has no derivative at 0


def _masked_z_score(image: Tensor, mask: Tensor) -> Tensor:
    """As `_z_score`, by the mean and deviation of the pixels in the mask; the others stay as they are."""
    count = mask.sum((1, 2), keepdim=True).clamp(min=1)
    mean = (image * mask).sum((1, 2), keepdim=True) / count
    variance = ((image - mean) ** 2 * mask).sum((1, 2), keepdim=True) / count
    return torch.where(mask, (image - mean) / variance.clamp(min=1e-16).sqrt(), image)


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
