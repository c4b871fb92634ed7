"""A rule costs one Python file and one YAML file, in any folder: two that the package knows nothing of, end to end."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark.runs import tables
from benchmark.runs.folder import RunFolder

FILES = Path(__file__).parent / "own_attacks"
CHOSEN = ("experiment=smoke", "trainer=cpu", "attack=[patches,averaged]")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the two rules; what a command remembers of it is forgotten afterwards."""
    folder = shutil.copytree(FILES, tmp_path / "own", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr("benchmark.config.groups._further", [])
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield folder
    for name in ("patches", "averaged"):
        sys.modules.pop(name, None)


@pytest.fixture
def attacked(command, own: Path, trained: Path, tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """Runs both against the trained victim, with a judge that nothing satisfies; returns the rows."""

    def run(*overrides: str) -> list[dict[str, Any]]:
        options = [f"victim.ckpt={trained / 'checkpoints' / 'best.ckpt'}", f"run.dir={tmp_path / 'run'}"]
        outcome = command("run", *CHOSEN, *options, "judge.value=1", *overrides, "--config-dir", own)
        assert outcome.status == 0, outcome.err
        return tables.read(tmp_path / "run").to_pylist()

    return run


def test_both_have_rows_pictures_and_passes_counted_right(attacked, trained: Path, tmp_path: Path) -> None:
    rows = attacked("engine.max_passes=null")
    images = [row["id"] for row in tables.read(trained).to_pylist()]
    for name, steps, forwards, backwards in (("patches", 6, 1, 0), ("averaged", 4, 3 + 1, 3)):
        own_rows = [row for row in rows if row["attack"] == name]
        assert sorted(row["id"] for row in own_rows) == sorted(images)
        for row in own_rows:
            assert row["steps"] == steps
            # Beside its steps: the clean image and the iterate after the last update.
            assert (row["forwards"], row["backwards"]) == (1 + steps * forwards + 1, steps * backwards)
            assert row["passes"] == row["forwards"] + row["backwards"]
            assert 0 < row["linf"] <= (8 / 255 + 1e-6 if name == "patches" else 1)
            assert RunFolder(tmp_path / "run").adversarial(name, row["id"]).is_file()
    assert len(rows) == 2 * len(images)
    summaries = json.loads((tmp_path / "run" / "summary.json").read_text())["attacks"]
    assert {summary["attack"] for summary in summaries} == {"patches", "averaged"}


def test_a_candidate_is_kept_only_if_it_is_better(attacked, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    attacked("engine.max_passes=null", "attacks.patches.max_steps=25")
    traces = [
        row for row in pq.read_table(tmp_path / "run" / "traces.parquet").to_pylist() if row["attack"] == "patches"
    ]
    for image in {row["id"] for row in traces}:
        losses = [row["patches_loss"] for row in traces if row["id"] == image]
        assert losses == sorted(losses, reverse=True)
        assert losses[-1] < losses[0]


def test_equal_passes_are_shared_out_by_what_a_step_costs(attacked) -> None:
    steps = {row["attack"]: row["steps"] for row in attacked("engine.max_passes=24")}
    # One pass for the clean image, three kept back for confirming and for the end.
    assert steps == {"patches": 24 - 4, "averaged": (24 - 4) // 7}


def test_budgets_come_with_the_field_eps(attacked) -> None:
    rows = attacked("+attacks.patches.budgets=[2,4]")
    largest = {name: max(row["linf"] for row in rows if row["attack"] == name) for name in ("patches@2", "patches@4")}
    assert largest == {"patches@2": pytest.approx(2 / 255, abs=1e-6), "patches@4": pytest.approx(4 / 255, abs=1e-6)}


def test_they_are_listed_with_the_others(command, own: Path) -> None:
    outcome = command("list", "attack", "--config-dir", own)
    assert outcome.status == 0
    listed = dict(line.split(maxsplit=1) for line in outcome.out.splitlines()[1:])
    assert listed["patches"].startswith("Random patches, Linf, as in the Square Attack (arXiv 1912.00049)")
    assert {"averaged", "asma"} <= set(listed)


def test_their_configuration_is_shown(command, own: Path) -> None:
    outcome = command("run", *CHOSEN, "attacks.patches.max_steps=7", "--show-config", "--config-dir", own)
    assert outcome.status == 0, outcome.err
    assert "_target_: patches.Patches" in outcome.out
    assert "max_steps: 7" in outcome.out


def test_a_parameter_the_rule_does_not_have_is_one_line(refused, own: Path) -> None:
    line = refused("attack=[patches]", "+attacks.patches.rule.shaer=1", "--config-dir", own, base=CHOSEN[:2])
    assert "unknown key 'attacks.patches.rule.shaer', did you mean attacks.patches.rule.share?" in line


def test_without_the_folder_they_are_not_there(refused, own: Path) -> None:
    assert "there is no attack 'patches'" in refused("attack=[patches]")


def test_a_folder_that_is_not_there_is_one_line(refused, tmp_path: Path) -> None:
    assert "--config-dir nowhere: is not a folder" in refused("--config-dir", "nowhere")


def test_nor_does_list_take_one(command) -> None:
    outcome = command("list", "attack", "--config-dir", "nowhere")
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith("error: --config-dir nowhere: is not a folder")
