"""A Lightning logger that cannot fail a run."""

from collections.abc import Mapping
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.loggers.logger import DummyExperiment

from benchmark.tracking.epoch import FinishedEpoch, RunTracker
from benchmark.tracking.guard import Guard


class GuardedLogger(Logger):
    """Passes every call on to `logger`; if that raises, the run goes on after one warning.

    Args:
        logger: any Lightning logger; a `RunTracker` also gets the results and the end of the run.
        name: the name of the logger in the warning.
    """

    def __init__(self, logger: Logger, name: str) -> None:
        super().__init__()
        self.logger = logger
        self._guard = Guard(f"logger {name}")

    @property
    def name(self) -> str | None:
        return self._guard.attempt("asking its name", lambda: self.logger.name, None)

    @property
    def version(self) -> int | str | None:
        return self._guard.attempt("asking its version", lambda: self.logger.version, None)

    @property
    def root_dir(self) -> str | None:
        return self._guard.attempt("asking its folder", lambda: self.logger.root_dir, None)

    @property
    def log_dir(self) -> str | None:
        return self._guard.attempt("asking its folder", lambda: self.logger.log_dir, None)

    @property
    def save_dir(self) -> str | None:
        return self._guard.attempt("asking its folder", lambda: self.logger.save_dir, None)

    @property
    def group_separator(self) -> str:
        return self._guard.attempt("asking its separator", lambda: self.logger.group_separator, "/")

    @property
    def experiment(self) -> Any:
        """The `experiment` of the logger, or an object that ignores every call."""
        ignoring: Any = DummyExperiment()
        return self._guard.attempt("starting", lambda: getattr(self.logger, "experiment", ignoring), ignoring)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        with self._guard("logging metrics"):
            self.logger.log_metrics(dict(metrics), step)

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        with self._guard("logging hyper-parameters"):
            self.logger.log_hyperparams(params, *args, **kwargs)

    def log_graph(self, model: Any, input_array: Any = None) -> None:
        with self._guard("logging the model"):
            self.logger.log_graph(model, input_array)

    def save(self) -> None:
        with self._guard("saving"):
            self.logger.save()

    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        with self._guard("logging a checkpoint"):
            self.logger.after_save_checkpoint(checkpoint_callback)

    def finalize(self, status: str) -> None:
        """Lightning calls this after each fit and each test."""
        with self._guard("finishing a loop"):
            self.logger.finalize(status)

    def log_attack_epoch(self, epoch: FinishedEpoch) -> None:
        """Log a finished attack epoch, if the logger can."""
        with self._guard("logging the attack epoch"):
            if isinstance(self.logger, RunTracker):
                self.logger.log_attack_epoch(epoch)

    def finish(self, exit_code: int = 0) -> None:
        """Close the run, if the logger can."""
        with self._guard("finishing the run"):
            if isinstance(self.logger, RunTracker):
                self.logger.finish(exit_code)
