"""A run with damaged files goes on: what is damaged is named and made again."""

import re
import shutil
from pathlib import Path
from random import Random

import pytest

from benchmark.errors import InputError
from benchmark.runs import tables
from benchmark.runs.folder import RunFolder
from benchmark.runs.tables import RECORDS, TRACES, Writer
from tests.fixtures.attacked_twice import same_rows
from tests.fixtures.damage import DAMAGE, contents, flip_until

PICTURES = ("pictures", "adversarial", "predictions")


def _in_parts(folder: Path) -> list[dict]:
    """Make a finished run one that was killed before its rows were merged; returns its rows."""
    rows, traces = tables.read(folder).to_pylist(), TRACES.read(folder).to_pylist()
    for table, group in ((TRACES, tables.group_rows(traces, "id").values()), (RECORDS, [[row] for row in rows])):
        table.merged(folder).unlink()
        writer = Writer(folder, table)
        for one in group:
            writer.append(one)
    return rows


def readable(run: Path, table: tables.Table = RECORDS) -> bool:
    try:
        table.read(run)
    except InputError:
        return False
    return True


def test_images_whose_pictures_are_damaged_are_attacked_again(command, damaged: Path) -> None:
    run, before, pictures = RunFolder(damaged), tables.read(damaged).to_pylist(), contents(damaged, *PICTURES)
    ids = sorted({row["id"] for row in before})
    files = {
        run.adversarial("asma", ids[0]): "deleted",
        run.prediction("noise", ids[1]): "emptied",
        run.picture("truth", ids[2]): "cut",
        run.picture("prediction", ids[2]): "flipped",
        run.picture("clean", ids[2]): "deleted",
    }
    for path, how in files.items():
        DAMAGE[how](path, Random(path.name))
    told = command("verify", damaged)
    assert told.status == 1
    assert all(path.relative_to(damaged).as_posix() in told.out for path in files)
    assert f"to make again what is missing or damaged: python -m benchmark run run.resume={damaged}\n" in told.err
    outcome = command("run", f"run.resume={damaged}")
    assert outcome.status == 0, outcome.err
    assert "4 of 8 rows are attacked again" in outcome.out
    assert "attacking 3 images" in outcome.out
    for path, how in files.items():
        what = "is missing" if how == "deleted" else "is not the file that was written"
        assert outcome.err.count(f"warning: {path}: {what}; the image is attacked again\n") == 1
    assert same_rows(damaged, before)
    assert contents(damaged, *PICTURES) == pictures
    assert command("verify", damaged).status == 0


def test_damaged_parts_are_set_aside(command, damaged: Path) -> None:
    rows, traces = _in_parts(damaged), TRACES.read(damaged)
    parts = RECORDS.parts(damaged)
    other = {name: value for name, value in rows[5].items() if name != "seed"} | {"seed": 77}
    DAMAGE["cut"](parts[0], Random(0))
    DAMAGE["emptied"](parts[1], Random(0))
    parts[2].write_bytes(parts[2].read_bytes().replace(b"PAR1", b"PAR2"))
    shutil.copy(TRACES.parts(damaged)[0], parts[3])
    parts[5].unlink()
    Writer(damaged, RECORDS).append([other])
    flip_until(TRACES.parts(damaged)[3], Random(3), lambda: not readable(damaged, TRACES))
    before = contents(damaged, "records", "traces")
    outcome = command("run", f"run.resume={damaged}")
    assert outcome.status == 0, outcome.err
    aside = contents(damaged, "set_aside")
    assert len(aside) == 6
    assert all(before[name.removeprefix("set_aside/")] == content for name, content in aside.items())
    for name in aside:
        (line,) = [line for line in outcome.err.splitlines() if line.startswith(f"warning: {damaged / name[10:]}: ")]
        assert re.search(r"attacked again|held rows of another run \(seed is 77, here 0\)", line), line
        assert str(damaged / name) in line
    assert same_rows(damaged, rows)
    assert TRACES.read(damaged) == traces
    assert command("verify", damaged).status == 0


@pytest.mark.parametrize(("table", "how"), [(RECORDS, "flipped"), (TRACES, "deleted")], ids=["records", "traces"])
def test_damaged_tables_are_made_again(command, damaged: Path, how: str, table: tables.Table) -> None:
    rows, traces = tables.read(damaged).to_pylist(), TRACES.read(damaged)
    path = table.merged(damaged)
    if how == "deleted":
        path.unlink()
    else:
        flip_until(path, Random(2), lambda: not readable(damaged))
        report = command("report", damaged)
        (line,) = report.err.splitlines()
        assert (report.status, line.split(": ")[:2]) == (2, ["error", str(path)])
    outcome = command("run", f"run.resume={damaged}")
    assert outcome.status == 0, outcome.err
    assert "attacking 4 images" in outcome.out
    assert same_rows(damaged, rows)
    assert TRACES.read(damaged) == traces
    assert command("verify", damaged).status == 0
