"""The real commands, in this process and on tiny generated data; one trained victim for all tests."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from benchmark.__main__ import main
from benchmark.runs import tables
from tests.tracking.wandb.offline_client import clean_client

# With a number of steps, which the tests change; the experiment's own limit of passes would go before it.
SMOKE = ("experiment=smoke", "trainer=cpu", "engine.max_passes=null", "attacks.asma.max_steps=10")


class Outcome(NamedTuple):
    """What a command ended with."""

    status: int
    out: str
    err: str


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs `python -m benchmark` with the given arguments."""

    def run(*arguments: str | Path) -> Outcome:
        capfd.readouterr()
        status = main([str(argument) for argument in arguments])
        return Outcome(status, *capfd.readouterr())

    return run


@pytest.fixture
def refused(command: Callable[..., Outcome], tmp_path: Path) -> Callable[..., str]:
    """Runs a command on bad input and returns its one line, when nothing at all has been left behind."""

    def run(*arguments: str | Path, name: str = "run", base: tuple[str, ...] = SMOKE) -> str:
        folder = tmp_path / "refused"
        outcome = command(name, *base, *arguments, f"run.dir={folder}")
        assert outcome.status == 2, outcome
        assert not folder.exists(), sorted(folder.rglob("*"))
        (line,) = outcome.err.splitlines()
        assert line.startswith("error: ")
        assert outcome.out == ""
        return line

    return run


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of experiment=smoke, in float64 so that it can be reproduced."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    assert main(["run", *SMOKE, "engine.precision=64", f"run.dir={folder}"]) == 0
    return folder


@pytest.fixture(scope="session")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run with all loggers: training, three attacks, two of them at two budgets.

    The judge asks for little, so that some images succeed and there are norms.
    """
    home = tmp_path_factory.mktemp("logged")
    chosen = ("attack=[asma,pgd,noise]", "budgets=[0.5,16]", "judge.value=0.05", "logger=[wandb,tensorboard]")
    short = ("experiment=smoke", "trainer=cpu", "engine.max_passes=10", "run.montage=1")
    with clean_client(home, WANDB_MODE="offline"):
        assert main(["run", *short, *chosen, f"run.dir={home / 'run'}"]) == 0
    return home / "run"


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """The root of a data=folder with six images and masks of 32 pixels."""
    return _pairs(tmp_path / "pairs")


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on such a folder, `pairs` beside it: a small victim, two test images, three attacks, a transform.

    pgd@8 has a success and a failure: the judge's value lies between what its two images reach, which after so short a
    training differs from one kind of processor to the next.
    """
    folder = tmp_path_factory.mktemp("small")
    data = ("data=folder", f"data.root={_pairs(folder / 'pairs')}", "data.size=32", "data.fractions=[.34,.33,.33]")
    victim = ("victim.encoder=mobilenet_v2", "victim.options={decoder_channels:[32,16,8,8,4]}", "trainer.max_epochs=2")
    attacks = ("attack=[asma,noise,pgd]", "+attacks.pgd.budgets=[8]", "attacks.noise.equal_norm=pgd")
    further = ("engine.max_passes=24", "defence=jpeg", "run.montage=0")

    def made(name: str, value: float) -> Path:
        own = (f"judge.value={value}", f"run.dir={folder / name}")
        assert main(["run", "trainer=cpu", *data, *victim, *attacks, *further, *own]) == 0
        return folder / name

    rows = tables.read(made("unreached", 0.99)).to_pylist()
    low, high = sorted(row["adv8_iou_target"] for row in rows if row["attack"] == "pgd@8")
    assert low < high
    return made("run", (low + high) / 2)


def _pairs(root: Path) -> Path:
    for i in range(6):
        mask = np.zeros((32, 32), np.uint8)
        mask[4 + i : 20 + i, 6:20] = 255
        image = np.repeat(mask[:, :, None] // 2, 3, 2) + np.random.default_rng(i).integers(
            60, np.uint8(99), (32, 32, 3)
        )
        for part, pixels in (("images", image.astype(np.uint8)), ("masks", mask)):
            (root / part).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(root / part / f"case{i}.png")
    return root
