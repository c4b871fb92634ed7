"""Frauds in copies of a run with warm starts: `verify` names them; docs/verify.md has their table."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.frauds import Fraud
from tests.cli.test_frauds import FRAUDS, assert_named, planted
from tests.cli.warm_frauds import WARM_FRAUDS

PAGE = Path(__file__).parents[2] / "docs" / "verify.md"


def test_the_page_has_every_fraud() -> None:
    text = PAGE.read_text()
    for fraud in (*FRAUDS, *WARM_FRAUDS):
        if fraud.name.startswith("one number of a row: "):
            assert f"`{fraud.name.split(': ')[1]}`" in text
        else:
            row = f"- {fraud.name}\n" if fraud.word is None else f"| {fraud.name} | {fraud.word} |\n"
            assert row in text, row


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.parametrize("fraud", WARM_FRAUDS, ids=lambda fraud: fraud.name)
def test_a_fraud_is_named(command: Callable[..., Any], warm_run: Path, tmp_path: Path, fraud: Fraud) -> None:
    assert_named(command, planted(warm_run, tmp_path / "run", fraud), fraud)
