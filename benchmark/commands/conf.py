"""Where the configuration lies and which names it offers; imports nothing heavy."""

from pathlib import Path

import benchmark


def conf_folder() -> Path:
    """`conf/` beside the package in a checkout, inside the package when it is installed."""
    package = Path(benchmark.__file__).resolve().parent
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent / "conf"


def names(group: str) -> dict[str, Path]:
    """The files one can choose from in a group, by name; those that begin with _ only serve the others."""
    files = sorted((conf_folder() / group).glob("*.yaml"))
    return {path.stem: path for path in files if not path.stem.startswith("_")}


def groups() -> list[str]:
    """All groups, such as attack and victim."""
    return sorted(path.name for path in conf_folder().iterdir() if path.is_dir() and names(path.name))


def headline(path: Path) -> str:
    """A configuration file's first comment, which says what it is and where it comes from."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and not line.startswith("# @package"):
            return line.lstrip("# ").strip()
    return ""
