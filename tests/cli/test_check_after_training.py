"""A victim that `run` has trained and that its check refuses: it is kept and named, and may be allowed later."""

from pathlib import Path

from benchmark.runs.folder import RunFolder

DATA = ("trainer=cpu", "trainer.max_epochs=1", "data.size=32", "data.n_train=4", "data.n_val=4", "data.n_test=4")
WRONG = ("victim=python", "victim.factory=tests.cli.wrong_victims:probabilities")


def test_a_refused_victim_is_kept_and_attacked_once_it_is_allowed(command, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    settings = ("attack=pgd", "engine.max_passes=10", "run.montage=0", f"run.dir={run.path}")
    outcome = command("run", *DATA, *WRONG, *settings)
    assert outcome.status == 2, outcome
    (line,) = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert "victim.allow=[probabilities] attacks it as it is" in line
    assert line.endswith(f"; the trained victim is kept, {run.best_checkpoint}")
    assert run.best_checkpoint.is_file()
    assert "victim_check" not in run.environment()
    outcome = command("run", f"run.resume={run.path}", *WRONG, "victim.allow=[probabilities]")
    assert outcome.status == 0, outcome
    check = run.environment()["victim_check"]
    assert (check["findings"][0]["name"], check["allowed"]) == ("probabilities", ["probabilities"])
    assert check["validation_iou"] == run.environment()["trained"]["val_iou"]
    assert command("victims", "export", run.best_checkpoint, tmp_path / "hub").status == 0
    assert "| doubts | [doubtful: probabilities" in (tmp_path / "hub" / "README.md").read_text()
