"""The page about the check of a victim lists its findings, and its example runs."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.evaluation.victim_findings import REFUSING
from tests.fixtures.broken_victims import DOUBTS
from tests.fixtures.checked_images import DiscFinder, disc_items

PAGE = (Path(__file__).parents[2] / "docs" / "victim_check.md").read_text(encoding="utf-8")


def test_every_finding_has_its_line() -> None:
    rows = re.findall(r"^\| (`.*?`) \| (refused|doubt) \|", PAGE, re.MULTILINE)
    listed = {name: kind for names, kind in rows for name in re.findall(r"`(\w+)`", names)}
    assert {name for name, kind in listed.items() if kind == "refused"} == set(REFUSING)
    made = {finding for finding, _ in DOUBTS.values()} | {"randomness", "drift", "changing_state", "class_names"}
    assert {name for name, kind in listed.items() if kind == "doubt"} == made


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    items = disc_items()
    loader = [tuple(torch.stack([item[name] for item in items]) for name in ("image", "mask"))]
    names: dict[str, Any] = {"model": DiscFinder(), "loader": loader}
    exec(code, names)
    assert re.fullmatch(r"0\.9\d+ \[0\.9\d+, 0\.9\d+\]\n", capsys.readouterr().out)
