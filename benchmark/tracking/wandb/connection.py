"""Whether Weights & Biases can be reached, checked before its client starts, which could prompt or hang."""

import logging
import netrc
import os
import socket
import threading
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

log = logging.getLogger(__name__)

TIMEOUT = 3.0  # seconds for name lookup and connection together


@dataclass(frozen=True)
class Connection:
    """The `mode` of `wandb.init`, "online", "offline", "disabled" or "shared", and the reason why it is offline."""

    mode: str
    reason: str = ""


def connect(timeout: float = TIMEOUT) -> Connection:
    """Decide how the client should run: as WANDB_MODE says, but offline without a key or without an answer of the host.

    Host and mode come from the settings of the client (environment, then its configuration files). A key is looked for
    where the client does: WANDB_API_KEY, an identity token file, netrc. There is no prompt. `timeout` is in seconds,
    for name lookup and connection together.
    """
    import wandb

    settings = wandb.setup().settings
    mode = {"dryrun": "offline", "run": "online"}.get(settings.mode, settings.mode)
    if mode == "offline":
        return Connection("offline", "as WANDB_MODE or `wandb offline` says")
    if mode != "online":
        return Connection(mode)
    url = urlsplit(settings.base_url)
    if not _has_key(settings, url):
        return Connection("offline", f"no API key for {url.hostname}")
    host, port = _first_hop(settings, url)
    if not _answers(host, port, timeout):
        return Connection("offline", f"{host}:{port} does not answer")
    return Connection("online")


def _has_key(settings: Any, url: SplitResult) -> bool:
    if settings.api_key or getattr(settings, "identity_token_file", None) or os.environ.get("WANDB_API_KEY"):
        return True
    files = [os.environ["NETRC"]] if os.environ.get("NETRC") else ["~/.netrc", "~/_netrc"]
    # The hosted service has changed its address; the client still takes keys stored for the old one.
    hosted = (url.hostname or "").endswith(("coreweave.com", "wandb.ai"))
    hosts = [url.netloc, url.hostname or "", *(["api.wandb.ai"] if hosted else [])]
    known: set[str] = set()
    for file in files:
        with suppress(OSError, netrc.NetrcParseError, RuntimeError):  # RuntimeError: no home directory
            known |= netrc.netrc(Path(file).expanduser()).hosts.keys()
    return not known.isdisjoint(hosts)


def _first_hop(settings: Any, url: SplitResult) -> tuple[str, int]:
    """(host, port) of the proxy, if one is configured for the host, else of the host."""
    host = url.hostname or ""
    proxy = getattr(settings, f"{url.scheme}_proxy", None)
    if not proxy and not urllib.request.proxy_bypass(host):
        proxy = urllib.request.getproxies().get(url.scheme)
    if proxy:
        url = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    return url.hostname or "", url.port or (80 if url.scheme == "http" else 443)


def _answers(host: str, port: int, timeout: float) -> bool:
    """Whether a TCP connection opens in time. A thread is needed because a name lookup has no time limit."""
    opened = threading.Event()

    def attempt() -> None:
        with suppress(OSError, UnicodeError):
            socket.create_connection((host, port), timeout).close()
            opened.set()

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(timeout)
    return opened.is_set()
