"""What results/ computes, report/ draws."""

import ast
from pathlib import Path

import pytest

import benchmark.results

DRAWING = {"matplotlib", "plotly", "jinja2", "markupsafe", "rich", "PIL"}

FILES = sorted(Path(benchmark.results.__path__[0]).glob("*.py"))


def _libraries(path: Path) -> set[str]:
    """The libraries that a module imports, anywhere in it."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    modules = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    modules += [str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)]
    return {module.split(".")[0] for module in modules}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_results_are_computed_without_drawing(path: Path) -> None:
    assert not _libraries(path) & DRAWING


def test_the_search_sees_imports_within_functions() -> None:
    figures = FILES[0].parents[1] / "report" / "figures" / "figure_file.py"
    assert "matplotlib" in _libraries(figures)
