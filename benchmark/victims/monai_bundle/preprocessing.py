"""Preprocessing of a bundle, on batches of images and with gradients: done, harmless, or refused by name."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmark.errors import InputError
from benchmark.victims.monai_bundle import transforms
from benchmark.victims.monai_bundle.compositions import ListedTransform, listed_transforms
from benchmark.victims.monai_bundle.configuration import OWN, BundleConfiguration
from benchmark.victims.monai_bundle.options import TransformOptions
from benchmark.victims.monai_bundle.sections import Section
from benchmark.victims.monai_bundle.transform_readers import READERS

_IMAGE_KEYS = ("image", "img")
_LOADED = ("float32", "float", "float64", "double", "int16", "int32", "int64", "uint8")


@dataclass(frozen=True)
class Preprocessing:
    """Steps in front of a network.

    Attributes:
        steps: of `transforms`, in their order.
        levels: whether values are those of files, 0 to 255, instead of 0 to 1.
        swapped: whether the first axis of an image is its width, as MONAI's readers have it.
    """

    steps: Sequence[transforms.BundleStep] = ()
    levels: bool = False
    swapped: bool = False


class _Reading:
    """What is known of the image while the transforms are gone through.

    Attributes:
        steps: so far.
        swapped: as in `Preprocessing`.
        first: whether the channel is the first axis; None: nothing says how images are loaded.
        bytes: whether values are stored as unsigned bytes, which wrap around below 0.
    """

    def __init__(self, channels: int) -> None:
        self.steps: list[transforms.BundleStep] = []
        self.swapped, self.bytes = False, False
        self.first: bool | None = None
        self._channels = channels

    def take(self, name: str, options: TransformOptions) -> None:
        """Go on with one transform, by its name without the ending of those that take dictionaries."""
        if name == "LoadImage":
            self._load(options)
        elif name == "EnsureChannelFirst":
            self._turn(options)
        elif name in READERS:
            step = READERS[name](options, self._channels)
            if step is not None:
                self._add(step, options)
        else:
            raise InputError(f"{options.where}: not supported; leave it out where it changes no image, else {OWN}")
        options.finish()

    def _load(self, options: TransformOptions) -> None:
        reader = options.value("reader")
        if reader not in (None, "PILReader"):
            raise options.refusal("reader", reader, "is not for pictures")
        options.choice("converter", None, (None,))
        options.harmless("image_only", "overwriting", "simple_keys", "expanduser")
        options.harmless("prune_meta_pattern", "prune_meta_sep")
        self.bytes = options.kind(default="float32", known=_LOADED) == "uint8"
        self.swapped = options.flag("reverse_indexing", True)
        self.first = options.flag("ensure_channel_first")

    def _turn(self, options: TransformOptions) -> None:
        options.harmless("strict_check")
        axis = options.value("channel_dim")
        if self.first:
            fitting: tuple[Any, ...] = (0,)
        else:
            fitting = (None, "no_channel") if self._channels == 1 else (None, -1, 2)
        if isinstance(axis, bool) or axis not in fitting:
            before = "after a channel that is first already" if self.first else f"for {self._channels} channels"
            raise options.refusal("channel_dim", axis, f"turns axes round {before}")
        self.first = True

    def _add(self, step: transforms.BundleStep, options: TransformOptions) -> None:
        by_pixel = isinstance(step, transforms.ScaleIntensityRange) or getattr(step, "channel_wise", True) is False
        if self.first is False and not by_pixel:
            raise InputError(
                f"{options.where}: stands before EnsureChannelFirstd, so that axes differ; put it after it"
            )
        if self.bytes and isinstance(step, transforms.ScaleIntensityRange) and step.a_min != 0:
            raise options.refusal("a_min", step.a_min, "wraps around in values that LoadImage has as uint8")
        self.bytes &= isinstance(step, transforms.SpatialPad)
        self.steps.append(step)


def read_preprocessing(
    configuration: BundleConfiguration, section: Section | None, channels: int, inverse: transforms.InverseMode
) -> Preprocessing:
    """The steps that a section names. Raises InputError for one that cannot be done."""
    found = [] if section is None else listed_transforms(configuration, section)
    key = _image_key(found)
    reading = _Reading(channels)
    for transform in found:
        if transform.keys and key not in transform.keys:
            continue  # of labels, for example
        where = f"{transform.place}: {transform.target}"
        options = TransformOptions(configuration, where, transform.arguments, keys=transform.keys, key=key)
        name = transform.base((*READERS, "LoadImage", "EnsureChannelFirst"))
        if name == "DeleteItems":
            raise InputError(f"{options.where}: takes the image away; {OWN}")
        reading.take(name, options)
    if reading.first is False:
        raise InputError(f"{configuration.file}: {found[0].place}: the channel stays last; add EnsureChannelFirstd")
    steps = [
        replace(step, inverse=inverse) if isinstance(step, transforms.ResizeTo) else step for step in reading.steps
    ]
    return Preprocessing(steps, levels=bool(found), swapped=reading.swapped)


def _image_key(found: Sequence[ListedTransform]) -> str:
    """What the transforms call the image: "image" or "img", else what is loaded."""
    named = [name for transform in found for name in transform.keys]
    return next((name for name in _IMAGE_KEYS if name in named), named[0] if named else "")
