"""A run: its configuration, its folder and what every command needs of both."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from benchmark.cli import environment, healing
from benchmark.cli.parsers import say
from benchmark.cli.resume import check_same, command_to_go_on, environment_of_rows
from benchmark.config.build import build_data, build_loggers, build_plan
from benchmark.config.plain import plain
from benchmark.config.schema import check_config
from benchmark.config.settings import RunSettings, TrainingSettings
from benchmark.config.victim import victim_name
from benchmark.data.datamodule import SegmentationData
from benchmark.data.notes import data_set_notes
from benchmark.data_check.split_overlap import split_overlap
from benchmark.distributed.process_group import ProcessGroup
from benchmark.distributed.termination import requested_stop
from benchmark.errors import InputError, MachineError, Stopped, machine_error
from benchmark.evaluation.plan import Plan
from benchmark.evaluation.row_writer import RunInfo
from benchmark.regular_files import folder_outside
from benchmark.results.run_settings import settings_sha256
from benchmark.results.split_overlap_line import overlap_line
from benchmark.runs import tables
from benchmark.runs.folder import RunFolder
from benchmark.tracking.guarded_logger import GuardedLogger
from benchmark.victims.task import Victim


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a command works with.

    Attributes:
        command: "run", "train" or "attack".
        cfg: the composed configuration.
        folder: of the run; holds nothing before `begin`.
        run, training: these sections of the configuration.
        data: the data module.
        plan: attacks, targets, judge.
        processes: the processes of the run.
        resumed: whether the folder holds this run's beginning.
    """

    command: str
    cfg: DictConfig
    folder: RunFolder
    run: RunSettings
    training: TrainingSettings
    data: SegmentationData
    plan: Plan
    processes: ProcessGroup
    resumed: bool

    @property
    def name(self) -> str:
        """What rows call the run, after `begin`; the name that it began with, wherever its folder lies now."""
        return str(self.folder.environment()["name"])

    def victim_name(self, victim: Victim) -> str:
        """What rows call the victim, after `begin`; by the configuration that the run began with."""
        return victim_name(self.folder.config()["victim"], victim)

    def _new_name(self) -> str:
        """`<run.name>/<stamp>`, in a sweep with a number, or the folder's last two parts."""
        parts = self.folder.path.parts
        last = max((place for place, part in enumerate(parts) if part == self.run.name), default=-2)
        return "/".join(parts[last:])

    def for_classes(self) -> Self:
        """The same, once the victim has said which classes there are. Raises InputError as `Plan.for_data`."""
        return replace(self, plan=self.plan.for_data(self.data))

    @property
    def checkpoint(self) -> Path | None:
        """The checkpoint that the configuration names."""
        return None if self.cfg.victim.ckpt is None else Path(self.cfg.victim.ckpt)

    @contextmanager
    def begin(self) -> Iterator[list[GuardedLogger]]:
        """Write the configuration into the folder and start the loggers, once all input has been checked."""
        loggers: list[GuardedLogger] = []
        status = 1
        try:
            if self.processes.first:
                self._begin()
            self.processes.barrier("begun")
            loggers += build_loggers(self.cfg, self.folder.path, str(self.folder.environment()["run_id"]))
            yield loggers
            status = 0
        except (Stopped, Exception) as error:
            # A process that stops closes its connections, which is an error for the others.
            stop = error if isinstance(error, Stopped) else requested_stop()
            if stop is None and (failure := machine_error(error)) is not None:
                raise MachineError(f"{failure}; {self._kept()}") from error
            if isinstance(error, InputError):
                self._withdraw()
                raise
            if stop is None:
                raise
            if self.processes.first and not stop.reported:
                # At once: closing the loggers may take longer than the deadline allows.
                stop.kept = self._kept()
                say(stop, error=True)
            stop.reported = True
            raise stop from error
        finally:
            # Else the next run of a sweep in this process would log to the same run of Weights & Biases.
            for logger in loggers:
                logger.finish(status)

    def _begin(self) -> None:
        config = plain(self.cfg)
        if not self.resumed:
            self.folder.begin(config, self.data.splits(), self._environment(config))
            return
        healing.set_aside_damaged(self.folder)
        # `check_same` has found that these can be made again.
        healing.heal_environment(self.folder, lambda: self._environment(config) | environment_of_rows(self.folder))
        healing.heal_config(self.folder, config)
        healing.heal_splits(self.folder, self.data.splits())
        before, now = self.folder.environment(), environment.machine(self.processes)
        if changed := environment.changed_packages(before):
            say(f"warning: other versions than at the start of the run: {'; '.join(changed)}", error=True)
        starts = [*before.get("resumed", []), {"time": f"{datetime.now():%Y-%m-%d %H:%M:%S}", **now}]
        self.folder.update_environment(resumed=starts)
        rows = len(tables.RECORDS.keys(self.folder.path))
        say(f"going on with the run in {self.folder.path}: {rows} rows exist")

    def _environment(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """What a run records when it begins, with a warning if its splits share images."""
        data = {"seed": self.cfg.seed, "data": self.data.name, "data_fingerprint": self.data.fingerprint()}
        data |= {"name": self._new_name(), "settings_sha256": settings_sha256(config)}
        data["data_notes"] = data_set_notes(self.data, trains=self.command != "attack")
        for note in data["data_notes"]:
            say(f"note: {note}", error=True)
        if self.cfg.data.get("root") is not None:  # images that are drawn differ
            data["split_overlap"] = split_overlap(self.data)
            if line := overlap_line(data["split_overlap"]):
                say(f"warning: {line}", error=True)
        return environment.started(self.command, self.processes) | data

    def record(self, **entries: Any) -> None:
        """Add to environment.json, after `begin`; only the first process writes."""
        if self.processes.first:
            self.folder.update_environment(**entries)

    def attacked(self, info: RunInfo) -> dict[tuple[str, str], dict[str, Any]]:
        """(attack, id) -> row of what the run has done so far, the same in all processes; after `begin`, once.

        The first process removes what is not done, see `healing`.
        """
        path = self.folder.path
        if self.processes.first and self.resumed and tables.RECORDS.exists(path):
            healing.drop_rows_not_done(self.folder, info, self.data.test_ids())
        self.processes.barrier("rows checked")
        rows = tables.read(path).to_pylist() if tables.RECORDS.exists(path) else []
        # Nobody may add to them until all have read them.
        self.processes.barrier("rows read")
        return {(row["attack"], row["id"]): row for row in rows}

    def _kept(self) -> str:
        """What is left of an interrupted run, for the message."""
        remedy = f"to go on: {command_to_go_on(self.folder.path)}"
        if tables.RECORDS.exists(self.folder.path):
            rows = tables.read(self.folder.path).num_rows
            # Another process may be writing its last one.
            least = "at least " if self.processes.size > 1 else ""
            return f"{least}{rows} rows are kept; {remedy}"
        if self.folder.best_checkpoint.exists():
            return f"the best victim so far is kept, {self.folder.best_checkpoint}; {remedy}"
        if self.processes.size > 1:  # another process may be writing the first row
            return f"nothing had been finished; {remedy}"
        self._withdraw()
        return "nothing had been finished"

    def _withdraw(self) -> None:
        """Remove what `begin` wrote, unless a victim or rows have come of it."""
        computed = tables.RECORDS.exists(self.folder.path) or self.folder.best_checkpoint.exists()
        if self.processes.first and not self.resumed and not computed:
            self.folder.withdraw()


def open_context(command: str, cfg: DictConfig, processes: ProcessGroup) -> Context:
    """Check what can be checked before anything is computed, and make what the configuration names.

    Raises InputError for bad input, and for a folder that holds another run or was begun by another command.
    """
    path = run_folder(cfg)
    processes = processes.scoped(str(path))
    if processes.agree("folder", lambda: str(path)) != str(path):
        raise InputError(f"run.dir={path}: differs from process to process; give a fixed one")
    # All processes look at the folder before the first of them writes to it.
    folder = RunFolder(path)
    resumed, free = folder.has_begun, folder.is_free
    if resumed and (link := folder_outside(folder.path)):
        raise InputError(f"{link}: is a link out of the run's folder; put the folder that it leads to in its place")
    processes.barrier("opened")
    # A folder without a configuration is another's, or was left by a start that was killed early.
    if not resumed and not free:
        raise InputError(f"run.dir={path} is not empty; choose another folder")
    config = plain(cfg, complete=True)
    check_config(config)
    run, training, plan = RunSettings(**config["run"]), TrainingSettings(**config["training"]), build_plan(cfg)
    pl.seed_everything(cfg.seed, workers=True, verbose=False)
    data = build_data(cfg.data)
    plan = plan.for_data(data)
    if resumed:
        environment_of_run = check_same(folder, command, config, data.fingerprint())
        # The data of a folder are called what the folder was called when the run began.
        data.name = str(environment_of_run.get("data", data.name))
    return Context(
        command=command,
        cfg=cfg,
        folder=folder,
        run=run,
        training=training,
        data=data,
        plan=plan,
        processes=processes,
        resumed=resumed,
    )


def run_folder(cfg: DictConfig) -> Path:
    """Where the run that Hydra has composed lies. Raises InputError if run.dir is empty."""
    hydra = HydraConfig.get()
    if hydra.mode is RunMode.MULTIRUN:
        return Path(hydra.runtime.output_dir)
    path = str(cfg.run.dir)
    if not path.strip():
        raise InputError("run.dir is empty; give a folder, or leave it out")
    return Path(os.path.abspath(path))
