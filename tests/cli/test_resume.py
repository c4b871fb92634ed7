"""A run that goes on: what is done stays, what differs is refused."""

import csv
import json
import shutil
from pathlib import Path

import pytest
import torch

from benchmark.config.overrides import assignment
from benchmark.runs import tables
from benchmark.runs.folder import RunFolder
from benchmark.runs.repair import drop_traces_without_row
from benchmark.victims.task import Victim
from tests.fixtures.attacked_twice import TWO_ATTACKS, same_rows, take_rows_away
from tests.fixtures.commands import SMOKE


def test_only_what_is_missing_is_attacked(command, finished: Path) -> None:
    before = tables.read(finished).to_pylist()
    ids = sorted({row["id"] for row in before})
    take_rows_away(finished, {("asma", ids[0]), ("noise", ids[0]), ("noise", ids[2])})
    outcome = command("attack", f"run.resume={finished}")
    assert outcome.status == 0, outcome.err
    assert f"going on with the run in {finished}: 5 rows exist" in outcome.out
    assert "attacking 2 images" in outcome.out
    after = tables.read(finished).to_pylist()
    assert same_rows(finished, before)
    changed = {(a["attack"], a["id"]) for a, b in zip(after, before, strict=True) if a["seconds"] != b["seconds"]}
    assert changed <= {("asma", ids[0]), ("noise", ids[0]), ("noise", ids[2])}
    assert len(json.loads((finished / "environment.json").read_text())["resumed"]) == 1


def test_the_same_command_again_shows_a_finished_run_again(command, trained: Path, finished: Path) -> None:
    before = tables.read(finished).to_pylist()
    checkpoint = f"victim.ckpt={trained / 'checkpoints' / 'best.ckpt'}"
    outcome = command("attack", *SMOKE, *TWO_ATTACKS, checkpoint, f"run.dir={finished}", "engine.slots=2")
    assert outcome.status == 0, outcome.err
    assert "attacking 0 images" in outcome.out
    assert tables.read(finished).to_pylist() == before


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("attacks.asma.max_steps=11", "attacks.asma.max_steps is 10 in that run, 11 now"),
        ("judge.value=0.5", "judge.value is 0.95 in that run, 0.5 now"),
        ("attack=[asma,noise,pgd]", "attacks.pgd.keep is not set in that run, "),
        ("seed=5", "data.seed is 0 in that run, 5 now"),
        ("data.n_test=5", "data.n_test is 4 in that run, 5 now"),
        ("engine.precision=32", "engine.precision is 64 in that run, 32 now"),
    ],
)
def test_rows_of_another_configuration_are_not_mixed(command, finished: Path, given: str, said: str) -> None:
    outcome = command("attack", f"run.resume={finished}", given)
    assert outcome.status == 2
    (line,) = outcome.err.splitlines()
    assert line.startswith(f"error: run.dir={finished} holds another run: ")
    assert said in line


def test_how_rows_are_written_does_not_change_them(command, finished: Path) -> None:
    assert command("attack", f"run.resume={finished}", "engine.background_writer=true").status == 0


