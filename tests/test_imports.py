"""Imports run one way, and the attack engine is a plain PyTorch library."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# A module (or a folder of them) and all it may import of the project, beside itself and benchmark.errors.
MEASURES = {"metrics", "records", "pixels", "saving"}
RULES = MEASURES | {"criterion", "jobs", "network", "attacks"}
ENGINE = RULES | {"admission", "asked", "limits", "slots", "telemetry", "referee", "loop", "engine"}
BESIDE_THE_ENGINE = {
    *("windows", "data", "victims", "adapters", "deployment", "targets", "scoring", "maps", "run_folder"),
}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "faults": set(),
    "metrics": set(),
    "saving": set(),
    "records": {"saving"},
    "maps": {"saving"},
    "run_folder": {"records"},
    "ranks": set(),
    "sharding": {"ranks"},
    "beside": set(),
    "pixels": set(),
    "windows": set(),
    "defences": set(),
    "weights": set(),
    "deployment": {"defences", "pixels"},
    "adapters": {"deployment", "weights"},
    "criterion": MEASURES,
    "jobs": MEASURES,
    "strided": set(),
    "convolutions": set(),
    "enlarging": {"convolutions"},
    "folding": set(),
    "stand_ins": {"convolutions", "enlarging", "folding", "strided"},
    "network": MEASURES | {"stand_ins"},
    "attacks": MEASURES,
    "asked": RULES,
    "limits": set(),
    "slots": RULES | {"asked", "limits"},
    "telemetry": RULES,
    "referee": RULES | {"slots"},
    "admission": RULES | {"limits", "slots", "referee"},
    "loop": RULES | {"admission", "asked", "limits", "slots", "telemetry", "referee"},
    "engine": ENGINE - {"engine"},
    "data": {"maps"},
    "victims": {"adapters", "deployment", "metrics", "saving", "windows"},
    "targets": {"data", "maps", "metrics", "records"},
    "checking": {"data", "report"},
    "scoring": {"metrics"},
    "report": {"metrics", "records", "saving", "maps", "run_folder"},
    "tracking": {"records", "maps", "report"},
    "callbacks": ENGINE | BESIDE_THE_ENGINE | {"report", "ranks", "beside"},
    "transfer": ENGINE | BESIDE_THE_ENGINE | {"callbacks", "faults"},
    "verify": ENGINE | BESIDE_THE_ENGINE | {"report", "callbacks", "transfer", "faults"},
    "bench": ENGINE | BESIDE_THE_ENGINE | {"callbacks"},
    "commands": ENGINE
    | BESIDE_THE_ENGINE
    | {"bench", "checking", "report", "tracking", "callbacks", "transfer", "verify", "faults", "ranks", "sharding"},
    "help_texts": set(),
    "parsers": {"help_texts"},
    "__main__": {"parsers", "commands"},
    "__init__": set(),
}


def layer(module: str) -> str:
    """benchmark.attacks.asma -> attacks; benchmark -> __init__."""
    return [*module.split("."), "__init__"][1]


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
    # A name of the package itself, not a module.
    return {name for name in found if name.split(".")[0] == "benchmark"} - {"benchmark.__version__"}


FILES = sorted((ROOT / "benchmark").rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    own = path.relative_to(ROOT / "benchmark").parts[0].removesuffix(".py")
    assert own in MAY_IMPORT, f"{own} is new: say what it may import"
    wrong = {name for name in imported(path) if layer(name) not in MAY_IMPORT[own] | {own, "errors", "__init__"}}
    assert not wrong


def test_the_layers_have_no_circle() -> None:
    for name, allowed in MAY_IMPORT.items():
        assert not {other for other in allowed if name in MAY_IMPORT[other] | {other}}


@pytest.mark.parametrize("module", ["engine", "attacks.asma", "metrics", "targets", "scoring"])
def test_the_engine_is_plain_pytorch(module: str) -> None:
    code = f"import sys, benchmark.{module}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "torch" in done.stdout.split()
    heavy = {"lightning", "pytorch_lightning", "hydra", "omegaconf", "wandb", "albumentations", "matplotlib"}
    assert not heavy & set(done.stdout.split())


@pytest.mark.parametrize("module", ["records", "errors", "report.aggregate"])
def test_rows_are_read_without_pytorch(module: str) -> None:
    code = f"import sys, benchmark.{module}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
