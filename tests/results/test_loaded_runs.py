"""What a report is made of."""

import json
from pathlib import Path

import pytest

from benchmark.errors import InputError
from benchmark.results.loaded_runs import read_results, read_run
from benchmark.runs.folder import RunFolder
from benchmark.runs.tables import RECORDS, Writer
from tests.made_run import make_run, random_rows


def test_runs_are_told_apart_by_victim_then_name_then_folder(tmp_path: Path) -> None:
    folders = [
        make_run(tmp_path / str(k), random_rows("asma", ["a"], victim=victim, run=name), pictures=False)
        for k, (victim, name) in enumerate([("unet", "x/1"), ("fpn", "x/3"), ("fpn", "x/2"), ("fpn", "x/2")])
    ]
    labels = [run.label for run in read_results(folders).runs]
    assert labels == ["unet", "fpn (x/3)", f"fpn ({folders[2]})", f"fpn ({folders[3]})"]


def test_attacks_tell_runs_on_one_victim_apart(tmp_path: Path) -> None:
    folders = [
        make_run(tmp_path / name, random_rows(name, ["a"], victim="unet"), pictures=False) for name in ("x", "y")
    ]
    assert [run.label for run in read_results(folders).runs] == ["unet", "unet"]


def test_a_run_that_goes_on_is_read_as_far_as_it_is(tmp_path: Path) -> None:
    Writer(tmp_path, RECORDS).append(random_rows("asma", ["a", "b"]))
    run = read_run(RunFolder(tmp_path))
    assert (run.finished, len(run.rows), run.traces, run.config, run.environment) == (False, 2, None, {}, {})
    assert run.summary.attacks[0]["images"] == 2


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("config.yaml", "a: [", r"config\.yaml: cannot be read"),
        ("environment.json", "{", r"environment\.json: cannot be read"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, content: str, said: str) -> None:
    folder = make_run(tmp_path / "run", random_rows("asma", ["a"]), pictures=False)
    (folder / name).write_text(content)
    with pytest.raises(InputError, match=said):
        read_run(RunFolder(folder))


def test_code_that_a_configuration_names_is_text(tmp_path: Path) -> None:
    config = {"attacks": {"asma": {"rule": {"_target_": "os.system"}}}}
    folder = make_run(tmp_path / "run", random_rows("asma", ["a"]), pictures=False, config=config)
    assert read_run(RunFolder(folder)).config == config


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", random_rows("asma", ["a"]), pictures=False)
    with pytest.raises(InputError, match="given more than once"):
        read_results([folder, folder])
    with pytest.raises(InputError, match="no such folder or file"):
        read_results([tmp_path / "none"])
    with pytest.raises(InputError, match=r"is this a run's folder"):
        read_results([tmp_path])
    (tmp_path / "x.json").write_text(json.dumps({"kind": "other"}))
    with pytest.raises(InputError, match="is no card"):
        read_results([tmp_path / "x.json"])
