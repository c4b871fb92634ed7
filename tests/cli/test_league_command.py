"""`league` on real runs: an attack of a user's own takes its place beside those of another run, no file touched."""

import csv
import math
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from benchmark.runs import tables
from benchmark.runs.folder import RunFolder
from tests.made_run import make_run, random_rows

Command = Callable[..., Any]

FILES = Path(__file__).parent / "own_attacks"
# So few passes, and a judge that asks for so little, that both attacks end in moments and succeed somewhere.
SHORT = ("experiment=league", "data=synthetic", "trainer=cpu", "engine.max_passes=40", "judge.value=0.3")
SMALL = ("data.size=32", "data.n_train=16", "data.n_val=4", "data.n_test=4", "data.batch_size=8", "run.montage=0")


class Runs(NamedTuple):
    """A run of two attacks of the benchmark, and one of the user's own attack on the same victim and images."""

    theirs: Path
    mine: Path


@pytest.fixture
def runs(command: Command, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    own = shutil.copytree(FILES, tmp_path / "own", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr("benchmark.config.groups._further", [])
    monkeypatch.setattr(sys, "path", [*sys.path])

    def attack(name: str, chosen: str, *more: object) -> Path:
        given = (*SHORT, *SMALL, f"victim.ckpt={trained / 'checkpoints' / 'best.ckpt'}", f"attack={chosen}")
        outcome = command("attack", *given, f"run.dir={tmp_path / name}", *more)
        assert outcome.status == 0, outcome.err
        return tmp_path / name

    yield Runs(attack("theirs", "[asma,pgd_l2_bisection]"), attack("mine", "[averaged]", "--config-dir", own))
    for name in ("patches", "averaged"):
        sys.modules.pop(name, None)


def test_an_attack_of_ones_own_takes_its_place(command: Command, runs: Runs, tmp_path: Path) -> None:
    out = tmp_path / "league"
    done = command("league", *runs, "--out", out)
    assert done.status == 0, done.err
    assert "League by L2 · targeted · iou to target >= 0.3 · 40 passes" in done.out
    (page,) = [line for line in done.out.splitlines() if line.startswith("tables ")]
    assert page.endswith("league.md")
    assert (out / "league.png").is_file()
    text = (out / "league.md").read_text()
    lines = list(csv.DictReader((out / "league.csv").read_text().splitlines()))
    assert {line["attack"] for line in lines} == {"asma", "pgd_l2_bisection", "averaged"}
    assert {line["scenario"] for line in lines} == {"unet_resnet18, other_image"}
    rows = [row for run in runs for row in tables.read(run).to_pylist() if not row["success_clean"]]
    norms: dict[str, dict[str, float]] = {}
    for row in rows:
        norms.setdefault(row["id"], {})[row["attack"]] = row["adv8_l2"] if row["success8"] else math.inf
    smallest = {image: min(found.values()) for image, found in norms.items()}
    smallest = {image: norm for image, norm in smallest.items() if math.isfinite(norm)}
    assert smallest
    for line in lines:
        assert (line["norm"], line["max_passes"]) == ("2", "40")
        own = {image: norms[image][line["attack"]] for image in smallest}
        assert int(line["images"]) == len(smallest)
        assert int(line["reached"]) == sum(map(math.isfinite, own.values()))
        assert int(line["holds"]) == sum(own[image] <= smallest[image] * (1 + 1e-6) for image in smallest)
        assert f"| {line['attack'].replace('_', chr(92) + '_')} | {float(line['optimality']):.3f} |" in text
    ranks = [float(line["optimality"]) for line in lines]
    assert ranks == sorted(ranks, reverse=True)
    assert max(ranks) > 0
    # A run of several such attacks has its own league on its page.
    assert 'id="league"' in RunFolder(runs.theirs).report_file.read_text()
    assert 'id="league"' not in RunFolder(runs.mine).report_file.read_text()


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A run with attacks that have no budget."""
    rows = [*random_rows("asma", ["a", "b", "c"]), *random_rows("fmn", ["a", "b", "c"], 1)]
    return make_run(tmp_path / "made", rows, pictures=False, config={"engine": {"max_passes": 300}})


def test_nothing_is_written_unless_it_is_asked_for(
    command: Command, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    done = command("league", made)
    assert (done.status, done.err) == (0, "")
    assert sorted(tmp_path.rglob("*")) == before


def test_float_norms_are_said(command: Command, made: Path) -> None:
    assert "The L2 norm is that of the 8-bit file where it succeeds" in command("league", made).out
    assert "The L2 norm is that of the float result whose 8-bit file succeeds" in command("league", made, "--float").out


def test_the_envelope_may_come_from_other_runs(command: Command, made: Path, tmp_path: Path) -> None:
    rows = random_rows("dag", ["a", "b", "c"], 2, success8=True)
    better = [row | {"l2": 0.01, "adv8_l2": 0.01} for row in rows]
    longer = make_run(tmp_path / "longer", better, pictures=False, config={"engine": {"max_passes": 1000}})
    done = command("league", made, "--envelope", longer)
    assert (done.status, done.err) == (0, "")
    assert "The envelope has the norms of attacks without a place, too: dag (1000 passes)." in " ".join(
        done.out.split()
    )
    assert {line.split()[1] for line in done.out.splitlines() if line.startswith((" asma", " fmn"))} == {"0.000"}


def test_attacks_are_ranked_as_one(command: Command, made: Path, tmp_path: Path) -> None:
    done = command("league", made, "--float", "--together", "asma,fmn", "--out", tmp_path / "league")
    assert (done.status, done.err) == (0, "")
    lines = list(csv.DictReader((tmp_path / "league" / "league.csv").read_text().splitlines()))
    (both,) = [line for line in lines if line["attack"] == "asma + fmn"]
    # Of two attacks the smaller norms are the envelope.
    assert (float(both["optimality"]), float(both["ratio"]), both["holds"]) == (1, 1, both["images"])
    passes = [float(line["passes"]) for line in lines if line is not both]
    assert float(both["passes"]) <= min(passes)


def test_a_run_that_adds_nothing_to_the_envelope_is_named(command: Command, made: Path, tmp_path: Path) -> None:
    used, other = (
        make_run(tmp_path / f"of {data}", random_rows("dag", ["a", "b", "c"], 2, data=data), pictures=False)
        for data in ("data", "other data")
    )
    done = command("league", made, "--envelope", used, other)
    assert done.status == 0
    what = "has no attack on the victims, images and targets that are ranked, or with their judge and norm"
    assert done.err == f"note: --envelope {other}: {what}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: RUN"),
        (["nowhere"], "nowhere: no such folder; give the folder of a run"),
        (["{file}"], "{file}: no such folder; give the folder of a run"),
        (["{empty}"], "{empty}: "),
        (["{made}", "{made}"], "{made}: is given more than once; give each once"),
        (["{made}", "--envelope", "{budget}"], "--envelope {budget}: has no attack on the victims, images and targets"),
        (["{made}", "--envelope", "nowhere"], "nowhere: no such folder; give the folder of a run"),
        (["{made}", "--envelope", "{made}"], "{made}: is given more than once; give each once"),
        (["{made}", "{copy}"], "{copy}: holds the rows of {made}, which would count twice; give one of the two"),
        (
            ["{made}", "{transfer}"],
            "{transfer}: is an evaluation of transfer, and a league ranks attacks; give the run",
        ),
        (
            ["{made}", "--together", "fmn"],
            "--together fmn: give the names of two or more attacks, such as fmn,asma_auto",
        ),
        (["{made}", "--together", "fmn,fmn"], "--together fmn,fmn: give the names of two or more attacks"),
        (
            ["{made}", "--together", "fmn,alma"],
            "--together fmn,alma: are not ranked with one another in any table; those that are: asma, fmn",
        ),
        (["{made}", "--out", "{file}"], "--out {file}: is not a folder; choose another"),
        (["{made}", "--out", "{file}/league"], "--out {file}/league: cannot be written: "),
        (["{budget}"], "{budget}: has no attack without a budget, and a league ranks no others; make a run with"),
    ],
)
def test_a_mistake_is_one_line(command: Command, made: Path, tmp_path: Path, arguments: list[str], said: str) -> None:
    places = {"made": made, "file": tmp_path / "file", "empty": tmp_path / "empty", "budget": tmp_path / "budget"}
    places |= {"copy": tmp_path / "copy", "transfer": tmp_path / "transfer"}
    shutil.copytree(made, places["copy"])
    places["transfer"].mkdir()
    (places["transfer"] / "transfer.parquet").write_bytes(b"")
    places["file"].write_text("")
    places["empty"].mkdir()
    make_run(places["budget"], random_rows("pgd", ["a"], eps=0.5), pictures=False)
    done = command("league", *(one.format(**places) for one in arguments))
    assert done.status == 2
    (line,) = done.err.splitlines()
    assert said.format(**places) in line
