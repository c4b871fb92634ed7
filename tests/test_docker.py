"""What the Dockerfile copies, installs and starts exists and works, as far as its text tells."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from tests.docker_files import CLI, DOCKERFILE, IGNORE, REPOSITORY, arguments_of, complaints, environment_of, excluded

REQUIREMENTS = (REPOSITORY / "requirements.txt").read_text()


def test_the_image() -> None:
    assert complaints(DOCKERFILE, IGNORE) == []


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
    assert any(complaint in told for told in complaints(DOCKERFILE.replace(before, after), IGNORE))


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
    assert any(complaint in told for told in complaints(DOCKERFILE, IGNORE.replace(before, after, 1)))


@pytest.mark.parametrize("arguments", [["--help"], ["list", "attack"]])
def test_the_cli_works_with_what_is_copied_alone(tmp_path: Path, arguments: list[str]) -> None:
    def ignored(folder: str, files: list[str]) -> list[str]:
        inside = Path(folder).relative_to(REPOSITORY)
        return [name for name in files if excluded((inside / name).as_posix(), IGNORE)]

    for source, target in (line.split() for line in arguments_of(DOCKERFILE, "COPY")):
        path, copy = REPOSITORY / source, tmp_path / target.lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(path, copy, ignore=ignored) if path.is_dir() else shutil.copy(path, copy)
    work = tmp_path / arguments_of(DOCKERFILE, "WORKDIR")[0].lstrip("/")
    work.mkdir()
    given = tmp_path / environment_of(DOCKERFILE)["PYTHONPATH"].lstrip("/")
    command = [sys.executable, *CLI[1:], *arguments]
    environment = os.environ | {"PYTHONPATH": str(given), "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "asma" in ended.stdout


def test_the_default_command_is_one() -> None:
    assert json.loads(arguments_of(DOCKERFILE, "CMD")[-1]) == ["--help"]


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
    assert arguments_of(DOCKERFILE, "FROM")[0].startswith(f"nvidia/cuda:{version.group(1)}.")
