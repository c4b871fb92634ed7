"""Cures that can be followed: commands, options and keys that a message names are there.

Looked at are all texts of the package that are not docstrings; what an f-string computes is left out.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import yaml

from benchmark.cli.launch import find_command
from benchmark.cli.parsers import COMMANDS
from benchmark.config.groups import groups, names
from benchmark.victims import adapters
from tests.test_structure import MODULES, ROOT, place, tree

CONF = ROOT / "conf"
SECTIONS = ("data", "engine", "training", "run", "trainer", "victim", "judge", "target", "adversarial_training")
NOT_OURS = {"--ntasks-per-node": "of srun", "--multirun": "of Hydra", "--cfg": "of Hydra", "--kill-on-bad-exit": "srun"}


def texts(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of every string; an f-string with {} for what it computes."""
    documented = (node for node in ast.walk(module) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef))
    firsts = (node.body[0] for node in documented if node.body)
    docstrings = {id(first.value) for first in firsts if isinstance(first, ast.Expr)}
    parts = {id(part) for node in ast.walk(module) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(module):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings | parts:
            yield node.lineno, node.value


def keys_of(file: Path) -> set[str]:
    """The top keys of a file of conf/, and those of the files that it starts from in its group."""
    content: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    bases = [name for name in content.get("defaults", []) if isinstance(name, str) and name != "_self_"]
    return set(content).union(*(keys_of(file.parent / f"{name}.yaml") for name in bases)) - {"defaults"}


@cache
def known_keys() -> frozenset[str]:
    """section.key of everything that can be configured."""
    config = yaml.safe_load((CONF / "config.yaml").read_text(encoding="utf-8"))
    keys = {f"{section}.{key}" for section in SECTIONS for key in config.get(section) or {}}
    for group in SECTIONS:
        keys |= {f"{group}.{key}" for file in (CONF / group).glob("*.yaml") for key in keys_of(file)}
    keys |= {f"trainer.{name}" for name in inspect.signature(pl.Trainer).parameters}
    keys |= {f"victim.{name}" for a in adapters.names() for name in inspect.signature(adapters.maker(a)).parameters}
    return frozenset(keys)


@cache
def options() -> frozenset[str]:
    """The options of all commands."""
    parsers = [find_command(command).parser(command) for command in COMMANDS]
    return frozenset(option for parser in parsers for action in parser._actions for option in action.option_strings)


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_what_a_message_names_is_there(path: Path) -> None:
    sections = "|".join(SECTIONS)
    wrong = []
    for line, text in texts(tree(path)):
        if " " not in text:
            continue  # a name, not a message
        commands = re.findall(r"python -m benchmark (\w+)", text)
        wrong += [(line, name) for name in commands if name not in (*COMMANDS, "COMMAND")]
        given = re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)
        wrong += [(line, name) for name in given if name not in options() | NOT_OURS.keys()]
        named = re.findall(rf"(?<![\w./'])((?:{sections})\.[a-z][a-z_]*)(?![\w./({{]|\.\w)", text)
        wrong += [(line, name) for name in named if name not in known_keys()]
        chosen = re.findall(rf"(?<![\w.])({'|'.join(groups())})=([a-z][a-z0-9_]*)(?![\w.:{{(])", text)
        wrong += [(line, f"{group}={name}") for group, name in chosen if name not in (*names(group), "null")]
    assert wrong == []


@pytest.mark.parametrize("file", sorted((CONF / "data").glob("[!_]*.yaml")), ids=lambda file: file.stem)
def test_a_data_set_names_only_keys_that_it_has(file: Path) -> None:
    target = yaml.safe_load(file.read_text(encoding="utf-8"))["_target_"]
    module = ROOT.joinpath(*target.split(".")[:-1]).with_suffix(".py")
    named = {name for _, text in texts(tree(module)) for name in re.findall(r"\bdata\.([a-z_]+)(?![\w{.])", text)}
    year = {"val_fraction"} if file.stem in ("isic2017", "isic2018") else set()  # only 2016 draws its validation images
    assert named - year <= keys_of(file)
