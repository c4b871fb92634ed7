"""Names of weights: what wrappers such as torch.compile, DataParallel and Lightning put before them."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from torch import Tensor

_COMPILED = "_orig_mod"  # torch.compile's, before the names of each module that it compiles
_SHOWN = 3  # names in a message


def fitted_names(tensors: Mapping[str, Any], wanted: Collection[str]) -> dict[str, Any] | None:
    """The tensors under the names that are wanted; None if no renaming makes them exactly those.

    Removed are steps of a name, up to its dots: those of torch.compile wherever they stand, then whatever begins all
    names alike, such as `module.`, `model.` and `net.`, also within each other.
    """
    if tensors.keys() == set(wanted):
        return dict(tensors)
    for renamed in _without_prefixes(tensors):
        if renamed.keys() == set(wanted):
            return {name: tensors[old] for name, old in renamed.items()}
    return None


def misfit(tensors: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """What does not fit, and the cure; empty if all names and shapes do."""
    if tensors.keys() == wanted.keys():
        for name, tensor in tensors.items():
            if not isinstance(tensor, Tensor):
                return f"{name} is a {type(tensor).__name__}, expected a tensor; save the state_dict again"
            if tensor.shape != wanted[name].shape:
                shapes = f"{tuple(tensor.shape)} in the file, {tuple(wanted[name].shape)} in the network"
                return f"{name} is {shapes}; check the options, channels and classes of the network"
        return ""
    places = [place for place in _places(tensors) if {*_below(tensors, place)} == wanted.keys()]
    if places:
        chosen = " or ".join(f"victim.entry={place}" for place in places)
        others = [name for name in tensors if not any(name.startswith(f"{place}.") for place in places)]
        beside = f"{_named(others)} are left over" if others else f"there are {len(places)} sets of weights"
        return f"{beside}; {chosen} takes the names that begin so"
    nearest = min(_candidates(tensors), key=lambda names: len(names ^ wanted.keys()))
    missing, left = wanted.keys() - nearest, nearest - wanted.keys()
    parts = [f"{word} {_named(names)}" for word, names in (("missing", missing), ("left over", left)) if names]
    return f"{', '.join(parts)}; check that network and options are those of the training"


def _candidates(tensors: Mapping[str, Any]) -> Iterator[set[str]]:
    yield set(tensors)
    for renamed in _without_prefixes(tensors):
        yield set(renamed)


def _without_prefixes(tensors: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """New name -> old name, with ever more removed of what all names begin with."""
    renamed = {_uncompiled(name): name for name in tensors}
    if len(renamed) < len(tensors):
        return  # two names would become one
    while True:
        yield renamed
        parted = {name.partition("."): old for name, old in renamed.items()}
        if len({first for first, _, _ in parted}) != 1 or not all(dot for _, dot, _ in parted):
            return
        renamed = {rest: old for (_, _, rest), old in parted.items()}


def _places(tensors: Mapping[str, Any]) -> list[str]:
    """All beginnings of names, up to one of their dots."""
    found: dict[str, None] = {}
    for name in tensors:
        steps = name.split(".")
        found |= dict.fromkeys(".".join(steps[:count]) for count in range(1, min(len(steps), 5)))
    return list(found)


def _below(tensors: Mapping[str, Any], place: str) -> list[str]:
    return [_uncompiled(name.removeprefix(f"{place}.")) for name in tensors if name.startswith(f"{place}.")]


def _uncompiled(name: str) -> str:
    return ".".join(step for step in name.split(".") if step != _COMPILED)


def _named(names: Collection[str]) -> str:
    shown = ", ".join(sorted(names)[:_SHOWN])
    return f"{len(names)} ({shown}{', ...' if len(names) > _SHOWN else ''})"
