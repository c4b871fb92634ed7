"""Reads the configuration of a bundle's inference as plain data: references are followed, expressions are not run."""

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from benchmark.errors import InputError, first_line
from benchmark.runs.config_text import parse_yaml
from benchmark.runs.limited_text import parse_json, read_text

OWN = "use victim=python with a factory of your own"
_FILES = ("inference.json", "inference.yaml", "inference.yml")
_LARGEST = 2**22  # bytes
_DEEPEST = 32  # references to references
_MOST = 10_000  # values in one
_TYPES = "float32|float64|float16|half|float|double|bfloat16|uint8|uint16|int8|int16|int32|int64|int|long|bool"
_TYPE = re.compile(rf"(?:torch|np|numpy)\.({_TYPES})")


class BundleConfiguration:
    """What configs/inference.json, or .yaml, of a bundle says.

    Values are looked up one by one, so that what nothing here needs, such as devices and folders, may be computed.

    Raises:
        InputError: there is no such file, or it cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        files = [path for name in _FILES if (path := folder / "configs" / name).is_file()]
        if not files:
            raise InputError(
                f"victim.folder={folder}: has no configs/inference.json; give the folder of a MONAI bundle"
            )
        self.file = files[0]
        try:
            text = read_text(self.file, _LARGEST, folder)
            contents = parse_json(text) if self.file.suffix == ".json" else parse_yaml(text)
        except ValueError as error:
            raise InputError(f"{self.file}: cannot be read ({first_line(error)}); restore it") from error
        if not isinstance(contents, dict):
            raise InputError(f"{self.file}: holds no names and values; give the configuration of a bundle")
        self._values = 0  # in the one that is followed
        self._contents: dict[str, Any] = contents

    def items(self) -> Iterator[tuple[str, Any]]:
        """The names and values at the top."""
        return iter(self._contents.items())

    def has(self, place: str) -> bool:
        """Whether there is something at a place, whose steps are parted by "::"."""
        found: Any = self._contents
        for step in place.split("::"):
            if not isinstance(found, Mapping) or step not in found:
                return False
            found = found[step]
        return True

    def shallow(self, value: Any, place: str) -> Any:
        """The value itself, or what it refers to; values inside it stay as they are.

        Raises InputError for an expression, except a literal, the name of a type of numbers, and a mere reference, and
        for a reference to nothing.
        """
        return self.followed(value, place)[0]

    def followed(self, value: Any, place: str) -> tuple[Any, str]:
        """As `shallow`, with the place where the value stands: that of the last reference."""
        home = place
        for _ in range(_DEEPEST):
            if isinstance(value, str) and value.startswith("$"):
                value = self._evaluated(value, home)
            if not isinstance(value, str) or not value.startswith("@"):
                if isinstance(value, str) and value.startswith("%"):
                    raise InputError(f"{self.file}: {home}={value}: other files are not read; {OWN}")
                return value, home
            value, home = self.referred(value, home)
        raise InputError(f"{self.file}: {place}: its references lead in a circle; restore it")

    def plain(self, value: Any, place: str, depth: int = 0) -> Any:
        """The value, with all references in it followed."""
        self._values = self._values + 1 if depth else 0
        if depth > _DEEPEST or self._values > _MOST:
            raise InputError(
                f"{self.file}: {place}: its references lead in a circle, or to too many values; restore it"
            )
        value = self.shallow(value, place)
        if isinstance(value, dict):
            return {name: self.plain(part, f"{place}.{name}", depth + 1) for name, part in value.items()}
        if isinstance(value, list):
            return [self.plain(part, f"{place}.{index}", depth + 1) for index, part in enumerate(value)]
        return value

    def component(
        self, value: Any, place: str, libraries: Collection[str] = ("monai.",)
    ) -> tuple[str, dict[str, Any]] | None:
        """The class that `_target_` names, without the path of its module, and its arguments, not yet looked up.

        None: `_disabled_` switches it off. `libraries`: beginnings of the modules that the class may be of.

        Raises:
            InputError: no component, one of another library, or one that brings code along.
        """
        value = self.shallow(value, place)
        if not isinstance(value, dict) or not isinstance(value.get("_target_"), str):
            raise InputError(f"{self.file}: {place} names no class by _target_; {OWN}")
        arguments = {name: part for name, part in value.items() if name not in ("_target_", "_desc_", "_disabled_")}
        if self.shallow(value.get("_disabled_", False), f"{place}._disabled_") in (True, "true", "True"):
            return None
        for name in arguments:
            if name.startswith("_"):
                raise InputError(f"{self.file}: {place}.{name}={value[name]}: not supported; {OWN}")
        module, _, target = value["_target_"].rpartition(".")
        if module and not module.startswith(tuple(libraries)):
            raise InputError(f"{self.file}: {place}._target_={value['_target_']}: is no class of MONAI; {OWN}")
        return target, arguments

    def _evaluated(self, text: str, place: str) -> Any:
        expression = text[1:].strip()
        if expression.startswith("@") and expression[1:].replace("::", "_").replace("#", "_").isidentifier():
            return expression
        if named := _TYPE.fullmatch(expression):
            return getattr(torch, named[1], named[1])
        try:
            return ast.literal_eval(expression)
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError) as error:
            raise InputError(
                f"{self.file}: {place}={text}: is an expression, which is not run; write its value there, or {OWN}"
            ) from error

    def referred(self, reference: str, place: str) -> tuple[Any, str]:
        """What stands where a reference leads, as it is, and that place. Raises InputError if there is nothing."""
        found: Any = self._contents
        for step in reference[1:].replace("#", "::").split("::"):
            found = self.shallow(found, place) if isinstance(found, str) else found
            if isinstance(found, Mapping) and step in found:
                found = found[step]
            elif isinstance(found, list) and step.isdigit() and int(step) < len(found):
                found = found[int(step)]
            else:
                raise InputError(f"{self.file}: {place}={reference}: refers to nothing; restore it")
        return found, reference[1:].replace("#", "::")
