"""Preprocessing of a bundle, on batches of images and with gradients: done, harmless, or refused by name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.errors import InputError
from benchmark.victims.monai_bundle import transforms
from benchmark.victims.monai_bundle.configuration import OWN, BundleConfiguration

_PLACE = "preprocessing"
# Of files, memory and types alone.
_HARMLESS = {"EnsureChannelFirst", "EnsureType", "ToTensor", "ToDevice", "SelectItems", "DeleteItems", "Identity"}
_IMAGE_KEYS = ("image", "img")
# Arguments that change no value of an image.
_IGNORED = {"keys", "allow_missing_keys", "dtype", "lazy", "meta_keys", "meta_key_postfix"}


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


def read_preprocessing(configuration: BundleConfiguration) -> Preprocessing:
    """The steps that `preprocessing` names. Raises InputError for one that cannot be done."""
    section = configuration.shallow(f"@{_PLACE}", _PLACE) if configuration.has(_PLACE) else []
    if isinstance(section, dict):
        made = configuration.component(section, _PLACE)
        if made is None:
            return Preprocessing()
        target, arguments = made
        if target != "Compose":
            section = [section]
        else:
            section = configuration.shallow(arguments.get("transforms", []), f"{_PLACE}.transforms")
    if not isinstance(section, list):
        raise InputError(f"{configuration.file}: {_PLACE} is no list of transforms; {OWN}")
    parts = [configuration.component(part, f"{_PLACE}.{index}") for index, part in enumerate(section)]
    found = [part for part in parts if part is not None]
    steps: list[transforms.BundleStep] = []
    swapped = False
    keys = _image_keys(configuration, found)
    for target, arguments in found:
        name = _base(target)
        given = {key: value for key, value in arguments.items() if key not in _IGNORED}
        where = f"{configuration.file}: {_PLACE}: {target}"
        if "keys" in arguments and not keys & set(_listed(configuration.plain(arguments["keys"], f"{target}.keys"))):
            continue  # of labels, for example
        if name == "LoadImage":
            swapped = _loads_swapped(configuration.plain(given, target), where)
        elif name in transforms.STEPS:
            steps += _made(transforms.STEPS[name], configuration.plain(given, target), where)
        elif name not in _HARMLESS:
            raise InputError(f"{where}: not supported; leave it out where it changes no image, else {OWN}")
    return Preprocessing(steps, levels=bool(found), swapped=swapped)


def _image_keys(configuration: BundleConfiguration, found: Sequence[tuple[str, Mapping[str, Any]]]) -> set[str]:
    """What the transforms call the image: "image" or "img", else what is loaded."""
    named = [_listed(configuration.plain(a["keys"], f"{target}.keys")) for target, a in found if "keys" in a]
    names = {name for one in named for name in one}
    usual = names & set(_IMAGE_KEYS)
    return usual or set(named[0][:1] if named else ())


def _made(
    make: Callable[..., transforms.BundleStep | None], arguments: Mapping[str, Any], where: str
) -> list[transforms.BundleStep]:
    try:
        step = make(**{key: value[0] if key in transforms.SINGLE and isinstance(value, list) else value
                       for key, value in arguments.items()})  # fmt: skip
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: {' '.join(str(error).split())}; {OWN}") from error
    return [] if step is None else [step]


def _loads_swapped(arguments: Mapping[str, Any], where: str) -> bool:
    reader = arguments.get("reader")
    if reader not in (None, "PILReader"):
        raise InputError(f"{where}: reader={reader}: is not for pictures; {OWN}")
    if arguments.get("converter") is not None:
        raise InputError(f"{where}: converter: not supported; {OWN}")
    return arguments.get("reverse_indexing", True) is True


def _base(target: str) -> str:
    """A transform's name without the ending of those that take dictionaries."""
    for ending in ("Dict", "d", "D"):
        short = target.removesuffix(ending)
        if short != target and (short in transforms.STEPS or short in _HARMLESS or short == "LoadImage"):
            return short
    return target


def _listed(keys: Any) -> list[str]:
    return [str(key) for key in keys] if isinstance(keys, list) else [str(keys)]
