"""One function for all tensors of nested dataclasses and dicts."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from torch import Tensor

T = TypeVar("T")


def map_tensors(function: Callable[..., Tensor], first: T, *rest: T) -> T:
    """Apply a function to each tensor in a dataclass of tensors, dicts of tensors and such dataclasses."""
    if isinstance(first, Tensor):
        return function(first, *rest)  # type: ignore[return-value]
    if isinstance(first, dict):
        return {name: map_tensors(function, value, *(other[name] for other in rest)) for name, value in first.items()}  # type: ignore[return-value, index]
    if is_dataclass(first):
        changes: dict[str, Any] = {
            part.name: map_tensors(function, getattr(first, part.name), *(getattr(other, part.name) for other in rest))
            for part in fields(first)
        }
        return replace(first, **changes)  # type: ignore[type-var]
    return first
