"""A run: its configuration, its folder and what every command needs of both."""

import hashlib
import json
import os
import platform
import secrets
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from benchmark import __version__
from benchmark.atomic_files import save_text
from benchmark.cli.resume import attacked, check_same, read_environment
from benchmark.config.build import build_data, build_loggers, build_plan
from benchmark.config.overrides import assignment
from benchmark.config.schema import check_config
from benchmark.distributed.process_group import ProcessGroup
from benchmark.distributed.termination import requested_stop
from benchmark.errors import InputError, Stopped
from benchmark.runs import tables

if TYPE_CHECKING:
    from benchmark.data.datamodule import SegmentationData
    from benchmark.evaluation.plan import Plan
    from benchmark.tracking.guarded_logger import GuardedLogger

_PACKAGES = (
    *("torch", "torchvision", "pytorch-lightning", "segmentation-models-pytorch", "albumentations", "torchmetrics"),
    *("numpy", "pillow", "pyarrow", "hydra-core", "wandb"),
)
_WRITTEN_FIRST = ("config.yaml", "splits.json", "environment.json", "metrics.csv")


@dataclass(frozen=True)
class Context:
    """What a command works with.

    Attributes:
        cfg: the composed configuration.
        config: the same, resolved and plain.
        folder: of the run; holds nothing before `begin`.
        name: of the run, in its rows.
        data: the data module.
        plan: attacks, targets, judge.
        ranks: the processes of the run.
        resumed: whether the folder holds this run's beginning.
    """

    cfg: DictConfig
    config: dict[str, Any]
    folder: Path
    name: str
    data: "SegmentationData"
    plan: "Plan"
    processes: ProcessGroup
    resumed: bool

    @contextmanager
    def begin(self) -> "Iterator[list[GuardedLogger]]":
        """Write what is run into the folder and start the loggers; for when the input has proved usable."""
        if self.processes.first:
            self._begin()
        self.processes.barrier("begun")
        loggers: list[GuardedLogger] = []
        status = 1
        try:
            loggers += build_loggers(self.cfg, self.folder, self.config, str(self.environment()["run_id"]))
            yield loggers
            status = 0
        except InputError:
            self._withdraw()
            raise
        except (Stopped, Exception) as error:
            # A process that stops closes its connections, which is an error for the others.
            stop = error if isinstance(error, Stopped) else requested_stop()
            if stop is None:
                raise
            if self.processes.first and not stop.reported:
                # At once: closing the loggers may take longer than the deadline allows.
                stop.kept = self._kept()
                print(stop, file=sys.stderr, flush=True)
            stop.reported = True
            raise stop from error
        finally:
            # A sweep's next run in this process must get a Weights & Biases run of its own.
            for logger in loggers:
                logger.finish(status)

    def _begin(self) -> None:
        if self.resumed:
            tables.drop_traces_without_row(self.folder)
            now, before = self._machine(), self.environment()
            if changed := [name for name, v in now["packages"].items() if v != before.get("packages", {}).get(name)]:
                print(f"warning: other versions than at the start of the run: {', '.join(changed)}", file=sys.stderr)
            starts = [*before.get("resumed", []), {"time": f"{datetime.now():%Y-%m-%d %H:%M:%S}", **now}]
            self.record(resumed=starts, run_id=before.get("run_id") or secrets.token_hex(4))
            rows = len(tables.RECORDS.keys(self.folder))
            print(f"going on with the run in {self.folder}: {rows} rows are there", flush=True)
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        # Last the configuration, because a folder that has it can be gone on with.
        save_text(self.folder / "splits.json", json.dumps(self.data.splits(), indent=1))
        (self.folder / "environment.json").unlink(missing_ok=True)
        text = OmegaConf.to_yaml(OmegaConf.create(self.config))
        self.record(config_sha256=hashlib.sha256(text.encode()).hexdigest())
        save_text(self.folder / "config.yaml", text)

    def environment(self) -> dict[str, Any]:
        """What environment.json says."""
        return read_environment(self.folder)

    def record(self, **more: Any) -> None:
        """Add to environment.json: versions, machine, seed, data fingerprint, and whatever is given."""
        if self.processes.first:
            path = self.folder / "environment.json"
            known = self.environment() if path.exists() else self._environment()
            save_text(path, json.dumps(known | more, indent=2))

    def attacked(self) -> dict[tuple[str, str], dict[str, Any]]:
        """(attack, id) -> row of what the run has done so far, the same in all processes; after `begin`, once."""
        rows = attacked(self.folder)
        # Nobody may add to them until all have read them.
        self.processes.barrier("rows read")
        return rows

    def _kept(self) -> str:
        """What an interrupted run has brought about."""
        if tables.RECORDS.exists(self.folder):
            rows = tables.read(self.folder).num_rows
            # Another process may be writing its last one.
            least = "at least " if self.processes.size > 1 else ""
            return f"{least}{rows} rows are kept; {self._go_on()}"
        checkpoint = self.folder / "checkpoints" / "best.ckpt"
        if checkpoint.exists():
            return f"the best victim so far is kept, {checkpoint}; {self._go_on()}"
        self._withdraw()
        return "nothing had been finished"

    def _go_on(self) -> str:
        return f"to go on: python -m {sys.argv[0]} {shlex.quote(assignment('run.resume', self.folder))}"

    def _withdraw(self) -> None:
        """Remove what `begin` wrote, unless a victim or rows have come of it."""
        started = tables.RECORDS.exists(self.folder) or (self.folder / "checkpoints" / "best.ckpt").exists()
        if started or self.resumed or not self.processes.first:
            return
        for name in _WRITTEN_FIRST:
            (self.folder / name).unlink(missing_ok=True)

    def _environment(self) -> dict[str, Any]:
        from hydra.core.hydra_config import HydraConfig

        return {
            "command": sys.argv,
            "overrides": list(HydraConfig.get().overrides.task),
            "run_id": secrets.token_hex(4),
            **self._machine(),
            "seed": self.cfg.seed,
            "data": self.data.name,
            "data_fingerprint": self.data.fingerprint(),
        }

    def _machine(self) -> dict[str, Any]:
        import torch

        return {
            "benchmark": __version__,
            "python": platform.python_version(),
            "packages": package_versions(),
            "platform": platform.platform(),
            "processor": platform.processor() or platform.machine(),
            "cpus": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
            "processes": self.processes.size,
            "machines": self.processes.machines,
        }


