"""What is left of a run that ends in the middle of an attack epoch: every finished image."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from benchmark.runs import tables
from benchmark.runs.folder import RunFolder

pytestmark = pytest.mark.slow  # each test starts a process that attacks; distributed/test_termination.py is fast

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["false", "true"], ids=["by one thread", "rows beside it"])
def attack_in_progress(
    trained: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[[], tuple[subprocess.Popen[str], Path]]]:
    """Starts an attack of many images that end one by one, and returns when two of them have ended."""
    started: list[subprocess.Popen[str]] = []

    def start() -> tuple[subprocess.Popen[str], Path]:
        folder = tmp_path / "attacked"
        arguments = [
            *(
                "attack",
                "experiment=smoke",
                "trainer=cpu",
                "engine.max_passes=null",
                f"victim.ckpt={trained / 'checkpoints' / 'best.ckpt'}",
            ),
            *("attacks.asma.stop=false", "attacks.asma.max_steps=15", "engine.slots=1", "data.n_test=300"),
            *(f"engine.background_writer={request.param}", f"run.dir={folder}"),
        ]
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmark", *arguments],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        started.append(process)
        while len(tables.RECORDS.parts(folder)) < 2:
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        return process, folder

    yield start
    for process in started:
        process.kill()
        process.wait()


def _check_rows(folder: Path) -> int:
    """Every row of a part file is read back and has its picture; nothing temporary goes by a final name."""
    rows = tables.read(folder).to_pylist()
    assert len(rows) == len(tables.RECORDS.parts(folder)) >= 2
    for row in rows:
        with Image.open(RunFolder(folder).adversarial(row["attack"], row["id"])) as picture:
            picture.load()
            assert picture.size == (32, 32)
    traced = set(tables.TRACES.read(folder)["id"].to_pylist())
    assert {row["id"] for row in rows} <= traced
    for final in (*folder.rglob("part-*"), *folder.rglob("[!.]*.png")):
        assert final.suffix in (".parquet", ".png"), final
    for unfinished in ("summary.json", "records.parquet", "traces.parquet", "montage.png"):
        assert not (folder / unfinished).exists()
    return len(rows)


def test_every_finished_image_survives_a_kill(attack_in_progress: Callable) -> None:
    process, folder = attack_in_progress()
    process.kill()
    process.wait()
    _check_rows(folder)


@pytest.mark.parametrize(
    ("sent", "status", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_is_answered_with_what_is_kept(
    attack_in_progress: Callable, sent: signal.Signals, status: int, word: str
) -> None:
    process, folder = attack_in_progress()
    process.send_signal(sent)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    kept = _check_rows(folder)
    (said,) = [line for line in err.splitlines() if line.startswith(word)]
    assert said == f"{word}: {kept} rows are kept; to go on: python -m benchmark attack run.resume={folder}"
    assert "Traceback" not in err
