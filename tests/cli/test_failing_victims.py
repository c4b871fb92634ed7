"""Whatever a victim raises, at any pass of any command, becomes one line with status 2."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.runs import tables
from tests.fixtures.commands import Outcome

VICTIM = ("victim=python", "victim.factory=tests.fixtures.own_factory:{}")
BASE = (
    *("trainer=cpu", "data=synthetic", "data.size=32", "data.n_train=4", "data.n_val=2", "data.n_test=4"),
    *("attack=pgd", "attacks.pgd.max_steps=2", "engine.slots=2", "run.montage=1"),
)


def line_of(outcome: Outcome) -> str:
    lines = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert outcome.status == 2, outcome
    assert len(lines) == 1, outcome.err
    assert "Traceback" not in outcome.err
    return lines[0]


def victim(name: str) -> tuple[str, ...]:
    return tuple(part.format(name) for part in VICTIM)


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("ends", r"victim.factory=.*:ends failed when called with {}: SystemExit: no licence (own_factory.py, line"),
        ("ends_in_forward", "SystemExit: 7 (own_factory.py, line"),
        ("interrupts", "KeyboardInterrupt (own_factory.py, line"),
        ("closes", "GeneratorExit (own_factory.py, line"),
        ("unsayable", "DumbError (own_factory.py, line"),
        ("compiled", "RuntimeError: shape '[1, 7, 32, 32]' is invalid for input of size 3072 (own_factory.py, line"),
    ],
)
@pytest.mark.parametrize("name", ["attack", "bench"])
def test_at_the_first_pass(command: Callable[..., Outcome], tmp_path: Path, name: str, factory: str, said: str) -> None:
    folder = () if name == "bench" else (f"run.dir={tmp_path / 'run'}",)
    line = line_of(command(name, *BASE, *victim(factory), *folder))
    assert said.replace(".*", "tests.fixtures.own_factory") in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", ["full", "quoted", "read-only", "locked", "files", "memory", "device memory"])
@pytest.mark.parametrize("name", ["attack", "victims", "train"])
def test_what_a_network_raises_is_no_failure_of_the_machine(
    command: Callable[..., Outcome], tmp_path: Path, name: str, kind: str
) -> None:
    run = f"run.dir={tmp_path / 'run'}"
    words = ("victims", "check") if name == "victims" else (name, run)
    line = line_of(command(*words, *BASE, *victim("broken_machine"), f"victim.options={{kind: {kind}}}"))
    assert "victim python (FailsLater) fails on images (" in line
    assert "(own_factory.py, line" in line
    assert "buffers" not in line, "none is about tensors on another device"


@pytest.mark.parametrize("name", ["attack", "train"])
def test_in_the_backward_pass(command: Callable[..., Outcome], tmp_path: Path, name: str) -> None:
    line = line_of(command(name, *BASE, *victim("fails_backward"), f"run.dir={tmp_path / 'run'}"))
    assert "victim python (DiscFinder) fails " in line
    assert "in its backward pass" in line
    assert "OSError: [Errno 28] No space left on device (own_factory.py, line" in line


@pytest.mark.parametrize("kind", ["sparse", "nested", "float8"])
@pytest.mark.parametrize("name", ["attack", "victims"])
def test_odd_tensors_are_refused_by_name(command: Callable[..., Outcome], tmp_path: Path, name: str, kind: str) -> None:
    words = ("victims", "check") if name == "victims" else (name, f"run.dir={tmp_path / 'run'}")
    line = line_of(command(*words, *BASE, *victim("odd_tensor"), f"victim.options={{kind: {kind}}}"))
    found = "torch.float8_e4m3fn" if kind == "float8" else f"a {kind} tensor"
    assert f"the victim's network returned {found}" in line


@pytest.mark.parametrize("passes", [6, 9, 12, 15])
def test_in_the_middle_of_an_attack(command: Callable[..., Outcome], tmp_path: Path, passes: int) -> None:
    run = f"run.dir={tmp_path / 'run'}"
    line = line_of(command("attack", *BASE, *victim("later"), f"victim.options={{passes: {passes}}}", run))
    assert "victim python (FailsLater) fails on images (" in line
    assert "RuntimeError: enough for today (own_factory.py, line" in line


def test_rows_before_the_failure_are_kept(command: Callable[..., Outcome], tmp_path: Path) -> None:
    run = f"run.dir={tmp_path / 'run'}"
    one_by_one = ("engine.slots=1", "attacks.pgd.max_steps=1")
    line_of(command("attack", *BASE, *one_by_one, *victim("later"), "victim.options={passes: 18}", run))
    assert 0 < len(tables.read(tmp_path / "run")) < 4


def test_in_training(command: Callable[..., Outcome], tmp_path: Path) -> None:
    run = f"run.dir={tmp_path / 'run'}"
    line = line_of(command("train", *BASE, *victim("later"), "victim.options={passes: 2}", "trainer.max_epochs=2", run))
    assert "RuntimeError: enough for today" in line


@pytest.mark.parametrize("architecture", ["deeplabv3plus", "deeplabv3"])
def test_batches_of_one_image_are_refused_before_training(refused: Callable[..., str], architecture: str) -> None:
    line = refused(f"victim={architecture}", "data.batch_size=1", "data.size=32", name="train", base=BASE)
    assert "fails in training on images (1, 3, 32, 32): ValueError: Expected more than 1 value per channel" in line
    assert line.endswith("; set data.batch_size to 2 or more")


def test_batches_of_one_image_train_where_they_can(command: Callable[..., Outcome], tmp_path: Path) -> None:
    one = ("data.batch_size=1", "trainer.max_epochs=1", f"run.dir={tmp_path / 'run'}")
    assert command("train", *BASE, *victim("sound"), *one).status == 0


@pytest.mark.parametrize("name", ["verify", "transfer"])
def test_in_commands_about_past_runs(command: Callable[..., Outcome], tmp_path: Path, name: str) -> None:
    run = tmp_path / "run"
    assert command("attack", *BASE, *victim("sound"), f"run.dir={run}").status == 0
    # The same weights, so that it is the run's own network as far as its hash says.
    line = line_of(command(name, run, "--network", *victim("ends_in_forward")))
    assert "SystemExit: 7 (own_factory.py, line" in line
