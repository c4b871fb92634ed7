"""What of a run's recorded command line is taken from its folder, and what the user has to give again.

A folder may come from a stranger. Its overrides may set keys of a run's configuration to plain values and choose files
of the project's own `conf/`. What names code, computes a value, starts processes, reaches for a network or writes
elsewhere counts only when the user has typed it.
"""

import os
import re
from typing import Any

from benchmark.config.groups import conf_folder, groups, names
from benchmark.config.overrides import Override
from benchmark.results.run_settings import is_in
from benchmark.runs.config_text import SECTIONS

_CODE = ("victim.factory", "victim.program")  # keys that name code to run, besides every `_target_`
_PROCESSES = ("trainer.devices", "trainer.num_nodes", "data.num_workers")
_MOST_PROCESSES = max(32, os.cpu_count() or 1)
# Interpolations that look nothing up but this configuration, and cannot make a section out of a text.
_HARMLESS = re.compile(rf"\$\{{(?:(?:{'|'.join(sorted(SECTIONS))})(?:\.[A-Za-z]\w*)*|of255:[ \d.eE+-]+|stamp:)\}}")
# What of Lightning's Trainer changes no more than how long and how fast it trains.
_TRAINER = frozenset((
    "accelerator", "devices", "num_nodes", "strategy", "precision", "max_epochs", "min_epochs", "max_steps",
    "min_steps", "max_time", "limit_train_batches", "limit_val_batches", "val_check_interval",
    "check_val_every_n_epoch", "num_sanity_val_steps", "log_every_n_steps", "enable_progress_bar",
    "enable_model_summary", "accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm",
    "deterministic", "benchmark", "detect_anomaly", "sync_batchnorm",
))  # fmt: skip


def reason_to_give_again(override: Override) -> str | None:
    """Why the override does not count when a run's folder says it, as a clause; None if it counts."""
    if override.group == "logger" or is_in(override.key, ("loggers",)):
        return "which sends elsewhere what the run logs" if override.choices else None
    if _names_code(override):
        return "which names code to run"
    if override.key not in groups() and override.key.split(".")[0] not in SECTIONS:
        return "which is no key of a run's configuration"
    for key, value in override.items():
        if reason := _reason(key, value):
            return reason
    return None


def _names_code(override: Override) -> bool:
    """Whether the override can choose code that is run, other than a file of the project's own `conf/`."""
    if override.key.split(".")[0].split("/")[0] == "hydra" or override.sweep or "${" in _plain(override.text):
        return True
    if override.group is not None:
        files = names(override.group)
        own = [name in files and files[name].is_relative_to(conf_folder()) for name in override.choices]
        return override.package is not None or not all(own)
    return any(
        any(part.startswith("_") for part in key.split("."))  # _target_, _args_, _partial_ and what else Hydra obeys
        or (is_in(key, _CODE) and value is not None)
        or (isinstance(value, str) and "${" in _plain(value))
        for key, value in override.items()
    )


def _plain(text: str) -> str:
    return _HARMLESS.sub("", text)


def _count(value: Any) -> int:
    """How many devices or processes Lightning takes a value for; 0 where it counts itself."""
    if isinstance(value, list):
        return len(value)
    parts = str(value).split(",")
    return len(parts) if len(parts) > 1 else int(parts[0]) if re.fullmatch(r"\d{1,9}", parts[0]) else 0


def _reason(key: str, value: Any) -> str | None:
    if key.startswith("trainer.") and key.split(".")[1] not in _TRAINER:
        return "which a folder cannot set"
    if key in _PROCESSES and _count(value) > _MOST_PROCESSES:
        return f"which may start more than {_MOST_PROCESSES} processes"
    if key == "victim.encoder_weights" and value is not None:
        return "which may be downloaded"
    return None
