"""A run: its configuration, its folder and what every command needs of both."""

import json
import os
import platform
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.utilities.exceptions import SIGTERMException

from benchmark import __version__, records
from benchmark.commands.build import build_data, build_loggers, build_plan
from benchmark.commands.check import check_config
from benchmark.errors import InputError
from benchmark.saving import save_text
from benchmark.tracking.logger import RunLogger

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger

    from benchmark.callbacks.plan import Plan
    from benchmark.data.datamodule import SegmentationData

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
    """

    cfg: DictConfig
    config: dict[str, Any]
    folder: Path
    name: str
    data: "SegmentationData"
    plan: "Plan"

    @contextmanager
    def begin(self) -> "Iterator[list[Logger]]":
        """Write what is run into the folder and start the loggers; for when the input has proved usable."""
        self.folder.mkdir(parents=True, exist_ok=True)
        save_text(self.folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(self.config)))
        save_text(self.folder / "splits.json", json.dumps(self.data.splits(), indent=1))
        self.record()
        loggers: list[Logger] = []
        status = 1
        try:
            loggers += build_loggers(self.cfg, self.folder, self.config)
            yield loggers
            status = 0
        except InputError:
            self._withdraw()
            raise
        except SIGTERMException as error:
            print(f"terminated: {self._kept()}", file=sys.stderr)
            raise SystemExit(128 + signal.SIGTERM) from error
        except (KeyboardInterrupt, SystemExit) as error:
            # Lightning turns the interrupt of a loop into an exit with status 1.
            if isinstance(error, SystemExit) and not isinstance(error.__context__, KeyboardInterrupt):
                raise
            raise KeyboardInterrupt(self._kept()) from error
        finally:
            # A sweep's next run in this process must get a Weights & Biases run of its own.
            for logger in loggers:
                if isinstance(logger, RunLogger):
                    logger.finish(status)

    def record(self, **more: Any) -> None:
        """Add to environment.json: versions, machine, seed, data fingerprint, and whatever is given."""
        path = self.folder / "environment.json"
        known = json.loads(path.read_text()) if path.exists() else self._environment()
        save_text(path, json.dumps(known | more, indent=2))

    def _kept(self) -> str:
        """What an interrupted run has brought about."""
        if records.RECORDS.exists(self.folder):
            rows = records.read(self.folder).num_rows
            return f"{rows} rows are kept in {self.folder}; benchmark.records.read gives them"
        checkpoint = self.folder / "checkpoints" / "best.ckpt"
        if checkpoint.exists():
            return f"the best victim so far is kept; `attack victim.ckpt={checkpoint}` attacks it"
        self._withdraw()
        return "nothing had been finished"

    def _withdraw(self) -> None:
        """Remove what `begin` wrote, unless a victim or rows have come of it."""
        if records.RECORDS.exists(self.folder) or (self.folder / "checkpoints" / "best.ckpt").exists():
            return
        for name in _WRITTEN_FIRST:
            (self.folder / name).unlink(missing_ok=True)

    def _environment(self) -> dict[str, Any]:
        import torch

        return {
            "command": sys.argv,
            "benchmark": __version__,
            "python": platform.python_version(),
            "packages": {name: _version(name) for name in _PACKAGES},
            "platform": platform.platform(),
            "processor": platform.processor() or platform.machine(),
            "cpus": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
            "seed": self.cfg.seed,
            "data": self.data.name,
            "data_fingerprint": self.data.fingerprint(),
        }


@contextmanager
def open_context(cfg: DictConfig) -> Iterator[Context]:
    """Check what can be checked before anything is computed; if the input is bad, leave no empty folder behind."""
    import pytorch_lightning as pl
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    folder = Path(HydraConfig.get().runtime.output_dir)
    try:
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise InputError(f"WORLD_SIZE={os.environ['WORLD_SIZE']}: each process would start a run; start one")
        if folder.is_dir() and any(folder.iterdir()):
            raise InputError(f"run.dir={folder} is not empty; choose a folder of the run's own")
        config: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)  # type: ignore
        check_config(config)
        pl.seed_everything(cfg.seed, workers=True, verbose=False)
        name = "/".join(folder.parts[-3 if HydraConfig.get().mode == RunMode.MULTIRUN else -2 :])
        yield Context(cfg, config, folder, name, build_data(cfg), build_plan(cfg))
    finally:
        # Hydra makes the folder before anything is known to be right.
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
