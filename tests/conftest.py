"""What all tests share."""

import os
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = [
    "tests.fixtures.attack_epoch",
    "tests.fixtures.attacked_twice",
    "tests.fixtures.commands",
    "tests.fixtures.small_double",
    "tests.fixtures.spoilt",
    "tests.fixtures.warm_run",
]

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


# A shell starts what it puts into the background with interrupts ignored, and that is inherited by all that are tested.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """In CI a skipped test is a failed one: what is asked for there has to run."""
    report = yield
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def isic_root() -> Path:
    """The ISIC 2018 sample of real images, which lies beside the checkout or nowhere."""
    root = SHARED_DATA / "isic2018-mini"
    if not root.is_dir():
        pytest.skip("no sample of real images beside the checkout")
    return root


@pytest.fixture(scope="session")
def rim_one_root() -> Path:
    """The two RIM-ONE images of the ASMA paper's public code, which lie beside the checkout or nowhere."""
    root = SHARED_DATA / "rimone-asma-samples"
    if not root.is_dir():
        pytest.skip("no sample of real images beside the checkout")
    return root
