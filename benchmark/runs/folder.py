"""The folder of a run: the only reader and writer of its configuration, its environment, its splits and its summary."""

import csv
import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.atomic_files import save_text
from benchmark.errors import InputError
from benchmark.regular_files import open_regular
from benchmark.runs import layout
from benchmark.runs.config_text import parse_config
from benchmark.runs.layout import Picture, file_name
from benchmark.runs.limited_text import parse_json, read_text
from benchmark.runs.recorded_entries import wrong_entry

_LARGEST_CONFIG = 2**17  # bytes
_OWN_HASH = "sha256"  # the entry of environment.json that has the hash of the others
_LARGEST_JSON = 2**26  # bytes; the splits of a million images take less


class RunFolder:
    """Where a run keeps its files, and what they say.

    Paths are given whether or not the files are there. Every file is written whole or not at all. Rows are read and
    written by `benchmark.runs.tables`, which takes `path`.

    The folder may come from a stranger. Files that are too large, sections that are unknown, and YAML that expands
    itself are refused. Nothing that a file names is imported or executed. Of OmegaConf's interpolations only
    `${of255:NUMBER}`, `${stamp:}` and references to plain values, such as `${seed}`, are resolved.

    Every method that reads raises InputError for a file that is missing or cannot be used.

    Args:
        path: the folder; it need not exist.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.config_file = self.path / layout.CONFIG
        self.environment_file = self.path / layout.ENVIRONMENT
        self.splits_file = self.path / layout.SPLITS
        self.summary_file = self.path / layout.SUMMARY
        self.metrics_file = self.path / layout.METRICS
        self.report_file = self.path / layout.REPORT
        self.comparison_file = self.path / layout.COMPARISON
        self.curves_file = self.path / layout.CURVES
        self.transfer_report_file = self.path / layout.TRANSFER_REPORT
        self.wandb = self.path / layout.WANDB
        self.checkpoints = self.path / layout.CHECKPOINTS
        self.best_checkpoint = self.checkpoints / layout.BEST_CHECKPOINT
        self.last_checkpoint = self.checkpoints / layout.LAST_CHECKPOINT

    def picture(self, picture: Picture, image_id: str) -> Path:
        """`pictures/<picture>/<id>.png`, the same for all attacks."""
        return self.path / layout.PICTURES / picture / f"{file_name(image_id)}.png"

    def adversarial(self, attack: str, image_id: str) -> Path:
        """`adversarial/<attack>/<id>.png`, the adversarial image."""
        return self.path / layout.ADVERSARIAL_IMAGES / file_name(attack) / f"{file_name(image_id)}.png"

    def prediction(self, attack: str, image_id: str) -> Path:
        """`predictions/<attack>/<id>.png`, the prediction of the adversarial image."""
        return self.path / layout.PREDICTION_MAPS / file_name(attack) / f"{file_name(image_id)}.png"

    def point(self, attack: str, image_id: str) -> Path:
        """`points/<attack>/<id>.npz`, the float result, if another attack or budget starts from it."""
        return self.path / layout.POINTS / file_name(attack) / f"{file_name(image_id)}.npz"

    def label(self, image_id: str) -> Path:
        """`labels/<id>.png`, what was predicted of the clean image and taken as its mask, by data.labels=predicted."""
        return self.path / layout.PREDICTED_LABELS / f"{file_name(image_id)}.png"

    def montage_files(self, attacks: Sequence[str]) -> dict[str, Path]:
        """Attack -> its montage: `montage.png` if there is one attack, else `montage_<attack>.png` for each."""
        if len(attacks) == 1:
            return {attacks[0]: self.path / layout.MONTAGE}
        return {a: self.path / layout.MONTAGE_OF_ATTACK.format(attack=file_name(a)) for a in attacks}

    @property
    def has_begun(self) -> bool:
        """Whether a run has begun here, so that it can be resumed.

        The configuration is written last; where it was lost, the run is known by what it has computed.
        """
        return self.config_file.is_file() or (self.environment_file.is_file() and not self.is_free)

    @property
    def is_free(self) -> bool:
        """Whether a new run may begin here: the folder is missing or holds only what a killed start has left."""
        return not self.path.is_dir() or self.names() <= {*layout.WRITTEN_FIRST}

    def names(self) -> set[str]:
        """What stands in the folder, which exists, besides its lock."""
        return {file.name for file in self.path.iterdir() if not layout.BEFORE_THE_RUN.fullmatch(file.name)}

    def begin(
        self, config: Mapping[str, Any], splits: Mapping[str, Sequence[str]], environment: Mapping[str, Any]
    ) -> None:
        """Write the splits, the environment with `config_sha256` added, and last the configuration (plain values)."""
        self.path.mkdir(parents=True, exist_ok=True)
        text = _config_text(config)
        self.write_splits(splits)
        self.write_environment({**environment, "config_sha256": hashlib.sha256(text.encode()).hexdigest()})
        save_text(self.config_file, text)

    def write_splits(self, splits: Mapping[str, Sequence[str]]) -> None:
        """Replace splits.json."""
        save_text(self.splits_file, json.dumps(splits, indent=1))

    def write_config(self, config: Mapping[str, Any]) -> str:
        """Replace config.yaml (plain values), and return its hash."""
        text = _config_text(config)
        save_text(self.config_file, text)
        return hashlib.sha256(text.encode()).hexdigest()

    def withdraw(self) -> None:
        """Remove what a run writes before it has finished an image or a victim."""
        for name in layout.WRITTEN_FIRST:
            (self.path / name).unlink(missing_ok=True)
        for name in layout.UNFINISHED:
            shutil.rmtree(self.path / name, ignore_errors=True)

    def write_environment(self, environment: Mapping[str, Any]) -> None:
        """Replace environment.json. A hash of the other entries is added, by which damage is noticed."""
        entries = {name: value for name, value in environment.items() if name != _OWN_HASH}
        save_text(self.environment_file, json.dumps({**entries, _OWN_HASH: _sha256_of(entries)}, indent=2))

    def update_environment(self, **entries: Any) -> None:
        """Set entries of environment.json and keep the others."""
        self.write_environment(self.environment() | entries)

    def record_victim_check(self, check: Mapping[str, Any]) -> None:
        """Set the entry of environment.json; without that file, which only commands write, make one with it alone."""
        entries = self.environment() if self.environment_file.is_file() else {}
        self.path.mkdir(parents=True, exist_ok=True)
        self.write_environment(entries | {"victim_check": dict(check)})

    def check_environment(self) -> dict[str, Any]:
        """The same as `environment`. Raises InputError if its entries have another hash than the one in the file."""
        entries = self.environment()
        recorded = self._json(self.environment_file).get(_OWN_HASH)
        if recorded is not None and recorded != _sha256_of(entries):
            raise _unusable(self.environment_file, "was changed after the run wrote it")
        return entries

    def check_config(self, environment: Mapping[str, Any]) -> dict[str, Any]:
        """The same as `config`. Raises InputError if the file has another hash than the environment has recorded."""
        config = self.config()
        if environment.get("config_sha256") not in (None, self.config_sha256()):
            raise _unusable(self.config_file, "was changed after the run wrote it")
        return config

    def write_summary(self, document: Mapping[str, Any]) -> None:
        """Write summary.json. Raises ValueError for NaN and infinities, which JSON does not have."""
        save_text(self.summary_file, json.dumps(document, indent=2, allow_nan=False) + "\n")

    def set_aside(self, file: Path) -> Path:
        """Move a damaged file of the run to where nothing reads it, `set_aside/` and its place, and return its path."""
        place = self.path / layout.SET_ASIDE / file.relative_to(self.path)
        place.parent.mkdir(parents=True, exist_ok=True)
        for number in itertools.count():
            free = place.with_name(f"{place.name}.{number}") if number else place
            if not os.path.lexists(free):
                os.replace(file, free)
                return free
        raise AssertionError

    def config(self) -> dict[str, Any]:
        """config.yaml, resolved, as plain mappings, lists and values."""
        text = self._text(self.config_file, _LARGEST_CONFIG)
        try:
            return parse_config(text, stamp=self.path.resolve().name)
        except ValueError as error:
            raise _unreadable(self.config_file, error) from error

    def config_sha256(self) -> str:
        """The hash of config.yaml, in hexadecimal."""
        return hashlib.sha256(self._text(self.config_file, _LARGEST_CONFIG).encode()).hexdigest()

    def environment(self) -> dict[str, Any]:
        """environment.json: versions, machine, command line, and what the run has recorded of data and victim."""
        environment = self._json(self.environment_file)
        if wrong := wrong_entry(environment):
            raise _unusable(self.environment_file, f"is not what a run writes ({wrong})")
        return {name: value for name, value in environment.items() if name != _OWN_HASH}

    def splits(self) -> dict[str, list[str]]:
        """splits.json: split -> ids of its images."""
        splits = self._json(self.splits_file)
        if not all(isinstance(ids, list) and all(isinstance(one, str) for one in ids) for ids in splits.values()):
            raise _unusable(self.splits_file, "does not hold a list of ids for each split")
        return splits

    def metric_names(self) -> list[str]:
        """The columns of metrics.csv."""
        try:
            with open_regular(self.metrics_file, inside=self.path) as file:
                first = file.readline(_LARGEST_CONFIG).decode("utf-8")
            return next(csv.reader([first]), [])
        except (OSError, ValueError, csv.Error) as error:
            raise _unreadable(self.metrics_file, error) from error

    def summary(self) -> dict[str, Any]:
        """summary.json, of a run or of an evaluation of transfer."""
        return self._json(self.summary_file)

    def _json(self, file: Path) -> dict[str, Any]:
        text = self._text(file, _LARGEST_JSON)
        try:
            document = parse_json(text)
        except ValueError as error:
            raise _unreadable(file, error) from error
        if not isinstance(document, dict):
            raise _unusable(file, "does not hold names and values")
        return document

    def _text(self, file: Path, largest: int) -> str:
        if not self.path.is_dir():
            raise InputError(f"{self.path}: no such folder; give the folder of a run")
        if not file.is_file():
            raise InputError(f"{file}: no such file; give the folder of a run, or restore what the run wrote")
        try:
            return read_text(file, largest, inside=self.path)
        except ValueError as error:
            raise _unreadable(file, error) from error


def _config_text(config: Mapping[str, Any]) -> str:
    from omegaconf import OmegaConf

    return OmegaConf.to_yaml(OmegaConf.create(dict(config)))


def _sha256_of(entries: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()


def _unreadable(file: Path, error: Exception) -> InputError:
    return _unusable(file, f"cannot be read ({' '.join(str(error).split())})")


def _unusable(file: Path, reason: str) -> InputError:
    return InputError(f"{file}: {reason}; restore what the run wrote")
