"""The real Weights & Biases client, offline and away from the tester's own keys and files."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def clean_client(home: Path, **environment: str) -> Iterator[pytest.MonkeyPatch]:
    """A client that starts afresh: it reads its environment once per process and remembers it."""
    import wandb

    with pytest.MonkeyPatch.context() as patch:
        for name in [*os.environ]:
            if name.startswith("WANDB_") or name.lower().endswith("_proxy"):
                patch.delenv(name)
        for name, value in ({"HOME": str(home), "NETRC": str(home / "netrc")} | environment).items():
            patch.setenv(name, value)
        patch.chdir(home)
        wandb.teardown()
        try:
            yield patch
        finally:
            wandb.teardown()
            os.environ.pop("WANDB_DATA_DIR", None)