def test_rows_of_another_victim_are_not_mixed(command, finished: Path, trained: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.ckpt"
    checkpoint = torch.load(trained / "checkpoints" / "best.ckpt", weights_only=True)
    name = next(name for name in checkpoint["state_dict"] if name.endswith("weight"))
    checkpoint["state_dict"][name] = checkpoint["state_dict"][name] + 0.01
    torch.save(checkpoint, other)
    before = tables.read(finished).to_pylist()
    outcome = command("attack", f"run.resume={finished}", f"victim.ckpt={other}")
    assert outcome.status == 2
    assert f"run.dir={finished}: its rows are of another victim (weights " in outcome.err
    assert tables.read(finished).to_pylist() == before


def test_rows_of_other_data_are_not_mixed(command, finished: Path) -> None:
    path = finished / "environment.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"data_fingerprint": "0" * 64}))
    outcome = command("attack", f"run.resume={finished}")
    assert outcome.status == 2
    assert "the data have changed since the run began (fingerprint 000000000000, now " in outcome.err


def test_traces_of_an_interrupted_image_are_dropped(finished: Path) -> None:
    ids = tables.read(finished)["id"].to_pylist()
    for image_id in ("lost", ids[0]):
        step = dict.fromkeys(tables.TRACES.schema.names) | {"attack": "asma", "id": image_id, "step": 0}
        tables.Writer(finished, tables.TRACES).append([step])
    assert len(tables.TRACES.parts(finished)) == 2
    drop_traces_without_row(RunFolder(finished))
    assert len(tables.TRACES.parts(finished)) == 1
    assert "lost" not in tables.TRACES.read(finished)["id"].to_pylist()


def test_training_goes_on_from_its_last_epoch(command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """To the weights that an undisturbed training would have had; what metrics.csv had is still there."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    options = (*SMOKE, "trainer.max_epochs=3")
    assert command("train", *options, f"run.dir={whole}").status == 0
    step = Victim.training_step

    def killed(self: Victim, batch, batch_idx: int) -> torch.Tensor:
        if self.current_epoch == 2:
            raise RuntimeError("killed")
        return step(self, batch, batch_idx)

    monkeypatch.setattr(Victim, "training_step", killed)
    with pytest.raises(RuntimeError, match="killed"):
        command("train", *options, f"run.dir={parts}")
    monkeypatch.undo()
    outcome = command("train", *options, f"run.dir={parts}")
    assert outcome.status == 0, outcome.err
    for name in ("best.ckpt", "last.ckpt"):
        one, other = (torch.load(f / "checkpoints" / name, weights_only=True) for f in (whole, parts))
        assert one["global_step"] == other["global_step"]
        # One optimizer step more or less moves the weights by some 1e-4 on average, the order of sums a few by as much.
        moved = [(value - other["state_dict"][key]).abs().double().mean() for key, value in one["state_dict"].items()]
        assert max(moved) < 1e-5
    tables = [list(csv.reader((folder / "metrics.csv").open(newline=""))) for folder in (whole, parts)]
    assert tables[0][0] == tables[1][0]
    for line, expected in zip(tables[1][1:], tables[0][1:], strict=True):
        assert [bool(number) for number in line] == [bool(number) for number in expected]
        numbers, wanted = ([float(number) for number in cells if number] for cells in (line, expected))
        assert numbers == pytest.approx(wanted, rel=1e-3, abs=1e-6)


def test_a_finished_training_is_not_repeated(command, trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    take_rows_away(folder, {("asma", tables.read(folder)["id"][0].as_py())})
    outcome = command("run", f"run.resume={folder}")
    assert outcome.status == 0, outcome.err
    assert "training unet" not in outcome.out
    assert same_rows(folder, tables.read(trained).to_pylist())
    assert (folder / "metrics.csv").read_text() == (trained / "metrics.csv").read_text()


def test_a_sweep_is_no_run_to_go_on_with(command, tmp_path: Path) -> None:
    outcome = command("attack", "-m", f"run.resume={tmp_path}", "seed=1,2")
    assert outcome.status == 2
    assert outcome.err.startswith("error: run.resume goes on with one run; leave -m out")


def test_a_run_that_was_killed_before_it_began_begins(command, trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a folder, it's = odd (1)"
    folder.mkdir()
    (folder / "splits.json").write_text("{}")
    checkpoint = f"victim.ckpt={trained / 'checkpoints' / 'best.ckpt'}"
    outcome = command("attack", *SMOKE, checkpoint, assignment("run.dir", folder))
    assert outcome.status == 0, outcome.err
    again = command("attack", assignment("run.resume", folder))
    assert again.status == 0, again.err
    assert f"going on with the run in {folder}: 4 rows exist" in again.out


def test_a_folder_that_is_no_run(command, tmp_path: Path) -> None:
    outcome = command("attack", f"run.resume={tmp_path}")
    assert outcome.status == 2
    assert f"error: {tmp_path / 'environment.json'}: no such file; give the folder of a run" in outcome.err
    outcome = command("attack", f"run.resume={tmp_path}", "run.dir=x")
    assert f"error: run.dir=x: run.resume={tmp_path} already names the folder; leave one of them out" in outcome.err
