"""Postprocessing of a bundle: what only turns logits into labels is harmless, all else is refused by name."""

from typing import Any

from benchmark.errors import InputError
from benchmark.victims.monai_bundle.configuration import OWN, BundleConfiguration

_PLACE = "postprocessing"
_HARMLESS = {"Invert", "SaveImage", "EnsureType", "ToTensor", "ToDevice", "SelectItems", "DeleteItems", "CopyItems"}
_CURE = f"take it out of the file and give victim.postprocess if that has it, else {OWN}"


def check_postprocessing(configuration: BundleConfiguration, outputs: int, head: str) -> None:
    """Raise InputError for a step that changes predictions, or that reads the outputs otherwise than the head does."""
    if not configuration.has(_PLACE):
        return
    made = configuration.component(f"@{_PLACE}", _PLACE)
    if made is None:
        return
    parts = [made]
    if made[0] == "Compose":
        listed = configuration.shallow(made[1].get("transforms", []), f"{_PLACE}.transforms")
        if not isinstance(listed, list):
            raise InputError(f"{configuration.file}: {_PLACE}.transforms is no list; {OWN}")
        found = [configuration.component(part, f"{_PLACE}.{index}") for index, part in enumerate(listed)]
        parts = [part for part in found if part is not None]
    for target, arguments in parts:
        name = target.removesuffix("Dict").removesuffix("d").removesuffix("D")
        where = f"{configuration.file}: {_PLACE}: {target}"
        if name in ("Activations", "AsDiscrete"):
            given = {
                key: value for key, value in arguments.items() if key in ("sigmoid", "softmax", "argmax", "threshold")
            }
            _check_head(configuration.plain(given, target), outputs, head, where)
        elif name not in _HARMLESS and target not in _HARMLESS:
            raise InputError(f"{where}: not supported; {_CURE}")


def _check_head(given: dict[str, Any], outputs: int, head: str, where: str) -> None:
    def first(name: str) -> Any:
        value = given.get(name)
        return value[0] if isinstance(value, list) and value else value

    if (first("softmax") or first("argmax")) and outputs == 1:
        raise InputError(f"{where}: takes the class of the largest output; set victim.head=softmax")
    if first("sigmoid") and head == "softmax":
        cure = "victim.head=multilabel" if outputs > 1 else "victim.head=sigmoid"
        raise InputError(f"{where}: sigmoid, outputs are independent of each other; set {cure}")
    threshold = first("threshold")
    if threshold not in (None, False, True, 0.5):
        raise InputError(
            f"{where}: threshold={threshold}; take it out of the file and give victim.threshold={threshold}"
        )
