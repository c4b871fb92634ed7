"""The page about the check of a victim lists its findings, and its example runs."""

import re
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.evaluation.victim_check import check_victim
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
    _, code = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    items = disc_items()
    loader = [tuple(torch.stack([item[name] for item in items]) for name in ("image", "mask"))]
    names: dict[str, Any] = {"model": DiscFinder(), "loader": loader}
    exec(code, names)
    assert re.fullmatch(r"0\.9\d+ \[0\.9\d+, 0\.9\d+\]\n", capsys.readouterr().out)


def test_a_program_that_returns_probabilities(tmp_path: Path) -> None:
    code, _ = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    images = torch.stack([item["image"] for item in disc_items()])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that torch.export is preferred
        torch.jit.save(torch.jit.trace(DiscFinder(end=lambda z: z.softmax(1)), images), tmp_path / "model.ts")
    names: dict[str, Any] = {}
    exec(code, names)
    network = names["load"](str(tmp_path / "model.ts"))
    assert check_victim(network, images, classes=2, background=0).findings == []