def open_context(cfg: DictConfig, processes: ProcessGroup) -> Context:
    """Check what can be checked before anything is computed, and make what the configuration names."""
    import pytorch_lightning as pl

    folder = run_folder()
    processes = processes.scoped(str(folder))
    if processes.agree("folder", lambda: str(folder)) != str(folder):
        raise InputError(f"run.dir={folder}: differs from process to process; give a fixed one")
    # Asked only once all have come here and the first has not begun to write.
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    processes.barrier("opened")
    resumed = "config.yaml" in there
    # Without it a start of this run has been killed before it could begin, or the folder is somebody else's.
    if not resumed and not there <= {*_WRITTEN_FIRST}:
        raise InputError(f"run.dir={folder} is not empty; choose a folder of the run's own")
    config: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)  # type: ignore
    check_config(config)
    pl.seed_everything(cfg.seed, workers=True, verbose=False)
    data = build_data(cfg.data)
    if resumed:
        check_same(folder, config, read_environment(folder), data.fingerprint())
    return Context(cfg, config, folder, _name(folder, cfg.run.name), data, build_plan(cfg), processes, resumed)


def run_folder() -> Path:
    """Where the run that Hydra has composed lies."""
    from hydra.core.hydra_config import HydraConfig

    return Path(HydraConfig.get().runtime.output_dir)


def _name(folder: Path, run_name: str) -> str:
    """`<run.name>/<stamp>`, in a sweep with the run's number; of a folder chosen otherwise its last two parts."""
    parts = folder.parts
    if run_name in parts:
        return "/".join(parts[len(parts) - 1 - parts[::-1].index(run_name) :])
    return "/".join(parts[-2:])


def package_versions() -> dict[str, str | None]:
    """What a result may depend on -> its installed version, None if it is not there."""
    return {name: _version(name) for name in _PACKAGES}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
