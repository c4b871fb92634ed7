"""An installed package is complete: every folder of the package and every file that it reads is listed."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def test_every_package_is_listed() -> None:
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "benchmark").rglob("*.py")}
    assert sorted(SETUPTOOLS["packages"]) == sorted([".".join(folder.parts) for folder in folders] + ["benchmark.conf"])


def test_every_folder_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "benchmark").rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_every_file_that_is_no_module_is_listed() -> None:
    listed = set()
    for package, patterns in SETUPTOOLS["package-data"].items():
        folder = ROOT / SETUPTOOLS["package-dir"].get(package, package.replace(".", "/"))
        listed |= {path for pattern in patterns for path in folder.glob(pattern)}
    others = [path for name in ("benchmark", "conf") for path in (ROOT / name).rglob("*.*")]
    assert [path for path in others if path.suffix not in (".py", ".pyc") and path not in listed] == []
