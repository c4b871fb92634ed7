"""compose.yaml builds the Dockerfile, starts what exists, and mounts data to read and runs to write."""

import re
from collections.abc import Sequence
from typing import Any

import pytest
import yaml

from benchmark.__main__ import COMMANDS
from benchmark.config.groups import groups, names
from tests.docker_files import COMPOSE, DOCKERFILE, REPOSITORY, arguments_of


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
    assert set(volumes) == {"/data", *arguments_of(DOCKERFILE, "VOLUME")}
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
