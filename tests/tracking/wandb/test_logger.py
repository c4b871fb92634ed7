import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmark.tracking.guarded_logger import GuardedLogger
from benchmark.tracking.wandb.logger import RunLogger, make_logger, without_secrets
from tests.tracking.wandb import wandb_log
from tests.tracking.wandb.offline_client import clean_client

KEY = "0123456789" * 4


def _said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What a user sees, as against the client's own notes."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("benchmark.")]


def test_configuration_and_metrics_are_in_the_run(tmp_path: Path) -> None:
    config = {"seed": 3, "attacks": {"asma": {"max_steps": 20}}, "logger": {"api_key": KEY}}
    with clean_client(tmp_path, WANDB_MODE="offline", WANDB_API_KEY=KEY):
        logger = make_logger(
            tmp_path / "run", "bench", name="first", group="isic", tags=["asma", "unet"], config=config
        )
        assert logger is not None
        logger.log_hyperparams({"lr": 0.1, "db_password": "hunter2"})
        logger.log_metrics({"val/loss": 0.5}, step=7)
        logger.finish()
    found = wandb_log.records(tmp_path / "run")
    (run,) = [record.run for record in found if record.WhichOneof("record_type") == "run"]
    assert (run.project, run.display_name, run.run_group, sorted(run.tags)) == (
        "bench",
        "first",
        "isic",
        ["asma", "unet"],
    )
    logged = wandb_log.updates(found, "config")
    assert {name: logged[name] for name in ("seed", "attacks", "logger", "lr")} == {
        "seed": 3,
        "attacks": {"asma": {"max_steps": 20}},
        "logger": {},
        "lr": 0.1,
    }
    assert {"val/loss": 0.5, "trainer/global_step": 7} in wandb_log.history(found)
    written = [path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert written
    assert not any(KEY.encode() in content or b"hunter2" in content for content in written)


def test_without_a_key_a_program_goes_on_and_says_so_once(tmp_path: Path) -> None:
    program = (
        "from benchmark.tracking.wandb.logger import make_logger\n"
        "logger = make_logger('run', 'bench')\n"
        "logger.log_metrics({'loss': 1.0}, step=0)\n"
        "print('went on')"
    )
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("WANDB") and not k.lower().endswith("_proxy")}
    root = str(Path(__file__).parents[3])
    environment = inherited | {"HOME": str(tmp_path), "NETRC": str(tmp_path / "none"), "PYTHONPATH": root}
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (ended.returncode, ended.stdout) == (0, "went on\n"), ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
    assert ended.stderr.startswith("Weights & Biases: offline (")
    assert "`wandb login`, then `wandb sync run/wandb/offline-run-*`" in ended.stderr
    assert wandb_log.history(wandb_log.records(tmp_path / "run")) == [{"loss": 1, "trainer/global_step": 0}]


def test_disabled_means_no_logger(tmp_path: Path) -> None:
    with clean_client(tmp_path, WANDB_MODE="disabled"):
        assert make_logger(tmp_path / "run", "bench") is None


def test_a_client_that_cannot_be_set_up_means_no_logger(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with clean_client(tmp_path, WANDB_MODE="nonsense"), caplog.at_level(logging.WARNING):
        assert make_logger(tmp_path / "run", "bench") is None
    (message,) = _said(caplog)
    assert "the run goes on" in message
    assert "nonsense" in message


def test_a_failure_while_logging_is_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise OSError("no space left")

    with clean_client(tmp_path, WANDB_MODE="offline") as patch, caplog.at_level(logging.WARNING):
        logger = make_logger(tmp_path / "run", "bench")
        assert logger is not None
        patch.setattr(logger.experiment, "log", broken)
        caplog.clear()
        guarded = GuardedLogger(logger, "wandb")
        for step in range(3):
            guarded.log_metrics({"loss": 1.0}, step=step)
        logger.finish()
    (message,) = _said(caplog)
    assert message == "logger wandb: logging metrics failed, the run goes on (OSError: no space left)"


def test_a_run_the_server_refuses_goes_offline(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import wandb

    modes, init = [], wandb.init

    def refusing(**settings: Any) -> Any:
        modes.append(settings["mode"])
        if settings["mode"] == "online":
            raise wandb.Error("permission denied")
        return init(**settings)

    with clean_client(tmp_path) as patch, caplog.at_level(logging.WARNING):
        patch.setattr("wandb.init", refusing)
        logger = RunLogger(save_dir=tmp_path, project="bench", mode="online")
        logger.log_metrics({"loss": 1.0}, step=0)
        logger.finish()
    assert modes == ["online", "offline"]
    (message,) = _said(caplog)
    assert "offline (Error: permission denied); upload later" in message
    assert wandb_log.history(wandb_log.records(tmp_path)) == [{"loss": 1, "trainer/global_step": 0}]


def test_no_run_at_all_is_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken(**_: Any) -> None:
        raise OSError("no service")

    with clean_client(tmp_path) as patch, caplog.at_level(logging.WARNING):
        patch.setattr("wandb.init", broken)
        logger = RunLogger(save_dir=tmp_path, project="bench", mode="offline")
        logger.log_metrics({"loss": 1.0}, step=0)
        logger.log_hyperparams({"lr": 1})
        logger.experiment.log({"x": 1})
        logger.finalize("success")
        logger.finish()
    (message,) = _said(caplog)
    assert "starting a run failed, the run goes on (OSError: no service)" in message


def test_secrets_are_left_out_at_any_depth() -> None:
    config = {"a": {"wandb_api_key": 1, "apikey": 2, "b": {"secret": 3, "keep": "best"}}, "passwords": [1], "tau": 4}
    assert without_secrets(config) == {"a": {"b": {"keep": "best"}}, "tau": 4}


def test_runs_of_one_process_keep_apart(tmp_path: Path) -> None:
    import wandb

    with clean_client(tmp_path, WANDB_MODE="offline"):
        for name in ("first", "second"):
            logger = make_logger(tmp_path / name, "bench")
            assert logger is not None
            logger.log_metrics({name: 1.0}, step=0)
            logger.experiment.log({"table": wandb.Table(columns=["a"], data=[[name]])})
            logger.finish()
    for name in ("first", "second"):
        found = wandb_log.records(tmp_path / name)
        assert {name: 1, "trainer/global_step": 0} in wandb_log.history(found)
    waiting = [len(list((tmp_path / name / "wandb" / "data").rglob("tmp*"))) for name in ("first", "second")]
    assert waiting[0] == waiting[1] > 0
