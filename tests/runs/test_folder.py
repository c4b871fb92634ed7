"""The folder of a run: what is written is read again, and nothing that a stranger puts there does any harm."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from benchmark.config.groups import conf_folder
from benchmark.config.resolvers import register_resolvers
from benchmark.errors import InputError
from benchmark.runs.config_text import SECTIONS
from benchmark.runs.folder import RunFolder

CONFIG: dict[str, Any] = {
    "seed": 3,
    "data": {"root": "/data/programs", "size": [32, 48], "encoding": {0: 0, 255: 1}},
    "attacks": {"asma": {"rule": {"tau": 1e-7}}},
    "run": {"name": "2026-01-01", "resume": None},
}


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.begin(CONFIG, {"test": ["a", "é"]}, {"seed": 3})
    return folder


def test_what_is_written_is_read_again(run: RunFolder) -> None:
    assert run.has_begun
    assert run.config() == CONFIG
    assert run.splits() == {"test": ["a", "é"]}
    assert run.environment() == {"seed": 3, "config_sha256": run.config_sha256()}
    assert run.config_sha256() == hashlib.sha256(run.config_file.read_bytes()).hexdigest()
    run.update_environment(weights_sha256="1")
    assert run.environment()["weights_sha256"] == "1"
    run.write_summary({"attack": "asma"})
    assert run.summary() == {"attack": "asma"}


def test_a_folder_is_free_until_something_has_been_computed(run: RunFolder) -> None:
    assert RunFolder(run.path / "no").is_free
    assert run.is_free
    run.write_summary({})
    assert not run.is_free
    run.withdraw()
    assert [path.name for path in run.path.iterdir()] == ["summary.json"]
    assert not run.has_begun


@pytest.mark.parametrize("name", ["config", "environment", "splits", "summary"])
def test_what_cannot_be_read_is_one_line(run: RunFolder, name: str) -> None:
    run.write_summary({})
    path: Path = getattr(run, f"{name}_file")
    for content in (b"[", b"\xff\xfe", b"3", b"[" * 200_000):
        path.write_bytes(content)
        with pytest.raises(InputError) as raised:
            getattr(run, name)()
        assert str(raised.value).startswith(f"{path}: ")
        assert "\n" not in str(raised.value)
    path.unlink()
    with pytest.raises(InputError, match=f"{path}: no such file; give the folder of a run, or restore"):
        getattr(run, name)()
    os.mkfifo(path)
    with pytest.raises(InputError, match=f"{path}: no such file"):
        getattr(run, name)()
    with pytest.raises(InputError, match="no: no such folder; give the folder of a run"):
        getattr(RunFolder(run.path / "no"), name)()


def test_a_large_configuration_is_not_read(run: RunFolder) -> None:
    with run.config_file.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(
        InputError, match=r"config\.yaml: cannot be read \(it is larger than 131072 bytes\); restore what the run wrote"
    ):
        run.config()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("secret: 1", "a run has no section secret"),
        ("seed: &a [1]\nrun: *a", "it has aliases"),
        ("data: " + "{a: " * 40 + "1" + "}" * 40, "it nests sections more than 32 deep"),
        ("run: !!python/object/apply:os.system [true]", "could not determine a constructor"),
        ("seed: ${oc.env:HOME}", r"'\$\{oc.env:HOME\}' would be computed"),
        ("seed: ${oc.decode:${run}}", "would be computed"),
        ("seed: ${run}\nrun: {name: 1}", "does not refer to a plain value"),
        ("seed: ${run}\nrun: ${seed}", "does not refer to a plain value"),
        ("seed: ${nope}", "Interpolation key 'nope' not found"),
        ("- seed", "it does not hold sections"),
        ("seed: " + "9" * 5000, "a whole number beyond 64 bits|Exceeds the limit"),
        ("seed: !!binary aGk=", "it holds a bytes"),
        ("data: [" + "1," * 30_000 + "1]", "it has more than 20000 keys and values"),
    ],
)
def test_a_configuration_that_is_refused(run: RunFolder, text: str, reason: str) -> None:
    run.config_file.write_text(text)
    with pytest.raises(InputError, match=rf"config\.yaml: cannot be read \(.*{reason}.*\); restore what the run wrote"):
        run.config()


def test_interpolations_that_are_resolved(run: RunFolder) -> None:
    run.config_file.write_text(
        "seed: 7\n"
        "target: {seed: '${seed}'}\n"
        "attacks: {pgd: {eps: '${of255:8}', name: 'eps ${of255: 51}', seed: '${target.of}'}}\n"
        "run: {name: a, dir: 'runs/${run.name}/${stamp:}'}\n".replace("${target.of}", "${run.name}")
    )
    assert run.config() == {
        "seed": 7,
        "target": {"seed": 7},
        "attacks": {"pgd": {"eps": 8 / 255, "name": "eps 0.2", "seed": "a"}},
        "run": {"name": "a", "dir": "runs/a/run"},
    }


def test_every_section_of_the_projects_configuration_can_be_read() -> None:
    register_resolvers("stamp")
    with initialize_config_dir(str(conf_folder()), version_base=None):
        cfg = compose("config", overrides=["logger=[wandb]", "defence=[jpeg]"])
    assert {str(name) for name in cfg} == SECTIONS


def test_montages_are_named_by_attack_where_there_are_several(run: RunFolder) -> None:
    assert run.montage_files(["asma"]) == {"asma": run.path / "montage.png"}
    assert run.montage_files(["a/b", "c"]) == {"a/b": run.path / "montage_a%2Fb.png", "c": run.path / "montage_c.png"}


def test_a_summary_has_no_values_that_json_lacks(run: RunFolder) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        run.write_summary({"l2": float("nan")})
    assert not run.summary_file.exists()
    assert json.loads(run.splits_file.read_text()) == {"test": ["a", "é"]}
