"""Where the configuration files are and which names each group offers; imports nothing heavy."""

import sys
from pathlib import Path

import benchmark
from benchmark.errors import InputError

_further: list[Path] = []


def further_folders() -> list[Path]:
    """The folders of `add_folder`, absolute."""
    return list(_further)


def conf_folder() -> Path:
    """`conf/` next to the package in a checkout, inside the package when it is installed."""
    package = Path(benchmark.__file__).resolve().parent
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent / "conf"


def add_folder(folder: Path) -> None:
    """Look for names in another folder too, such as its attack/square.yaml, and for modules such as its square.py."""
    if not folder.is_dir():
        raise InputError(f"--config-dir {folder}: is not a folder; give one with sub-folders such as attack/")
    folder = folder.resolve()
    if folder not in _further:
        _further.append(folder)
        # Last, so that a file there cannot take the place of a library.
        sys.path.append(str(folder))


def names(group: str) -> dict[str, Path]:
    """The files one can choose from in a group, by name; those that begin with _ only serve the others."""
    files = {path.stem: path for folder in _folders() for path in (folder / group).glob("*.yaml")}
    return {name: files[name] for name in sorted(files) if not name.startswith("_")}


def groups() -> list[str]:
    """All groups, such as attack and victim."""
    folders = {path.name for folder in _folders() for path in folder.iterdir() if path.is_dir()}
    return sorted(name for name in folders if names(name))


def headline(path: Path) -> str:
    """A configuration file's first comment, which says what it is and where it comes from."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and not line.startswith("# @package"):
            return line.lstrip("# ").strip()
    return ""


def _folders() -> list[Path]:
    # The last one counts, as for Hydra: a file does not replace the project's own by having its name.
    return [*_further, conf_folder()]
