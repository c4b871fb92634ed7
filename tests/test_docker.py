"""The container's files, without a container engine: what they copy, install and start exists and works."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmark.__main__ import COMMANDS
from benchmark.config.groups import groups, names

REPOSITORY = Path(__file__).resolve().parents[1]
DOCKERFILE = (REPOSITORY / "docker" / "Dockerfile").read_text()
IGNORE = (REPOSITORY / ".dockerignore").read_text()
COMPOSE = (REPOSITORY / "docker" / "compose.yaml").read_text()
REQUIREMENTS = (REPOSITORY / "requirements.txt").read_text()
CLI = ["python", "-m", "benchmark"]


def _instructions(dockerfile: str) -> list[tuple[str, str]]:
    """Each instruction and its arguments, on one line."""
    text = re.sub(r"^\s*#.*\n", "", dockerfile, flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def _all(dockerfile: str, name: str) -> list[str]:
    return [arguments for instruction, arguments in _instructions(dockerfile) if instruction == name]


def _environment(dockerfile: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for line in _all(dockerfile, "ENV") for pair in line.split())


def _excluded(path: str, ignore: str) -> bool:
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


def _complaints(dockerfile: str, ignore: str) -> list[str]:
    """What is wrong with the image, as far as its files tell."""
    found = []
    (base,) = _all(dockerfile, "FROM")
    if not re.fullmatch(r"nvidia/cuda:\d+\.\d+\.\d+-(cudnn-)?runtime-ubuntu\d\d\.04", base):
        found.append(f"{base} is no CUDA runtime of an exact version")
    copied = [line.split() for line in _all(dockerfile, "COPY")]
    for source, _ in copied:
        path = REPOSITORY / source
        if not path.exists():
            found.append(f"{source} does not exist")
        for file in [path, *(path.rglob("*") if path.is_dir() else [])]:
            name = file.relative_to(REPOSITORY).as_posix()
            if "__pycache__" not in name and _excluded(name, ignore):
                found.append(f"{name} is copied and excluded")
    for path in (
        ".git/config",
        ".venv/pyvenv.cfg",
        "runs/a/b",
        "wandb/run",
        "benchmark/data/__pycache__/a.pyc",
        ".env",
    ):
        if not _excluded(path, ignore):
            found.append(f"{path} goes to the builder")
    targets = dict(copied)
    installs = [arguments for run in _all(dockerfile, "RUN") for arguments in re.findall(r"pip install ([^&]*)", run)]
    wanted = [word for line in installs for word in line.split() if word not in ("--no-cache-dir", "-r")]
    if wanted != ["--disable-pip-version-check", targets.get("requirements.txt")]:
        found.append(f"pip installs {wanted}")
    order = [f"{instruction} {arguments}" for instruction, arguments in _instructions(dockerfile)]
    installed = next((i for i, line in enumerate(order) if "pip install" in line), len(order))
    if any(line.startswith("COPY") and "requirements.txt" not in line for line in order[:installed]):
        found.append("the project is copied before its requirements are installed")
    users = _all(dockerfile, "USER")
    if not users or users[-1].split(":")[0] in ("root", "0"):
        found.append("runs as root")
    elif not any(re.search(rf"useradd [^&]*\b{users[-1]}\b", run) for run in _all(dockerfile, "RUN")):
        found.append(f"there is no user {users[-1]}")
    return found + _complaints_about_what_runs(dockerfile)


def _complaints_about_what_runs(dockerfile: str) -> list[str]:
    found = []
    entry = json.loads(_all(dockerfile, "ENTRYPOINT")[-1])
    packages = " ".join(_all(dockerfile, "RUN"))
    if entry not in (CLI, ["tini", "-s", "--", *CLI]):
        found.append(f"starts {entry}")
    elif entry[0] == "tini" and not re.search(r"apt-get install [^&]*\btini\b", packages):
        found.append("tini is not installed")
    if not re.search(r"apt-get install [^&]*\bpython3-venv\b", packages):
        found.append("Python is not installed")
    environment = _environment(dockerfile)
    found += [f"{name} is not set" for name in ("HOME", "USER", "MPLCONFIGDIR") if name not in environment]
    for name in ("PYTHONUNBUFFERED", "NO_ALBUMENTATIONS_UPDATE"):
        if environment.get(name) != "1":
            found.append(f"{name} is not 1")
    writable = [word for run in _all(dockerfile, "RUN") for word in re.findall(r"chmod 1777 ([^&]*)", run)]
    for folder in (environment.get("HOME"), *_all(dockerfile, "WORKDIR"), *_all(dockerfile, "VOLUME")):
        if folder not in " ".join(writable).split():
            found.append(f"not every user can write to {folder}")
    return found


def _known() -> dict[str, set[str]]:
    """Names that can be chosen, by group."""
    return {group: set(names(group)) for group in groups()}


def _mistakes(command: Sequence[str]) -> list[str]:
    """What of a command line the project has no name for."""
    known = _known()
    found = [] if command[0] in COMMANDS else [command[0]]
    for override in command[1:]:
        key, _, value = override.partition("=")
        if not value or (key in known and value not in known[key]):
            found.append(override)
    return found


def test_the_image() -> None:
    assert _complaints(DOCKERFILE, IGNORE) == []


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("nvidia/cuda:13.2.1-runtime-ubuntu24.04", "nvidia/cuda:latest", "no CUDA runtime of an exact version"),
        ("nvidia/cuda:13.2.1-runtime-ubuntu24.04", "python:3.12-slim", "no CUDA runtime of an exact version"),
        ("COPY LICENSE ", "COPY LICENCE ", "LICENCE does not exist"),
        ("COPY LICENSE ", "COPY README.md ", "README.md is copied and excluded"),
        ("-r /opt/requirements.txt", "torch", "pip installs"),
        ("-r /opt/requirements.txt", "-r /opt/requirements.txt torch", "pip installs"),
        ("COPY requirements.txt", "COPY conf /opt/conf\nCOPY requirements.txt", "copied before its requirements"),
        ("USER benchmark\n", "", "runs as root"),
        ("USER benchmark\n", "USER 0:0\n", "runs as root"),
        ("USER benchmark\n", "USER somebody\n", "there is no user somebody"),
        ('"-m", "benchmark"]', '"benchmark"]', "starts"),
        ("python3-venv tini", "python3-venv", "tini is not installed"),
        (" python3-venv", "", "Python is not installed"),
        ("PYTHONUNBUFFERED=1", "PYTHONUNBUFFERED=", "PYTHONUNBUFFERED is not 1"),
        ("HOME=/home/benchmark", "HOME=/root", "not every user can write to /root"),
        ("VOLUME /work/runs", "VOLUME /data", "not every user can write to /data"),
    ],
)
def test_a_mistake_in_the_dockerfile(before: str, after: str, complaint: str) -> None:
    assert before in DOCKERFILE
    assert any(complaint in told for told in _complaints(DOCKERFILE.replace(before, after), IGNORE))


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("*\n!LICENSE", "!LICENSE", ".git/config goes to the builder"),
        ("**/__pycache__", "", "__pycache__/a.pyc goes to the builder"),
        ("**/__pycache__", "__pycache__", "__pycache__/a.pyc goes to the builder"),
        ("!conf\n", "", "conf/config.yaml is copied and excluded"),
        ("!benchmark\n", "!benchmark\n**/data\n", "benchmark/data/isic.py is copied and excluded"),
    ],
)
def test_a_mistake_in_what_is_left_out(before: str, after: str, complaint: str) -> None:
    assert before in IGNORE
    assert any(complaint in told for told in _complaints(DOCKERFILE, IGNORE.replace(before, after, 1)))


@pytest.mark.parametrize("arguments", [["--help"], ["list", "attack"]])
def test_the_cli_works_with_what_is_copied_alone(tmp_path: Path, arguments: list[str]) -> None:
    def ignored(folder: str, files: list[str]) -> list[str]:
        inside = Path(folder).relative_to(REPOSITORY)
        return [name for name in files if _excluded((inside / name).as_posix(), IGNORE)]

    for source, target in (line.split() for line in _all(DOCKERFILE, "COPY")):
        path, copy = REPOSITORY / source, tmp_path / target.lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(path, copy, ignore=ignored) if path.is_dir() else shutil.copy(path, copy)
    work = tmp_path / _all(DOCKERFILE, "WORKDIR")[0].lstrip("/")
    work.mkdir()
    given = tmp_path / _environment(DOCKERFILE)["PYTHONPATH"].lstrip("/")
    command = [sys.executable, *CLI[1:], *arguments]
    environment = os.environ | {"PYTHONPATH": str(given), "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "asma" in ended.stdout


def test_the_default_command_is_one() -> None:
    assert json.loads(_all(DOCKERFILE, "CMD")[-1]) == ["--help"]


def test_requirements_are_exact_and_those_installed() -> None:
    pins = {}
    for line in REQUIREMENTS.splitlines():
        line = line.partition("#")[0].strip()
        if line:
            pin = re.fullmatch(r"([\w.-]+)==([\w.]+)", line)
            assert pin, f"requirements.txt: {line} is no exact version"
            pins[pin.group(1)] = pin.group(2)
    if Path(sys.prefix).name != ".venv":
        pytest.skip("not the environment that `make setup` makes; other versions are allowed")
    installed = {name: metadata.version(name).partition("+")[0] for name in pins}
    assert installed == pins


def test_the_image_has_the_cuda_of_torch() -> None:
    if Path(sys.prefix).name != ".venv":
        pytest.skip("not the environment that `make setup` makes; torch may be built for another CUDA")
    (needed,) = [line for line in metadata.requires("torch") or [] if line.startswith("cuda-toolkit")]
    version = re.search(r"==(\d+\.\d+)", needed)
    assert version, needed
    assert _all(DOCKERFILE, "FROM")[0].startswith(f"nvidia/cuda:{version.group(1)}.")


@pytest.fixture
def service() -> dict[str, Any]:
    """The one service of compose.yaml."""
    (service,) = yaml.safe_load(COMPOSE)["services"].values()
    return service


def test_compose_builds_this_dockerfile(service: dict[str, Any]) -> None:
    context = (REPOSITORY / "docker" / service["build"]["context"]).resolve()
    assert context == REPOSITORY  # where .dockerignore is looked for
    assert (context / service["build"]["dockerfile"]).read_text() == DOCKERFILE


def test_compose_starts_what_exists(service: dict[str, Any]) -> None:
    assert _mistakes(service["command"]) == []
    assert "trainer=ddp" in service["command"]


@pytest.mark.parametrize("wrong", [["walk"], ["run", "data=isic2O18"], ["run", "trainer=dpp"], ["run", "seed"]])
def test_a_command_with_a_name_that_does_not_exist(wrong: list[str]) -> None:
    assert _mistakes(wrong) == [wrong[-1]]


def test_compose_gives_all_gpus_and_no_rights(service: dict[str, Any]) -> None:
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}
    assert re.fullmatch(r"\$\{BENCHMARK_UID:-[1-9]\d*\}:\$\{BENCHMARK_GID:-[1-9]\d*\}", service["user"])
    assert not {"privileged", "cap_add", "network_mode", "pid"} & set(service)
    assert service["shm_size"] == "8gb"
    assert int(service["stop_grace_period"].rstrip("s")) > 10


def test_compose_mounts_data_to_read_and_runs_to_write(service: dict[str, Any]) -> None:
    volumes = {volume["target"]: volume for volume in service["volumes"]}
    assert set(volumes) == {"/data", *_all(DOCKERFILE, "VOLUME")}
    assert "data.root=/data" in service["command"]
    assert volumes["/data"]["read_only"] is True
    assert volumes["/data"]["source"].startswith("${DATA:?")  # a folder that is not given is an error, not empty
    runs = volumes["/work/runs"]
    assert (REPOSITORY / "docker" / runs["source"]).resolve() == REPOSITORY / "runs"
    assert "read_only" not in runs
    assert runs["bind"] == {"create_host_path": False}


def test_no_secret_is_written_down(service: dict[str, Any]) -> None:
    assert set(service["environment"].values()) == {None}
    assert not re.search(r"key|token|password|secret", DOCKERFILE, re.IGNORECASE)
