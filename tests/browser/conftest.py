"""Headless Chromium, without a network, and real runs to look at."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark.__main__ import main

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
ARTEFACTS = Path(os.environ.get("TEST_ARTEFACTS", Path(__file__).parents[2] / "build" / "screenshots"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on the path; install Debian's package chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield chromium
        chromium.close()


class Tab:
    """A page that is opened from disk: what it said and what it asked for."""

    def __init__(self, browser: Any, path: Path, width: int, scheme: str = "light", address: str = "") -> None:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, offline=True, color_scheme=scheme, bypass_csp=False
        )
        self.page = context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.resolve().as_uri() + address)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.page, name)

    def until(self, expression: str, seconds: float = 20) -> None:
        """Wait for an expression to hold; Playwright's own polling needs what the page's policy forbids."""
        end = time.monotonic() + seconds
        while not self.page.evaluate(expression):
            assert time.monotonic() < end, f"never came true: {expression}"
            self.page.wait_for_timeout(50)

    def scroll_through(self) -> None:
        """So that everything that waits to be seen is drawn."""
        position = 0
        while position < self.page.evaluate("document.documentElement.scrollHeight"):
            self.page.evaluate(f"scrollTo(0, {position})")
            self.page.wait_for_timeout(80)
            position += 500
        self.page.evaluate("scrollTo(0, 0)")
        self.page.wait_for_timeout(300)

    def keep_screenshot(self, name: str) -> None:
        """Beside the checkout's other build products, to be looked at."""
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=True, animations="disabled")


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """Opens a page: (path, width=1440, scheme="light", address="") -> Tab."""
    opened: list[Tab] = []

    def open_tab(path: Path, width: int = 1440, scheme: str = "light", address: str = "") -> Tab:
        opened.append(Tab(browser, path, width, scheme, address))
        return opened[-1]

    yield open_tab
    for one in opened:
        one.page.context.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core's script."""
    path = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
    if not path.exists():
        pytest.skip("no axe-core; npm ci --prefix tests/browser")
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def real_runs(isic_root: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two victims x two attacks on the sample of real images: four runs, small and short."""
    folder = tmp_path_factory.mktemp("runs")
    common = ["data=isic2018", f"data.root={isic_root}", "data.size=64", "trainer=cpu", "run.name=compared"]
    runs = []
    for victim in ("unet", "deeplabv3plus"):
        trained = folder / victim
        training = ["trainer.max_epochs=8", f"victim={victim}", f"run.dir={trained}"]
        assert main(["train", *common, *training]) == 0
        for attack in ("asma", "pdgd"):
            runs.append(folder / f"{victim}_{attack}")
            given = [f"victim.ckpt={trained}/checkpoints/best.ckpt", f"victim={victim}", f"attack={attack}"]
            assert main(["attack", *common, *given, f"attacks.{attack}.max_steps=60", f"run.dir={runs[-1]}"]) == 0
    return runs
