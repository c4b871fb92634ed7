"""How the package is built: what lies where, what may be opened by whom, how functions are called.

Each rule is a function from a parsed file to its violations. Together with `test_imports.py` this is the layout's test.
"""

import ast
from collections import Counter

import pytest

from tests.structure_rules import (
    CALLBACK_BASES,
    FILES,
    LONGEST_FILE,
    MODULES,
    PACKAGE,
    PRESCRIBED,
    READERS,
    ROOT,
    RULES,
    Rule,
    dotted,
    place,
    tree,
    violations,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule(rule: Rule) -> None:
    assert violations(rule) == []


def test_no_file_is_long() -> None:
    paths = [*FILES, *(ROOT / "tests").rglob("*.py")]
    lengths = {path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    assert {name: n for name, n in lengths.items() if n > LONGEST_FILE} == {}


def test_class_names_are_unique() -> None:
    names = Counter(node.name for path in MODULES for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef))
    assert {name for name, count in names.items() if count > 1} == set()


def test_every_file_of_callbacks_defines_a_callback() -> None:
    for path in (PACKAGE / "callbacks").glob("[!_]*.py"):
        bases = {
            dotted(base).split(".")[-1]
            for node in tree(path).body
            if isinstance(node, ast.ClassDef)
            for base in node.bases
        }
        assert bases & CALLBACK_BASES, f"{place(path)} defines no callback"


def test_every_exception_is_needed() -> None:
    """Nothing is excused that does not exist, or reads neither YAML nor JSON."""
    for excused in READERS:
        paths = [path for path in MODULES if place(path).startswith(excused)]
        assert any(word in path.read_text() for path in paths for word in ("OmegaConf.load", "json.load")), excused
    for excused in PRESCRIBED:
        name, function = excused.split(":")
        assert f"def {function}(" in (PACKAGE / name).read_text(), excused
