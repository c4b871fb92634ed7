"""Lightning's Weights & Biases logger without prompts and without waiting; a run starts even if it cannot."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.loggers.logger import DummyExperiment
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from benchmark.tracking.epoch import FinishedEpoch
from benchmark.tracking.guard import Guard, in_one_line
from benchmark.tracking.wandb.attack_log import log_attack_epoch
from benchmark.tracking.wandb.connection import Connection, connect, log

INIT_TIMEOUT = 30  # seconds within which the server has to accept a run

_WHO = "Weights & Biases"
_SECRET = re.compile(r"api_?key|password|secret|token", re.IGNORECASE)
_DATA_DIR = "WANDB_DATA_DIR"
_set_here: set[str] = set()  # values of WANDB_DATA_DIR that a user has not set


class RunLogger(WandbLogger):
    """A WandbLogger that also logs attack epochs. If a run cannot be created online, it goes offline, then nowhere."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._wandb_init.pop("anonymous", None)  # the client warns about this setting of Lightning
        self._given_up = False

    @property
    def experiment(self) -> Any:
        """The run of the client, or an object that ignores every call if no run can be created."""
        while not self._given_up:
            try:
                return super().experiment
            except Exception as error:  # see Guard
                if self._wandb_init.get("mode") == "offline":
                    self._given_up = True
                    Guard(_WHO).warn("starting a run", error)
                else:
                    _warn_offline(in_one_line(error), Path(self._wandb_init["dir"]))
                    self._wandb_init |= {"mode": "offline", "settings": _client_settings("offline")}
        return DummyExperiment()

    def log_hyperparams(self, params: Any) -> None:
        """Add to the configuration of the run, without entries named like keys or passwords."""
        if not isinstance(self.experiment, DummyExperiment):  # which has no configuration
            super().log_hyperparams(without_secrets(params) if isinstance(params, Mapping) else params)

    def log_attack_epoch(self, epoch: FinishedEpoch) -> None:
        """Log curves, table, charts, summary and artifacts."""
        log_attack_epoch(self.experiment, epoch)

    def finish(self, exit_code: int = 0) -> None:
        """Close the run, so that a later run of this process is a new one."""
        if self._experiment is not None:
            self._experiment.finish(exit_code=exit_code)


def make_logger(
    save_dir: str | os.PathLike[str],
    project: str,
    *,
    name: str | None = None,
    group: str | None = None,
    tags: Sequence[str] | None = None,
    config: Mapping[str, Any] | None = None,
    entity: str | None = None,
    job_type: str | None = None,
    notes: str | None = None,
    id: str | None = None,
) -> RunLogger | None:
    """A logger that writes to `save_dir`/wandb; None if Weights & Biases is disabled or not installed.

    Without a key or a network it writes offline, and one line of the log says how to upload the run later. Entries of
    `config` that are named like keys or passwords are left out; `id` is that of an earlier run, which is continued.
    """
    logger = None
    with Guard(_WHO)("starting"):
        folder = Path(save_dir)
        folder.mkdir(parents=True, exist_ok=True)
        _keep_files_in(folder)  # before the client reads its settings
        connection = _connect(folder)
        if connection.mode != "disabled":
            logger = RunLogger(
                save_dir=str(folder),
                mode=connection.mode,
                settings=_client_settings(connection.mode),
                config=without_secrets(config or {}),
                project=project,
                name=name,
                id=id,
                group=group,
                tags=None if tags is None else [str(tag) for tag in tags],
                entity=entity,
                job_type=job_type,
                notes=notes,
            )
    return logger


def without_secrets(config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy without the entries, at any depth, that are named like API keys, passwords or secrets."""
    return {
        key: without_secrets(value) if isinstance(value, Mapping) else value
        for key, value in config.items()
        if not _SECRET.search(str(key))
    }


def _connect(folder: Path) -> Connection:
    # Only rank 0 has a run; the other ranks need no connection.
    if getattr(rank_zero_only, "rank", 0) != 0:
        return Connection("offline")
    connection = connect()
    if connection.mode == "offline":
        _warn_offline(connection.reason, folder)
    return connection


def _warn_offline(reason: str, folder: Path) -> None:
    how = f"`wandb login`, then `wandb sync {folder}/wandb/offline-run-*`"
    log.warning("Weights & Biases: offline (%s); upload later: %s", reason, how)


def _client_settings(mode: str) -> Any:
    import wandb

    # Silent, because an offline client repeats the line above at its start and end.
    return wandb.Settings(silent=mode == "offline", init_timeout=INIT_TIMEOUT)


def _keep_files_in(folder: Path) -> None:
    """Stage artifacts in the folder of the run; the home directory may be full or read-only."""
    if os.environ.get(_DATA_DIR) in (None, *_set_here):
        os.environ[_DATA_DIR] = str(folder / "wandb" / "data")
        _set_here.add(os.environ[_DATA_DIR])
