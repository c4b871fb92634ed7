"""Whether a section of the configuration is what its reader takes: every key known, every value of its type."""

import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, Unpack

from benchmark.errors import InputError, did_you_mean

_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}


def check_arguments(
    functions: Callable[..., Any] | Sequence[Callable[..., Any]],
    arguments: Mapping[Any, Any],
    key: str,
    *,
    keys: Sequence[str] | None = None,
    without: Sequence[str] = (),
) -> None:
    """Raise InputError, naming the key, for an argument that is not taken or is taken in another type.

    Args:
        functions: what will be called, a class or a function; of several the first that takes an argument counts.
        arguments: keyword arguments.
        key: their place in the configuration; "" for the top.
        keys: the arguments there are; None: all that the functions take.
        without: arguments that the functions take and that the configuration does not set.
    """
    known: dict[str, Any] = {}
    further = False
    for function in [functions] if callable(functions) else functions:
        parameters, others = _parameters(function)
        known, further = parameters | known, further or others
    if keys is not None:
        known, further = {name: known.get(name, Any) for name in keys}, False
    known = {name: hint for name, hint in known.items() if name not in without}
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
    choices = [
        choice for member in members if typing.get_origin(member) is Literal for choice in typing.get_args(member)
    ]
    kinds = [member for member in members if typing.get_origin(member) is not Literal]
    if not set(kinds) <= set(_NAMES):
        return  # lists, mappings, objects: for the reader itself to judge
    # Numbers and texts that are written alike mean the same choice: 16 and "16".
    if any(value == choice or str(value) == str(choice) for choice in choices):
        return
    if not any(_fits(value, kind) for kind in kinds):
        takes = [*(f"{choice!r}" for choice in choices), *(_NAMES[kind] for kind in kinds)]
        raise InputError(f"{key}={value!r}: must be {_alternatives(takes)}")


def _alternatives(names: Iterable[str]) -> str:
    """a, b or c."""
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


def _fits(value: Any, kind: type) -> bool:
    if isinstance(value, bool) and kind is not bool:
        return False
    return isinstance(value, (int, float) if kind is float else kind)
