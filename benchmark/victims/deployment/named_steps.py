"""Steps named in a configuration: a list of names, or of names with their parameters."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.errors import InputError, did_you_mean


def chosen(given: Any, kinds: Mapping[str, type], key: str) -> list[Any]:
    """The objects that `given` names, in its order.

    Args:
        given: names, or {name: {parameter: value}}, such as ["median", {"jpeg": {"quality": 50}}].
        kinds: name -> class. Nothing else can be made, so that `given` may come from a file.
        key: of the configuration, for messages.

    Raises:
        InputError: an unknown name or parameter, or a value the class refuses.
    """
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise InputError(f"{key}={given!r}: must be a list, such as [{min(kinds)}]")
    return [_make(step, kinds, key) for step in given]


def _make(step: Any, kinds: Mapping[str, type], key: str) -> Any:
    choice = step if isinstance(step, Mapping) else {str(step): {}}
    if len(choice) != 1:
        raise InputError(f"{key}: {dict(choice)} is not one name with its parameters; write {{NAME: {{KEY: VALUE}}}}")
    ((name, parameters),) = choice.items()
    if name not in kinds:
        near = did_you_mean(str(name), kinds)
        raise InputError(f"{key}: there is no {name!r}{near}; there are {', '.join(sorted(kinds))}")
    if not isinstance(parameters, Mapping):
        raise InputError(f"{key}: {name}: {parameters!r} is no mapping of parameters; write {{{name}: {{KEY: VALUE}}}}")
    try:
        return kinds[name](**parameters)
    except TypeError as error:
        raise InputError(f"{key}: {name}: {' '.join(str(error).split())}; check its parameters") from error
