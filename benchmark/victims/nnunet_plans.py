"""What plans.json and dataset.json of nnU-Net 2 say: every key of the plans is followed, is harmless, or is refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import InputError
from benchmark.victims.adapters import read_json

CURE = "give the folder of a trained nnU-Net"
_OWN = "use victim=python with a factory of your own"
_READER_2D = "NaturalImage2DIO"

# Keys that are followed, or checked, in the plans and in a configuration of the plans.
_PLANS = {"configurations", "transpose_forward", "image_reader_writer", "label_manager"}
_PLANS |= {"foreground_intensity_properties_per_channel", "foreground_intensity_properties_by_modality"}
_CONFIGURATION = {"patch_size", "normalization_schemes", "use_mask_for_norm", "architecture", "inherits_from"}
_CONFIGURATION |= {"spacing", "previous_stage", "preprocessor_name"}
# Keys that say how the network was planned and trained, and how images of another spacing would be resampled.
_HARMLESS = {"dataset_name", "plans_name", "original_median_spacing_after_transp", "experiment_planner_used"}
_HARMLESS |= {"original_median_shape_after_transp", "transpose_backward", "data_identifier", "batch_size", "batch_dice"}
_HARMLESS |= {"median_image_size_in_voxels", "next_stage"}
_HARMLESS |= {
    f"resampling_fn_{what}{rest}" for what in ("data", "seg", "probabilities") for rest in ("", "_kwargs")
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class NNUNetPlan:
    """How a two-dimensional network of nnU-Net is built and used.

    Attributes:
        architecture: the network's class and its arguments.
        patch: height and width of a window, after `swapped`.
        schemes, masked: per channel, the normalisation and whether it looks at what is not zero only.
        intensities: per channel, the statistics of the training data.
        swapped: whether rows and columns are exchanged in front of the network.
        fills: whether holes in what is not zero count as not zero.
        regions: whether the outputs are of regions that overlap, without background.
    """

    architecture: Mapping[str, Any]
    patch: tuple[int, int]
    schemes: tuple[str, ...]
    masked: tuple[bool, ...]
    intensities: Mapping[str, Mapping[str, float]]
    swapped: bool
    fills: bool
    regions: bool


def read_plan(path: Path, configuration: str, channels: int, outputs: int, head: str = "softmax") -> NNUNetPlan:
    """The plan of a trained model's folder, for a victim of this head.

    Raises:
        InputError: a file is missing, does not fit data of these channels and classes, or asks for what cannot be done.
    """
    plans, dataset = (read_json(path / name, CURE) for name in ("plans.json", "dataset.json"))
    chosen = _configuration(plans, configuration, path)
    file = path / "plans.json"
    _refuse_unknown(plans, _PLANS, file)
    _refuse_unknown(chosen, _CONFIGURATION, file)
    _check_channels(dataset, channels, path)
    regions = _predicts_regions(dataset, outputs, head, path)
    _need(plans, "label_manager", (None, "LabelManager"), file)
    _need(chosen, "preprocessor_name", (None, "DefaultPreprocessor"), file)
    _need(chosen, "previous_stage", (None,), file)
    natural = plans.get("image_reader_writer") == _READER_2D
    if natural:
        _need(chosen, "spacing", (None, [1, 1]), file)
    axes = plans.get("transpose_forward", [0, 1, 2])
    if axes not in ([0, 1, 2], [0, 2, 1]):
        raise InputError(f"{file}: transpose_forward={axes}: images have no third axis to exchange; {_OWN}")
    schemes, masked = (tuple(_per_channel(chosen, name, channels, file)) for name in _CHANNEL_LISTS)
    height, width = chosen["patch_size"]
    return NNUNetPlan(
        architecture=chosen["architecture"],
        patch=(int(height), int(width)),
        schemes=tuple(map(str, schemes)),
        masked=tuple(map(bool, masked)),
        intensities=plans.get("foreground_intensity_properties_per_channel")
        or plans.get("foreground_intensity_properties_by_modality", {}),
        swapped=axes == [0, 2, 1],
        # nnU-Net fills holes in three dimensions; in a picture, which has a depth of one, none is closed.
        fills=not natural,
        regions=regions,
    )


_CHANNEL_LISTS = ("normalization_schemes", "use_mask_for_norm")


def _per_channel(chosen: Mapping[str, Any], name: str, channels: int, file: Path) -> list[Any]:
    values = chosen.get(name)
    if not isinstance(values, list) or len(values) != channels:
        raise InputError(f"{file}: {name}={values}: has not one value for each of {channels} channels; {CURE}")
    return values


def _configuration(plans: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    """The configuration of this name, with what it inherits, from parent to parent."""
    known = plans.get("configurations", {})
    if not isinstance(known, dict) or name not in known:
        raise InputError(f"victim.configuration={name}: {path} has {', '.join(known)}")
    plan: dict[str, Any] = {}
    line, parent = [name], name
    while True:
        plan = dict(known[parent]) | plan
        following = known[parent].get("inherits_from")
        if following is None:
            break
        if following not in known or following in line:
            wrong = "inherits from itself" if following in line else "is not there"
            raise InputError(f"{path / 'plans.json'}: inherits_from={following} in {parent} {wrong}; {CURE}")
        parent = following
        line.append(parent)
    if "architecture" not in plan:
        raise InputError(f"{path}: its plans do not name a network, as those of nnU-Net 2.4 and older; plan it again")
    if not isinstance(plan.get("patch_size"), list) or len(plan["patch_size"]) != 2:
        sizes = plan.get("patch_size") or []
        raise InputError(f"victim.configuration={name}: works on {len(sizes)} dimensions; give a 2d one")
    return plan


def _check_channels(dataset: Mapping[str, Any], channels: int, path: Path) -> None:
    names = dataset.get("channel_names", {})
    if len(names) != channels:
        raise InputError(f"{path}: takes images of {len(names)} channels, the data have {channels}")


def _predicts_regions(dataset: Mapping[str, Any], outputs: int, head: str, path: Path) -> bool:
    """Whether the labels are regions that overlap; else they are classes, of which 0 is the background."""
    labels = dict(dataset.get("labels", {}))
    ignored = labels.pop("ignore", None)
    if any(isinstance(value, list) for value in labels.values()) or dataset.get("regions_class_order"):
        if head != "multilabel":
            raise InputError(f"{path}: predicts overlapping regions, not classes; set victim.head=multilabel")
        labels.pop("background", None)
        if len(labels) != outputs:
            raise InputError(f"{path}: predicts {len(labels)} regions, the data have {outputs} labels")
        return True
    if head == "multilabel":
        raise InputError(f"{path}: predicts classes, not overlapping regions; set victim.head=softmax")
    if len(labels) != outputs:
        raise InputError(f"{path}: tells {len(labels)} classes apart, the data have {outputs}")
    values = sorted(int(value) for value in labels.values())
    if values != list(range(outputs)) or int(labels.get("background", 0)) != 0 or ignored in values:
        raise InputError(f"{path / 'dataset.json'}: labels={labels} do not count from 0, the background; {CURE}")
    return False


def _refuse_unknown(section: Mapping[str, Any], followed: set[str], file: Path) -> None:
    if unknown := sorted(map(str, section.keys() - followed - _HARMLESS)):
        raise InputError(f"{file}: {unknown[0]}={section[unknown[0]]}: nnU-Net 2 has no such key; {_OWN}")


def _need(section: Mapping[str, Any], key: str, values: tuple[Any, ...], file: Path) -> None:
    if section.get(key) not in values:
        raise InputError(f"{file}: {key}={section[key]}: not supported; {_OWN}")
