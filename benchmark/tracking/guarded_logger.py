"""A Lightning logger that cannot fail a run."""

from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.loggers.logger import DummyExperiment

from benchmark.tracking.epoch import FinishedEpoch, RunTracker
from benchmark.tracking.guard import Guard


def _value(name: str, otherwise: Any = None) -> Any:
    """A property with the logger's value of this name, or `otherwise` if reading it fails."""

    def read(self: "GuardedLogger") -> Any:
        return self._guard.attempt(f"reading its {name}", lambda: getattr(self.logger, name), otherwise)

    return property(read)


def _call(name: str, doing: str) -> Any:
    """A method that calls the logger's method of this name."""

    def call(self: "GuardedLogger", *args: Any, **kwargs: Any) -> None:
        with self._guard(doing):
            getattr(self.logger, name)(*args, **kwargs)

    return call


class GuardedLogger(Logger):
    """Passes every call on to a Lightning logger; if that raises, the run goes on after one warning with its name.

    A `RunTracker` also gets the results and the end of the run.
    """

    def __init__(self, logger: Logger, name: str) -> None:
        super().__init__()
        self.logger = logger
        self._guard = Guard(f"logger {name}")

    name = _value("name")
    version = _value("version")
    root_dir = _value("root_dir")
    log_dir = _value("log_dir")
    save_dir = _value("save_dir")
    group_separator = _value("group_separator", "/")
    log_metrics = _call("log_metrics", "logging metrics")
    log_hyperparams = _call("log_hyperparams", "logging hyper-parameters")
    log_graph = _call("log_graph", "logging the model")
    save = _call("save", "saving")
    after_save_checkpoint = _call("after_save_checkpoint", "logging a checkpoint")
    finalize = _call("finalize", "finishing a loop")

    @property
    def experiment(self) -> Any:
        """The `experiment` of the logger, or an object that ignores every call."""
        ignoring: Any = DummyExperiment()
        return self._guard.attempt("starting", lambda: getattr(self.logger, "experiment", ignoring), ignoring)

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
