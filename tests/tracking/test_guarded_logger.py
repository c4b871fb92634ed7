import logging
from typing import Any

import pytest
from pytorch_lightning.loggers import Logger

from benchmark.tracking.epoch import FinishedEpoch, RunTracker
from benchmark.tracking.guarded_logger import GuardedLogger
from tests.tracking.example_epoch import rows, traces

EPOCH = FinishedEpoch(rows=rows(), traces=traces(), summaries=[])


class Broken(Logger):
    """Raises whatever it is asked."""

    def __getattribute__(self, name: str) -> Any:
        if name in CALLS or name in ASKED:
            raise OSError(f"no {name}")
        return super().__getattribute__(name)

    name = version = property(lambda self: "never")  # type: ignore[assignment]

    def log_metrics(self, metrics: Any, step: Any = None) -> None: ...

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None: ...


class Plain(Broken):
    """Remembers what it is told; knows nothing of attack epochs."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def __getattribute__(self, name: str) -> Any:
        return object.__getattribute__(self, name)

    def log_metrics(self, metrics: Any, step: Any = None) -> None:
        self.told.append((metrics, step))


class Tracking(Plain):
    """Knows of them."""

    def log_attack_epoch(self, epoch: FinishedEpoch) -> None:
        self.told.append(epoch)

    def finish(self, exit_code: int = 0) -> None:
        self.told.append(exit_code)


CALLS = {
    "log_metrics": ({"loss": 1.0}, 3),
    "log_hyperparams": ({},),
    "log_graph": (None,),
    "save": (),
    "after_save_checkpoint": (None,),
    "finalize": ("success",),
    "log_attack_epoch": (EPOCH,),
    "finish": (1,),
}
ASKED = {"name": None, "version": None, "root_dir": None, "log_dir": None, "save_dir": None, "group_separator": "/"}


def test_every_failure_together_is_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    logger = GuardedLogger(Broken(), "mine")
    with caplog.at_level(logging.WARNING):
        for name, arguments in CALLS.items():
            assert getattr(logger, name)(*arguments) is None
        assert {name: getattr(logger, name) for name in ASKED} == ASKED
    (record,) = caplog.records
    assert record.getMessage() == "logger mine: logging metrics failed, the run goes on (OSError: no log_metrics)"


def test_all_that_lightning_calls_is_guarded() -> None:
    asked = {name for name in dir(Logger) if not name.startswith("_")}
    assert asked <= CALLS.keys() | ASKED.keys()


def test_an_experiment_that_cannot_be_made_ignores_everything(caplog: pytest.LogCaptureFixture) -> None:
    class Unstarted(Plain):
        @property
        def experiment(self) -> Any:
            raise OSError("no service")

    GuardedLogger(Unstarted(), "mine").experiment.log({"loss": 1})
    (record,) = caplog.records
    assert "logger mine: starting failed" in record.getMessage()


def test_what_works_is_handed_on() -> None:
    tracking = Tracking()
    logger = GuardedLogger(tracking, "mine")
    logger.log_metrics({"loss": 1.0}, 3)
    logger.log_attack_epoch(EPOCH)
    logger.finish(2)
    assert tracking.told == [({"loss": 1.0}, 3), EPOCH, 2]
    assert logger.name == "never"


def test_a_logger_of_lightnings_own_need_not_know_of_attacks(caplog: pytest.LogCaptureFixture) -> None:
    plain = Plain()
    logger = GuardedLogger(plain, "mine")
    logger.log_attack_epoch(EPOCH)
    logger.finish()
    assert not isinstance(plain, RunTracker)
    assert plain.told == []
    assert caplog.records == []


def test_an_interrupt_is_not_held_back() -> None:
    class Interrupted(Tracking):
        def finish(self, exit_code: int = 0) -> None:
            raise KeyboardInterrupt("stop")

    with pytest.raises(KeyboardInterrupt, match="stop"):
        GuardedLogger(Interrupted(), "mine").finish()
