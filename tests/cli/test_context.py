"""What a run leaves behind when it ends early, by its own fault, its input's or its user's."""

import os
import signal
from pathlib import Path

import pytest
import torch

from benchmark.cli import attack as attack_command
from benchmark.cli import train as train_command
from benchmark.errors import InputError
from benchmark.victims.task import Victim

SMOKE = ("experiment=smoke", "trainer=cpu")


def _interrupt_in_epoch(monkeypatch: pytest.MonkeyPatch, epoch: int) -> None:
    step = Victim.training_step

    def interrupted(self: Victim, batch, batch_idx: int) -> torch.Tensor:
        if self.current_epoch == epoch:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, batch, batch_idx)

    monkeypatch.setattr(Victim, "training_step", interrupted)


def test_an_interrupted_training_keeps_its_best_victim(
    command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _interrupt_in_epoch(monkeypatch, 1)
    outcome = command("run", *SMOKE, "logger=tensorboard", f"run.dir={tmp_path / 'run'}")
    assert outcome.status == 130
    checkpoint = tmp_path / "run" / "checkpoints" / "best.ckpt"
    go_on = f"python -m benchmark run run.resume={tmp_path / 'run'} logger=tensorboard"
    said = f"interrupted: the best victim so far is kept, {checkpoint}; to go on: {go_on}"
    assert outcome.err.splitlines()[-1] == said
    monkeypatch.undo()
    again = command("attack", *SMOKE, f"victim.ckpt={checkpoint}", f"run.dir={tmp_path / 'attack'}")
    assert again.status == 0, again.err


def test_a_run_interrupted_at_once_leaves_nothing(command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _interrupt_in_epoch(monkeypatch, 0)
    outcome = command("train", *SMOKE, f"run.dir={tmp_path / 'run'}")
    assert outcome.status == 130
    assert outcome.err.splitlines()[-1] == "interrupted: nothing had been finished"
    assert not (tmp_path / "run").exists()


def test_an_interrupt_ends_a_whole_sweep(command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _interrupt_in_epoch(monkeypatch, 0)
    outcome = command("train", "-m", *SMOKE, "seed=1,2", f"run.dir={tmp_path / 'sweep'}")
    assert outcome.status == 130
    assert outcome.err.count("interrupted") == 1
    assert not (tmp_path / "sweep" / "1").exists()


def test_input_that_proves_bad_in_training_leaves_nothing(refused, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_) -> None:
        raise InputError("found late")

    monkeypatch.setattr(train_command, "train_victim", fails)
    assert refused(name="train") == "error: found late"


def test_input_that_proves_bad_after_training_keeps_the_victim(
    command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fails(*_) -> None:
        raise InputError("found late")

    monkeypatch.setattr(attack_command, "attack_images", fails)
    outcome = command("run", *SMOKE, f"run.dir={tmp_path / 'run'}")
    # So short a training may leave doubts about the victim, which are said before.
    assert (outcome.status, outcome.err.splitlines()[-1]) == (2, "error: found late")
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert left == {"config.yaml", "environment.json", "splits.json", "metrics.csv", "checkpoints"}


def test_a_failure_of_ours_is_raised_as_it_is(command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fails(*_) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(train_command, "train_victim", fails)
    with pytest.raises(RuntimeError, match="ours"):
        command("train", *SMOKE, f"run.dir={tmp_path / 'run'}")


def test_a_folder_that_cannot_be_made(command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    outcome = command("train", *SMOKE, f"run.dir={tmp_path / 'file' / 'run'}")
    assert outcome.status == 2
    (line,) = outcome.err.splitlines()
    path = tmp_path / "file" / "run"
    assert line == f"error: {path}: nothing can be written there (Not a directory); give another folder"


def test_further_arguments_of_the_trainer_reach_it(command, tmp_path: Path) -> None:
    options = ("trainer.limit_train_batches=1", "trainer.max_epochs=1")
    assert command("train", *SMOKE, *options, f"run.dir={tmp_path / 'run'}").status == 0
    last = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["global_step"] == 1


def test_a_part_of_the_test_images_is_no_run(refused) -> None:
    assert "trainer.limit_test_batches is set by the command" in refused("trainer.limit_test_batches=1")
