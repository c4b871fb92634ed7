"""Whether a section of the configuration is what its reader takes: every key known, every value of its type."""

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Union, Unpack

from benchmark.errors import InputError, did_you_mean

_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}


def check_arguments(function: Callable[..., Any], arguments: Mapping[Any, Any], key: str) -> None:
    """Raise InputError, naming the key, for an argument `function` does not take or takes in another type.

    Args:
        function: what will be called, a class or a function.
        arguments: its keyword arguments.
        key: their place in the configuration; "" for the top.
    """
    known, further = _parameters(function)
    prefix = f"{key}." if key else ""
    for name, value in arguments.items():
        if name in known:
            _check_type(known[name], value, prefix + name)
        elif not further:
            near = did_you_mean(str(name), known).replace("mean ", f"mean {prefix}")
            raise InputError(
                f"unknown key '{prefix}{name}'{near}; keys are {', '.join(prefix + name for name in known)}"
            )


def _parameters(function: Callable[..., Any]) -> tuple[dict[str, Any], bool]:
    """Name -> type of the keyword arguments, and whether it takes any others."""
    called = function.__init__ if isinstance(function, type) else function  # type: ignore[misc]
    called = inspect.unwrap(called)
    try:
        hints = typing.get_type_hints(called)
    except NameError:  # a type that its module imports for type checkers only
        hints = inspect.get_annotations(called)
    known: dict[str, Any] = {}
    further = False
    for name, parameter in inspect.signature(function).parameters.items():
        hint = hints.get(name, Any)
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD:
            known[name] = hint
        elif typing.get_origin(hint) is Unpack and typing.is_typeddict(typing.get_args(hint)[0]):
            known |= typing.get_type_hints(typing.get_args(hint)[0])
        else:
            further = True
    return known, further


def _check_type(hint: Any, value: Any, key: str) -> None:
    members = typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else (hint,)
    members = tuple(dict.fromkeys(str if member is Path else member for member in members))
    if any(typing.get_origin(member) is Literal for member in members) or not set(members) <= set(_NAMES):
        return  # lists, mappings, choices: for the reader itself to judge
    if not any(_fits(value, member) for member in members):
        raise InputError(f"{key}={value!r}: must be {' or '.join(_NAMES[member] for member in members)}")


def _fits(value: Any, kind: type) -> bool:
    if isinstance(value, bool) and kind is not bool:
        return False
    return isinstance(value, (int, float) if kind is float else kind)
