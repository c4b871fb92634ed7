import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark.tracking.wandb.connection import Connection, connect
from tests.tracking.wandb.offline_client import clean_client

KEY = "0123456789" * 4


def _hang(*_: object) -> None:
    time.sleep(2)
    raise OSError("no answer")


@pytest.fixture
def server() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def test_online_with_key_and_answering_host(tmp_path: Path, server: str) -> None:
    with clean_client(tmp_path, WANDB_API_KEY=KEY, WANDB_BASE_URL=f"http://{server}"):
        assert connect() == Connection("online")


def test_a_key_in_netrc_counts_for_its_host_only(tmp_path: Path, server: str) -> None:
    (tmp_path / "netrc").write_text(f"machine {server}\n login user\n password {KEY}\n")
    with clean_client(tmp_path, WANDB_BASE_URL=f"http://{server}"):
        assert connect() == Connection("online")
    with clean_client(tmp_path, WANDB_BASE_URL="http://localhost:9"):
        assert connect() == Connection("offline", "no API key for localhost")


def test_offline_without_key(tmp_path: Path, server: str) -> None:
    with clean_client(tmp_path, WANDB_BASE_URL=f"http://{server}"):
        assert connect() == Connection("offline", "no API key for 127.0.0.1")


def test_offline_when_nothing_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with clean_client(tmp_path, WANDB_API_KEY=KEY, WANDB_BASE_URL=f"http://127.0.0.1:{port}"):
        assert connect() == Connection("offline", f"127.0.0.1:{port} does not answer")


def test_a_name_lookup_that_hangs_is_given_up(tmp_path: Path) -> None:
    with clean_client(tmp_path, WANDB_API_KEY=KEY, WANDB_BASE_URL="http://wandb.invalid") as patch:
        patch.setattr("socket.create_connection", _hang)
        start = time.monotonic()
        assert connect(timeout=0.2) == Connection("offline", "wandb.invalid:80 does not answer")
        assert time.monotonic() - start < 1.5


def test_the_proxy_is_asked_where_there_is_one(tmp_path: Path, server: str) -> None:
    proxied = {"WANDB_API_KEY": KEY, "WANDB_BASE_URL": "https://wandb.invalid"}
    with clean_client(tmp_path, https_proxy=f"http://{server}", **proxied):
        assert connect() == Connection("online")
    with clean_client(tmp_path, https_proxy=f"http://{server}", no_proxy="wandb.invalid", **proxied):
        assert connect(timeout=0.5).mode == "offline"


@pytest.mark.parametrize(("asked", "mode"), [("offline", "offline"), ("dryrun", "offline"), ("disabled", "disabled")])
def test_wandb_mode_is_respected(tmp_path: Path, server: str, asked: str, mode: str) -> None:
    with clean_client(tmp_path, WANDB_API_KEY=KEY, WANDB_BASE_URL=f"http://{server}", WANDB_MODE=asked):
        assert connect().mode == mode
