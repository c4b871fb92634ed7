"""Splits, configuration and environment that were changed: `verify` names the entry, and runs nothing of theirs."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from tests.fixtures.spoilt import edit_json, sha256_of


def test_a_split_that_was_another(mismatches, spoilt: Path) -> None:
    splits = json.loads((spoilt / "splits.json").read_text())
    edit_json(spoilt / "splits.json", test=splits["test"][::-1])
    assert mismatches(spoilt) == ["splits.json: test: has 2 images of pairs now, other ones than the 2 recorded"]


@pytest.mark.parametrize(
    ("key", "value", "column"),
    [
        ("judge.value", 0.9, "judge"),
        ("attacks.pgd.rule.targeted", False, "targeted"),
        ("attacks.pgd.budgets", [8, 16], "id"),
        ("attacks.asma.rule.tau", 0.5, None),
    ],
)
def test_a_configuration_that_was_another(mismatches, spoilt: Path, key: str, value: Any, column: str | None) -> None:
    config = OmegaConf.load(spoilt / "config.yaml")
    OmegaConf.update(config, key, value)
    OmegaConf.save(config, spoilt / "config.yaml")
    lines = mismatches(spoilt)
    assert any(line.startswith("environment.json: config_sha256: says ") for line in lines)
    assert column is None or any(f": {column}: " in line and " / " in line for line in lines)


def test_an_environment_that_was_another(mismatches, spoilt: Path) -> None:
    names = {"data_fingerprint", "weights_sha256", "checkpoint_sha256", "config_sha256", "seed", "data"}
    edit_json(spoilt / "environment.json", **dict.fromkeys(names, "0"))
    lines = mismatches(spoilt)
    assert {line.split(": ")[1] for line in lines if " / " not in line} == names
    assert {line.split(": ")[1] for line in lines if " / " in line} == {"data", "data_fingerprint", "weights_sha256"}


def test_packages_are_only_noted(command, spoilt: Path) -> None:
    edit_json(spoilt / "environment.json", packages={"torch": "1.0"}, config_sha256=sha256_of(spoilt / "config.yaml"))
    outcome = command("verify", spoilt)
    assert outcome.status == 0
    assert f"note: {spoilt}: was made with other versions: torch 1.0, now {version('torch')}; " in outcome.err


def test_a_configuration_without_its_hash(mismatches, spoilt: Path) -> None:
    environment = json.loads((spoilt / "environment.json").read_text())
    del environment["config_sha256"], environment["sha256"]
    (spoilt / "environment.json").write_text(json.dumps(environment))
    (line,) = mismatches(spoilt)
    assert line.startswith("environment.json: config_sha256: says None, config.yaml gives ")


def test_no_code_of_the_folders_choice_is_run(command, spoilt: Path) -> None:
    config = OmegaConf.load(spoilt / "config.yaml")
    for key, value in (("attacks.pgd.rule._target_", "shutil.rmtree"), ("defences.jpeg._target_", "builtins.exec")):
        changed = OmegaConf.create(OmegaConf.to_container(config))
        OmegaConf.update(changed, key, value)
        OmegaConf.save(changed, spoilt / "config.yaml")
        edit_json(spoilt / "environment.json", config_sha256=sha256_of(spoilt / "config.yaml"))
        outcome = command("verify", spoilt)
        # As for a run with an attack of the user's own: the rest is checked.
        assert outcome.status == 0, outcome
        section = key.split(".")[0]
        rooms = {"attacks": "attacks", "defences": "transforms"}
        assert f"note: {spoilt}: what its {section} should be is not checked" in outcome.err
        assert f"only code of benchmark.{rooms[section]} is run from a run's folder" in outcome.err
        assert ("eps" if section == "attacks" else "jpeg_iou_target") in outcome.out.split("not checked: ")[1]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("attacks.pgd.rule.eps", -1, "attacks cannot be made again ("),
        ("attacks.pgd.rule", 3, "attacks cannot be made again ("),
        ("attacks", None, "attacks cannot be made again ("),
        ("attacks.pgd.rule._target_", "benchmark.attacks.nope.PGD", "is no class or function there is"),
        ("attacks.pgd.rule._target_", "benchmark.attacks.random_draws.draw", "attacks cannot be made again ("),
        ("defences.jpeg._target_", "benchmark.transforms.jpeg.BytesIO", "is no class or function there is"),
        ("attacks.pgd.rule._args_", [1], "has a key _args_, which no configuration of a run has"),
        ("target._partial_", True, "target: has a key _partial_, which no configuration of a run has"),
        ("data.deeper", {"_recursive_": False}, "data: has a key _recursive_, which no configuration of a run has"),
        ("engine.precision", 8, "engine.precision=8: must be 64, 32, 'tf32', 'bf16', 16 or null"),
    ],
)
def test_a_configuration_that_makes_nothing(command, spoilt: Path, key: str, value: Any, said: str) -> None:
    config = OmegaConf.load(spoilt / "config.yaml")
    OmegaConf.update(config, key, value, merge=False)
    OmegaConf.save(config, spoilt / "config.yaml")
    outcome = command("verify", spoilt)
    assert outcome.status == 2, outcome
    assert said in outcome.err
    assert outcome.err.startswith("error: ")
