"""`verify` gives no alarm on honest runs of many kinds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.honest_runs import QUICK, RUNS, HonestRun

SLOW = (pytest.mark.slow, pytest.mark.parallel)
CASES = [pytest.param(run, id=f"{run.kind}: {run.what}", marks=() if run.what in QUICK else SLOW) for run in RUNS]


@pytest.mark.parametrize("run", CASES)
def test_no_alarm(command: Callable[..., Any], tmp_path: Path, run: HonestRun) -> None:
    root, folder = tmp_path / "data", tmp_path / "run"
    if run.data is not None:
        run.data(root)
    made = command(*run.command(root), f"run.dir={folder}")
    assert made.status == 0, made.err
    outcome = command("verify", folder, *run.network())
    assert (outcome.status, outcome.out.count("\n")) == (0, 1), outcome


def test_no_two_runs_are_alike() -> None:
    assert (
        len({(run.kind, run.what) for run in RUNS}) == len({(run.arguments, run.trains) for run in RUNS}) == len(RUNS)
    )
    assert {run.what for run in RUNS} >= QUICK
