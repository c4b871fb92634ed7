"""-m: one whole run per combination, and one that fails does not keep the others from running."""

from pathlib import Path

import pytest

from benchmark.runs import tables


@pytest.fixture
def sweep(command, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Sweeps attacks over the default kind of run folder, below an empty working directory."""
    monkeypatch.chdir(tmp_path)
    smoke = [
        "experiment=smoke",
        "trainer=cpu",
        "engine.max_passes=null",
        f"victim.ckpt={trained / 'checkpoints' / 'best.ckpt'}",
    ]
    return lambda *arguments: command("attack", "-m", *smoke, "run.montage=0", "run.name=swept", *arguments)


def _runs(tmp_path: Path) -> list[Path]:
    return sorted(path.parent for path in (tmp_path / "runs").rglob("records.parquet"))


def test_every_combination_is_a_whole_run(sweep, tmp_path: Path) -> None:
    outcome = sweep("attacks.asma.max_steps=1,2")
    assert outcome.status == 0, outcome.err
    one, two = runs = _runs(tmp_path)
    assert one.parent == two.parent
    assert one.parent.parent == tmp_path / "runs" / "swept"
    for run in runs:
        assert {"config.yaml", "environment.json", "summary.json", "adversarial"} <= {
            path.name for path in run.iterdir()
        }
    assert [max(tables.read(run)["steps"].to_pylist()) for run in runs] == [1, 2]
    assert len({tables.read(run)["run"][0].as_py() for run in runs}) == 2


def test_a_bad_run_does_not_stop_the_others(sweep, tmp_path: Path) -> None:
    outcome = sweep("attacks.asma.max_steps=-1,1")
    assert outcome.status == 2
    (line,) = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: max_steps=-1: must be at least 0 (in the run ")
    assert "attacks.asma.max_steps=-1" in line.split("(in the run")[1]
    (run,) = _runs(tmp_path)
    assert set(tables.read(run)["steps"].to_pylist()) == {1}
    assert [path for path in run.parent.iterdir() if path not in (run, run.parent / "multirun.yaml")] == []


def test_a_failure_of_ours_in_a_sweep_is_status_1(sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark.cli import publish

    shown = publish.show

    def fails_first(context, *rest) -> None:
        if context.cfg.attacks.asma.max_steps == 1:
            raise RuntimeError("ours")
        shown(context, *rest)

    monkeypatch.setattr(publish, "show", fails_first)
    outcome = sweep("attacks.asma.max_steps=1,2")
    assert outcome.status == 1
    assert "RuntimeError: ours" in outcome.err
    assert "Traceback" in outcome.err
    (run,) = _runs(tmp_path)
    assert max(tables.read(run)["steps"].to_pylist()) == 2
