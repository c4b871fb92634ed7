"""What `transfer` refuses, in one line and without leaving anything."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from benchmark.runs.folder import RunFolder
from tests.cli.transfer.own_checkpoint import as_own_network


def test_a_run_that_is_not_there(declined, tmp_path: Path) -> None:
    assert f"{tmp_path / 'no'}: no such folder; give the folder of a run" in declined(tmp_path / "no")
    (tmp_path / "empty").mkdir()
    assert "is this a run's folder?" in declined(tmp_path / "empty")


def test_a_run_given_twice(declined, attacked: Path) -> None:
    assert "is given more than once" in declined(attacked, attacked)


def test_a_victim_that_is_not_there(declined, attacked: Path) -> None:
    line = declined(attacked, "--victims", "/nowhere.ckpt")
    assert line == "error: --victims /nowhere.ckpt: no such checkpoint; give a .ckpt that `train` wrote"


def test_a_victim_that_is_a_network_of_ones_own(declined, attacked: Path, other: Path, tmp_path: Path) -> None:
    path = as_own_network(other, tmp_path / "own.ckpt")
    line = declined(attacked, "--victims", path)
    given = f"--network victim=python victim.factory=... victim.ckpt={path}"
    assert line == f"error: --victims {path}: is of a network of your own; give {given}"


def test_a_victim_of_other_classes(declined, attacked: Path, other: Path, tmp_path: Path) -> None:
    checkpoint = torch.load(other, weights_only=True)
    checkpoint["hyper_parameters"]["classes"] = 3
    torch.save(checkpoint, tmp_path / "three.ckpt")
    line = declined(attacked, "--victims", tmp_path / "three.ckpt")
    assert f"{tmp_path / 'three.ckpt'} was trained on 3 classes, the data have 2" in line


def test_a_missing_picture(declined, copied: Path) -> None:
    path = RunFolder(copied).adversarial("pgd@8", "test_00002")
    path.unlink()
    assert f"pgd@8 / test_00002: {path.relative_to(copied)}: cannot be read (No such file or" in declined(copied)


def test_a_picture_of_another_size(declined, copied: Path) -> None:
    path = RunFolder(copied).adversarial("pgd@8", "test_00002")
    Image.new("RGB", (32, 30)).save(path)
    assert f"{path.relative_to(copied)}: has 32 x 30 pixels, its row says 32 x 32" in declined(copied)


def test_a_picture_that_is_not_the_rows(declined, copied: Path) -> None:
    path = RunFolder(copied).adversarial("pgd@8", "test_00002")
    shutil.copy(RunFolder(copied).adversarial("pgd@32", "test_00002"), path)
    assert f"{path}: is not the picture its row was measured on" in declined(copied)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("data.n_test", 5, "splits.json: test: has 5 images of synthetic now, other ones than the 4 recorded"),
        ("data.seed", 7, "the files or settings of data set synthetic have changed (fingerprint "),
        (
            "data.test_split",
            "val",
            "pgd@32 / test_00000: id: data set synthetic does not have this image; restore the data",
        ),
        ("target.seed", 1, "test_00000: target: row says 'other_image:test_0000"),
        ("judge.value", 0.5, "judge: row says 'iou to target >= 0.2', recomputed 'iou to target >= 0.5'"),
        ("data._target_", "shutil.rmtree", "only code of benchmark.data is run from a run's folder"),
        ("data._target_", "benchmark.data.files.Path", "is no class or function there is; restore"),
        (
            "target._target_",
            "benchmark.victims.smp_networks.build_from_factory",
            "is no class or function there is; restore",
        ),
        ("judge.metric", "jaccard", "config.yaml: judge.metric='jaccard': must be"),
        (
            "target._target_",
            "benchmark.targets.Nope",
            "target._target_=benchmark.targets.Nope: is no class or function",
        ),
        ("judge._target_", "benchmark.criterion.Nope.X", "is no class or function there is; restore"),
        (
            "target._target_",
            "benchmark.targets.VOID",
            "target._target_=benchmark.targets.VOID: is no class or function",
        ),
        ("data._target_", "benchmark.data.synthetic", "is no class or function there is; restore"),
        ("target._target_", "benchmark.targets.TargetMap", "is no class or function there is; restore"),
        (
            "target",
            {"_target_": "benchmark.targets.TargetMap", "mask": 0, "name": "a"},
            "is no class or function there is; restore",
        ),
        ("target", None, "is not the configuration of a run (it has no section target); restore it"),
        ("victim", None, "(it has no section victim)"),
        ("victim", "unet", "(it has no section victim)"),
        ("victim.ckpt", 3, "(victim.ckpt=3 is neither null nor a path)"),
        ("engine.slots", None, "(engine.slots=None is not a whole number from 1)"),
        ("engine.slots", 0, "(engine.slots=0 is not a whole number from 1)"),
        ("data.seed", "${nope}", "Interpolation key 'nope' not found"),
    ],
)
def test_a_run_that_is_no_longer_what_it_was(declined, copied: Path, key: str, value: Any, said: str) -> None:
    config = OmegaConf.load(copied / "config.yaml")
    OmegaConf.update(config, key, value, merge=False)
    OmegaConf.save(config, copied / "config.yaml")
    line = declined(copied)
    assert said in line
    assert str(copied) in line


@pytest.mark.parametrize("section", ["data", "target", "judge", "victim", "engine"])
def test_a_run_that_lacks_a_section(declined, copied: Path, section: str) -> None:
    config = OmegaConf.load(copied / "config.yaml")
    del config[section]
    OmegaConf.save(config, copied / "config.yaml")
    assert f"{copied / 'config.yaml'}: is not the configuration of a run (it has no section {section})" in declined(
        copied
    )


def test_a_split_that_is_no_list(declined, copied: Path) -> None:
    (copied / "splits.json").write_text('{"train": null}')
    assert f"{copied / 'splits.json'}: does not hold a list of ids for each split; restore" in declined(copied)


@pytest.mark.parametrize("name", ["config.yaml", "environment.json", "splits.json"])
def test_a_run_that_lacks_a_file(declined, copied: Path, name: str) -> None:
    (copied / name).write_text("[")
    assert f"{copied / name}: " in declined(copied)
    (copied / name).unlink()
    assert f"{copied / name}: " in declined(copied)


def test_a_folder_that_holds_something(command, attacked: Path, other: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    result = command("transfer", attacked, "--victims", other, "--out", tmp_path)
    assert (result.status, result.out) == (2, "")
    assert result.err == f"error: --out {tmp_path}: exists and is not an empty folder; choose another\n"
    assert [path.read_text() for path in tmp_path.iterdir()] == ["precious"]


def test_arguments_that_are_missing(command) -> None:
    for arguments in (["transfer"], ["transfer", "run"], ["transfer", "--victims", "a.ckpt"]):
        result = command(*arguments)
        assert result.status == 2
        assert "the following arguments are required" in result.err
