"""Attack generated images in float64 by the commands, with a kill and a resume, and write the rows that result.

    python tests/golden/float64_rows.py OUT.parquet [--code FOLDER] [--no-kill] [KEY=VALUE ...]

`float64_rows.parquet` holds the reference rows. `test_float64_rows.py` repeats the run and compares. Where a
row changes on purpose, the commit that replaces the file says why.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
ROWS = HERE / "float64_rows.parquet"
FACTORY = "victim.factory=closed_form_network:network"
# Few steps, because each multiplies the last digit's difference between two kinds of processors.
SETTINGS = (
    *("attack=[asma_auto,pgd_bisection,alma_prox]", "data=synthetic", "data.size=24", "data.n_test=8"),
    *("data.n_train=2", "data.n_val=2", "data.batch_size=3", "victim=python", "trainer=cpu", "engine.precision=64"),
    *("engine.slots=2", "attacks.asma_auto.max_steps=25", "attacks.pgd_bisection.max_steps=30"),
    *("attacks.pgd_bisection.rule.steps=4", "attacks.alma_prox.max_steps=15", "attacks.alma_prox.rule.step_size=0.02"),
    *("victim.mean=[0.5,0.5,0.5]", "victim.std=[0.2,0.2,0.2]", "judge.value=0.35", "run.name=golden"),
)
NOT_MEASURED = ("seconds", "run")
"""Columns that say when and where a row was made."""


def attack(
    folder: Path, code: Path = REPOSITORY, interrupted: bool = True, overrides: Sequence[str] = ()
) -> tuple[int, pa.Table]:
    """Attack by the commands of the checkout `code`, into `folder`.

    Returns:
        How many rows there were after the kill, and the rows of the finished run without `NOT_MEASURED`.
    """
    kept = 0
    if interrupted:
        process = _start(code, (*SETTINGS, *overrides, f"run.dir={folder}"))
        try:
            while not list((folder / "records").glob("part-*.parquet")):
                assert process.poll() is None, process.communicate()[0]
                time.sleep(0.005)
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        parts = list((folder / "records").glob("part-*.parquet"))
        kept = sum(pq.read_table(part).num_rows for part in parts)
        process = _start(code, (f"run.resume={folder}",))
    else:
        process = _start(code, (*SETTINGS, *overrides, f"run.dir={folder}"))
    output, _ = process.communicate()
    assert process.returncode == 0, output
    rows = pq.read_table(folder / "records.parquet").sort_by([("attack", "ascending"), ("id", "ascending")])
    return kept, rows.drop_columns([name for name in NOT_MEASURED if name in rows.column_names])


def _start(code: Path, arguments: Sequence[str]) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmark", "attack", *arguments, FACTORY]
    return subprocess.Popen(
        command, cwd=code, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="where to write the rows")
    parser.add_argument("--code", type=Path, default=REPOSITORY, help="the checkout whose commands are run")
    parser.add_argument("--no-kill", action="store_true", help="run without an interruption")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="further overrides")
    given = parser.parse_intermixed_args()
    with tempfile.TemporaryDirectory() as scratch:
        kept, rows = attack(Path(scratch) / "run", given.code.resolve(), not given.no_kill, given.overrides)
    pq.write_table(rows, given.out)
    print(f"{given.out}: {rows.num_rows} rows, {kept} of them from before the kill")


if __name__ == "__main__":
    main()
