"""Imports run upwards only, and the attack engine is a plain PyTorch library."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FLOORS: tuple[tuple[str, ...], ...] = (
    ("label_subsets",),
    ("errors", "model_errors", "metrics", "atomic_files", "regular_files", "acceleration"),
    ("images", "transforms", "runs", "criterion", "attacks", "distributed"),
    ("engine", "data", "victims", "results"),
    ("targets", "report"),
    ("evaluation", "tracking", "data_check"),
    ("callbacks",),
    ("config", "speed"),
    ("past_runs",),
    ("transfer", "verify"),
    ("protocol",),
    ("cli",),
    ("__main__",),
)
"""What may import what: a room imports from the floors below it and from itself."""

FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def room(module: str) -> str:
    """benchmark.attacks.asma -> attacks; benchmark itself -> "", which stands outside the floors."""
    return [*module.split("."), ""][1]


def imported(path: Path) -> set[str]:
    """The modules of the project that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            found |= (
                {f"{node.module}.{a.name}" for a in node.names} if node.module == "benchmark" else {node.module or ""}
            )
    return {name for name in found if name.split(".")[0] == "benchmark"} - {"benchmark.__version__"}


FILES = sorted(path for path in (ROOT / "benchmark").rglob("*.py") if path != ROOT / "benchmark" / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_upwards(path: Path) -> None:
    own = path.relative_to(ROOT / "benchmark").parts[0].removesuffix(".py")
    assert own in FLOOR, f"{own} is new: say on which floor it lies"
    wrong = {
        name
        for name in imported(path)
        if room(name) not in ("", own, "errors") and FLOOR.get(room(name), len(FLOORS)) >= FLOOR[own]
    }
    assert not wrong


def test_the_root_of_the_package_holds_what_the_design_names() -> None:
    there = {path.name.removesuffix(".py") for path in (ROOT / "benchmark").iterdir() if path.name != "__pycache__"}
    assert there - {"__init__"} <= set(FLOOR)
    files = {path.stem for path in (ROOT / "benchmark").glob("*.py")}
    arithmetic = {"label_subsets", "metrics", "criterion"}
    others = {"errors", "model_errors", "atomic_files", "regular_files"}
    assert files == {"__init__", "__main__"} | arithmetic | others


@pytest.mark.parametrize(
    "module",
    ["engine", "attacks.asma", "metrics", "criterion", "acceleration.accelerated", "targets", "evaluation.scoring"],
)
def test_the_engine_is_plain_pytorch(module: str) -> None:
    code = f"import sys, benchmark.{module}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "torch" in done.stdout.split()
    heavy = {"lightning", "pytorch_lightning", "hydra", "omegaconf", "wandb", "albumentations", "matplotlib"}
    assert not heavy & set(done.stdout.split())


@pytest.mark.parametrize("module", ["runs.tables", "errors", "results.summary"])
def test_rows_are_read_without_pytorch(module: str) -> None:
    code = f"import sys, benchmark.{module}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
