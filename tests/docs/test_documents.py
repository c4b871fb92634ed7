"""The README and docs/ name what exists: files, folders, links, imports of examples."""

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_paths_exist(path: Path) -> None:
    text = path.read_text()
    named = {name.rstrip(".") for name in re.findall(r"\b(?:benchmark|tests|conf|docker|docs)/[\w./-]+", text)}
    assert [name for name in named if not (ROOT / name).exists()] == []
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if link and not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_imports_of_examples_exist(path: Path) -> None:
    for module, names in re.findall(r"^from (benchmark[\w.]*) import ([\w, ]+)$", path.read_text(), re.MULTILINE):
        imported = import_module(module)
        for name in names.split(", "):
            assert hasattr(imported, name) or import_module(f"{module}.{name}"), name


def test_every_folder_has_its_line() -> None:
    package = ROOT / "benchmark"
    folders = {path.parent.relative_to(package).as_posix() for path in package.rglob("*.py")} - {"."}
    files = {path.name for path in package.glob("[!_]*.py")} | {"__main__.py"}
    lines = set(re.findall(r"^\| `([\w./]+)` \|", ARCHITECTURE, re.MULTILINE))
    assert lines == {f"{folder}/" for folder in folders} | files


def test_the_named_files_exist() -> None:
    named = set(re.findall(r"`(\w+/[\w/]*\.py)`", ARCHITECTURE))
    assert [name for name in named if not ((ROOT / "benchmark" / name).exists() or (ROOT / name).exists())] == []
