"""The pictures that a row was measured on, by their hashes: whether they are there as the run has written them."""

import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

from benchmark.errors import InputError
from benchmark.regular_files import file_sha256
from benchmark.runs.folder import RunFolder
from benchmark.runs.layout import Picture
from benchmark.runs.points import load_point, point_sha256

_DIGITS = 16  # of the hexadecimal hash of each picture
_LENGTH = _DIGITS * (len(get_args(Picture)) + 1)
_AT_ONCE = 4096  # images whose hashes are remembered, since several attacks refer to them


class RowFiles:
    """The pictures of a run's rows; to be used while nothing else changes them.

    The column `adv8_sha256` has the hash of the adversarial image. The column `pictures_sha256` has the first 16
    hexadecimal digits of the SHA-256 of each other picture in turn: those that all attacks share, in the order of
    `layout.Picture`, then the prediction of the adversarial image.
    """

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._remembered = lru_cache(_AT_ONCE * len(get_args(Picture)))(self._sha256)

    def pictures_sha256(self, attack: str, image_id: str) -> str:
        """The column of this name. Raises OSError if a picture cannot be read."""
        shared = [self._remembered(path)[:_DIGITS] for path in self._shared(image_id)]
        return "".join([*shared, self._sha256(self._run.prediction(attack, image_id))[:_DIGITS]])

    def damage(self, row: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
        """Each picture, and the point, of a row that is missing or not the one that was written, with a clause.

        A row without any is whole: what it says can be computed again from its files.
        """
        attack, image_id = str(row["attack"]), str(row["id"])
        if row["point_sha256"] is not None and (what := self.point_damage(row)):
            yield self._run.point(attack, image_id), what
        recorded = str(row["pictures_sha256"])
        recorded = recorded if len(recorded) == _LENGTH else ""
        expected = [recorded[start : start + _DIGITS] for start in range(0, _LENGTH, _DIGITS)]
        shared, prediction = self._shared(image_id), self._run.prediction(attack, image_id)
        yield from self._damage(self._run.adversarial(attack, image_id), str(row["adv8_sha256"]))
        for path, digits in zip([*shared, prediction], expected, strict=True):
            yield from self._damage(path, digits)

    def _damage(self, path: Path, expected: str) -> Iterator[tuple[Path, str]]:
        try:
            found = self._remembered(path)
        except OSError as error:
            lost = not os.path.lexists(path)
            yield path, "is missing" if lost else f"cannot be read ({error.strerror or error})"
            return
        if len(expected) < _DIGITS or not found.startswith(expected):
            yield path, "is not the file that was written"

    def point_damage(self, row: Mapping[str, Any]) -> str | None:
        """What is wrong with the file of a row's point, as a clause; None if it is the one that was written."""
        path = self._run.point(str(row["attack"]), str(row["id"]))
        if not os.path.lexists(path):
            return "is missing"
        try:
            found = point_sha256(load_point(path, inside=self._run.path))
        except InputError as error:
            return str(error).removeprefix(f"{path}: ")
        return None if found == row["point_sha256"] else "is not the point that was kept"

    def _shared(self, image_id: str) -> list[Path]:
        return [self._run.picture(name, image_id) for name in get_args(Picture)]

    def _sha256(self, path: Path) -> str:
        return file_sha256(path, inside=self._run.path)
