"""The container's files, read and checked without a container engine."""

import json
import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
DOCKERFILE = (REPOSITORY / "docker" / "Dockerfile").read_text()
IGNORE = (REPOSITORY / ".dockerignore").read_text()
COMPOSE = (REPOSITORY / "docker" / "compose.yaml").read_text()
CLI = ["python", "-m", "benchmark"]


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """Each instruction and its arguments, on one line."""
    text = re.sub(r"^\s*#.*\n", "", dockerfile, flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def arguments_of(dockerfile: str, name: str) -> list[str]:
    return [arguments for instruction, arguments in instructions(dockerfile) if instruction == name]


def environment_of(dockerfile: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for line in arguments_of(dockerfile, "ENV") for pair in line.split())


def excluded(path: str, ignore: str) -> bool:
    """Whether docker leaves a path out: the last pattern counts that matches it or a folder it is in."""
    excluded = False
    for line in ignore.splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        wanted = pattern.startswith("!")
        parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern.lstrip("!").strip("/"))
        regex = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
        if re.fullmatch("".join(regex.get(part, re.escape(part)) for part in parts) + "(?:/.*)?", path):
            excluded = not wanted
    return excluded


def complaints(dockerfile: str, ignore: str) -> list[str]:
    """What is wrong with the image, as far as its files tell."""
    found = []
    (base,) = arguments_of(dockerfile, "FROM")
    if not re.fullmatch(r"nvidia/cuda:\d+\.\d+\.\d+-(cudnn-)?runtime-ubuntu\d\d\.04", base):
        found.append(f"{base} is no CUDA runtime of an exact version")
    copied = [line.split() for line in arguments_of(dockerfile, "COPY")]
    for source, _ in copied:
        path = REPOSITORY / source
        if not path.exists():
            found.append(f"{source} does not exist")
        for file in [path, *(path.rglob("*") if path.is_dir() else [])]:
            name = file.relative_to(REPOSITORY).as_posix()
            if "__pycache__" not in name and excluded(name, ignore):
                found.append(f"{name} is copied and excluded")
    for path in (
        ".git/config",
        ".venv/pyvenv.cfg",
        "runs/a/b",
        "wandb/run",
        "benchmark/data/__pycache__/a.pyc",
        ".env",
    ):
        if not excluded(path, ignore):
            found.append(f"{path} goes to the builder")
    targets = dict(copied)
    installs = [
        arguments for run in arguments_of(dockerfile, "RUN") for arguments in re.findall(r"pip install ([^&]*)", run)
    ]
    wanted = [word for line in installs for word in line.split() if word not in ("--no-cache-dir", "-r")]
    if wanted != ["--disable-pip-version-check", targets.get("requirements.txt")]:
        found.append(f"pip installs {wanted}")
    order = [f"{instruction} {arguments}" for instruction, arguments in instructions(dockerfile)]
    installed = next((i for i, line in enumerate(order) if "pip install" in line), len(order))
    if any(line.startswith("COPY") and "requirements.txt" not in line for line in order[:installed]):
        found.append("the project is copied before its requirements are installed")
    users = arguments_of(dockerfile, "USER")
    if not users or users[-1].split(":")[0] in ("root", "0"):
        found.append("runs as root")
    elif not any(re.search(rf"useradd [^&]*\b{users[-1]}\b", run) for run in arguments_of(dockerfile, "RUN")):
        found.append(f"there is no user {users[-1]}")
    return found + _complaints_about_what_runs(dockerfile)


def _complaints_about_what_runs(dockerfile: str) -> list[str]:
    found = []
    entry = json.loads(arguments_of(dockerfile, "ENTRYPOINT")[-1])
    packages = " ".join(arguments_of(dockerfile, "RUN"))
    if entry not in (CLI, ["tini", "-s", "--", *CLI]):
        found.append(f"starts {entry}")
    elif entry[0] == "tini" and not re.search(r"apt-get install [^&]*\btini\b", packages):
        found.append("tini is not installed")
    if not re.search(r"apt-get install [^&]*\bpython3-venv\b", packages):
        found.append("Python is not installed")
    environment = environment_of(dockerfile)
    found += [f"{name} is not set" for name in ("HOME", "USER", "MPLCONFIGDIR") if name not in environment]
    for name in ("PYTHONUNBUFFERED", "NO_ALBUMENTATIONS_UPDATE"):
        if environment.get(name) != "1":
            found.append(f"{name} is not 1")
    writable = [word for run in arguments_of(dockerfile, "RUN") for word in re.findall(r"chmod 1777 ([^&]*)", run)]
    for folder in (environment.get("HOME"), *arguments_of(dockerfile, "WORKDIR"), *arguments_of(dockerfile, "VOLUME")):
        if folder not in " ".join(writable).split():
            found.append(f"not every user can write to {folder}")
    return found
