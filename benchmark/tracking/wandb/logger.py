"""Lightning's Weights & Biases logger, made so that a run never asks or waits because of it, and starts without it."""

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

INIT_TIMEOUT = 30  # seconds a server that answers may take to accept a run

_WHO = "Weights & Biases"
_SECRET = re.compile(r"api_?key|password|secret|token", re.IGNORECASE)
_DATA_DIR = "WANDB_DATA_DIR"
_ours: set[str] = set()  # values of WANDB_DATA_DIR set here, as against those a user set


class RunLogger(WandbLogger):
    """A WandbLogger that tells of attack epochs too; a run that cannot be created goes offline, then nowhere."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._wandb_init.pop("anonymous", None)  # Lightning passes what the client warns about
        self._given_up = False

    @property
    def experiment(self) -> Any:
        """The client's run, or one that ignores everything if none could be created."""
        while not self._given_up:
            try:
                return super().experiment
            except Exception as error:  # see Guard
                self._fall_back(error)
        return DummyExperiment()

    def _fall_back(self, error: Exception) -> None:
        if self._wandb_init.get("mode") == "offline":
            self._given_up = True
            Guard(_WHO).warn("starting a run", error)
        else:
            _say_offline(in_one_line(error), Path(self._wandb_init["dir"]))
            self._wandb_init |= {"mode": "offline", "settings": _client_settings("offline")}

    def log_hyperparams(self, params: Any) -> None:
        """Into the run's configuration, without entries named like keys or passwords."""
        if not isinstance(self.experiment, DummyExperiment):  # which has no configuration
            super().log_hyperparams(without_secrets(params) if isinstance(params, Mapping) else params)

    def log_attack_epoch(self, epoch: FinishedEpoch) -> None:
        """Curves, table, charts, summary and artifacts."""
        log_attack_epoch(self.experiment, epoch)

    def finish(self, exit_code: int = 0) -> None:
        """Close the run, so that the next one of this process gets a run of its own."""
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
    """A logger that writes to `save_dir`/wandb, online if it can be, else offline; None if disabled or not installed.

    Offline says so in one line, with how to upload later. `config` becomes the run's configuration, without entries
    named like keys or passwords; `id` continues an earlier run.
    """
    settings = {
        "project": project,
        "name": name,
        "id": id,
        "group": group,
        "tags": None if tags is None else [str(tag) for tag in tags],
        "entity": entity,
        "job_type": job_type,
        "notes": notes,
    }
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
                config=without_secrets(_plain(config or {})),
                **settings,
            )
    return logger


def without_secrets(config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy without entries named like API keys, passwords or secrets, at any depth."""
    return {
        key: without_secrets(value) if isinstance(value, Mapping) else value
        for key, value in config.items()
        if not _SECRET.search(str(key))
    }


def _plain(config: Mapping[str, Any]) -> Mapping[str, Any]:
    from omegaconf import DictConfig, OmegaConf

    if isinstance(config, DictConfig):
        return OmegaConf.to_container(config, resolve=True)  # type: ignore[return-value]
    return config


def _connect(folder: Path) -> Connection:
    # Only rank 0 has a run; the others need not look for the host.
    if getattr(rank_zero_only, "rank", 0) != 0:
        return Connection("offline")
    connection = connect()
    if connection.mode == "offline":
        _say_offline(connection.reason, folder)
    return connection


def _say_offline(reason: str, folder: Path) -> None:
    how = f"`wandb login`, then `wandb sync {folder}/wandb/offline-run-*`"
    log.warning("Weights & Biases: offline (%s); upload later: %s", reason, how)


def _client_settings(mode: str) -> Any:
    import wandb

    # Offline, the client would repeat at start and end what was said in one line.
    return wandb.Settings(silent=mode == "offline", init_timeout=INIT_TIMEOUT)


def _keep_files_in(folder: Path) -> None:
    """Stage artifacts in the run's folder, not in the home directory, which may be full, read-only or elsewhere."""
    if os.environ.get(_DATA_DIR) in (None, *_ours):
        os.environ[_DATA_DIR] = str(folder / "wandb" / "data")
        _ours.add(os.environ[_DATA_DIR])
