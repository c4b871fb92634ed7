"""What a configuration gives a transform: each option is read with its kind and MONAI's default, all others refused."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch

from benchmark.errors import InputError
from benchmark.victims.monai_bundle.configuration import OWN, BundleConfiguration

_LARGEST_SIDE = 4096  # pixels
_FLOATS = {"float32", "float", "float64", "double"}


class TransformOptions:
    """The arguments of one transform, for the one key of its `keys` that is followed.

    Args:
        configuration: where references lead.
        place: of the transform in the file, for messages.
        arguments: not yet looked up.
        keys: of the dictionary that it changes; empty for a transform that takes no dictionary.
        key: which of them is followed.
    """

    def __init__(
        self,
        configuration: BundleConfiguration,
        place: str,
        arguments: Mapping[str, Any],
        *,
        keys: Sequence[str],
        key: str,
    ) -> None:
        self.where = f"{configuration.file}: {place}"
        self._place = place
        self._configuration = configuration
        free = ("keys", "allow_missing_keys", "meta_keys", "meta_key_postfix") if keys else ()
        self._left = {name: value for name, value in arguments.items() if name not in free}
        self._keys, self._index = len(keys), list(keys).index(key) if key in keys else 0

    def value(self, name: str, default: Any = None, *, per_key: bool = False) -> Any:
        """An option's value, with its references followed. Raises InputError for an expression.

        `per_key`: MONAI takes a list as well, with a value for each key.
        """
        if name not in self._left:
            return default
        value = self._configuration.plain(self._left.pop(name), f"{self._place}.{name}")
        if per_key and self._keys and isinstance(value, list | tuple):
            if len(value) != self._keys:
                raise self.refusal(name, value, f"{self._keys} values are needed, one for each of keys")
            return value[self._index]
        return value

    def number(self, name: str, default: float | None = None, *, needed: bool = False) -> float | None:
        """A finite number, or null unless it is needed."""
        value = self.value(name, default)
        if value is None and not needed:
            return None
        if not _is_number(value):
            raise self.refusal(name, value, "must be a number")
        return float(value)

    def flag(self, name: str, default: bool = False, *, per_key: bool = False) -> bool:
        """True or false."""
        value = self.value(name, default, per_key=per_key)
        if not isinstance(value, bool):
            raise self.refusal(name, value, "must be true or false")
        return value

    def choice(self, name: str, default: Any, known: Collection[Any], *, per_key: bool = False) -> Any:
        """One of the known values."""
        value = self.value(name, default, per_key=per_key)
        if not any(type(value) is type(one) and value == one for one in known):
            raise self.refusal(name, value, f"only {', '.join(map(str, known))} can be done here")
        return value

    def numbers(self, name: str, count: int) -> list[float] | float | None:
        """Null, a number, or a list of so many numbers."""
        value = self.value(name)
        if value is None or _is_number(value):
            return value if value is None else float(value)
        if not isinstance(value, list | tuple) or not all(map(_is_number, value)):
            raise self.refusal(name, value, "must be a number, or a list of numbers")
        if len(value) != count:
            raise self.refusal(name, value, f"{len(value)} values for {count} channels")
        return [float(one) for one in value]

    def sides(self, name: str, *, lowest: int | None, single: bool) -> list[int]:
        """Two whole numbers of pixels. `lowest`: None allows null, 0 and less. `single`: one number counts for both."""
        value = self.value(name)
        pair = list(value) if isinstance(value, list | tuple) else [value, value]
        if isinstance(value, list | tuple) or (single and value is not None):
            sides = [0 if side is None and lowest is None else side for side in pair]
            whole = all(_is_number(side) and side == int(side) for side in sides)
            if len(sides) == 2 and whole and (lowest is None or min(sides) >= lowest):
                if max(sides) > _LARGEST_SIDE:
                    raise self.refusal(name, value, f"at most {_LARGEST_SIDE} pixels can be done here")
                return [int(side) for side in sides]
        least = "" if lowest is None else f" from {lowest}"
        form = "a whole number, or two of them" if single else "two whole numbers"
        raise self.refusal(name, value, f"must be {form}{least}, as images have 2 dimensions")

    def side(self, name: str) -> int:
        """One whole number of pixels."""
        value = self.value(name)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _LARGEST_SIDE:
            raise self.refusal(name, value, f"must be a whole number from 1 to {_LARGEST_SIDE}")
        return value

    def kind(
        self, name: str = "dtype", default: Any = None, *, known: Collection[str] = _FLOATS, per_key: bool = False
    ) -> str | None:
        """The name of a type of numbers; null keeps the type."""
        value = self.value(name, default, per_key=per_key)
        found = str(value).removeprefix("torch.").removeprefix("numpy.").removeprefix("np.")
        if value is not None and (not isinstance(value, str | torch.dtype) or found not in known):
            raise self.refusal(name, value, f"changes values; only {', '.join(sorted(known))} can be done here")
        return None if value is None else found

    def harmless(self, *names: str) -> None:
        """Take options that change no value, whatever they say."""
        for name in names:
            self._left.pop(name, None)

    def finish(self) -> None:
        """Raise InputError for an option that was not read."""
        if self._left:
            name = min(self._left)
            raise self.refusal(name, self._left[name], "not supported")

    def refusal(self, name: str, value: Any, why: str) -> InputError:
        """The error that names file, place, option and value."""
        like_number = isinstance(value, str) and not value.strip("+-.0123456789")
        shown = repr(value) if like_number else value
        return InputError(f"{self.where}.{name}={shown}: {why}; take it out where it changes no image, else {OWN}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30 and math.isfinite(value)
