"""Cards: what a run claims, handed on and read again."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.errors import InputError
from benchmark.results.loaded_runs import read_run
from benchmark.results.result_card import make_card, read_card
from benchmark.runs.folder import RunFolder
from benchmark.runs.tables import RECORDS, Writer
from tests.made_run import make_run, random_rows

CONFIG = {
    "seed": 3,
    "data": {"root": "/home/somebody/data", "size": 64},
    "victim": {"ckpt": "/home/somebody/best.ckpt", "encoder": "resnet18"},
    "run": {"dir": "/home/somebody/runs"},
    "attacks": {"asma": {"max_steps": 7, "rule": {"tau": 0.5}}, "dag": {"max_steps": 9}},
}


def _card(tmp_path: Path) -> tuple[Path, dict[str, Any], list[dict[str, Any]]]:
    rows = random_rows("asma", [f"im{k}" for k in range(12)])
    folder = make_run(
        tmp_path / "run",
        rows,
        pictures=False,
        config=CONFIG,
        environment={"seed": 3, "command_line": ["/home/somebody"]},
    )
    card = make_card(read_run(RunFolder(folder)), "asma")
    path = tmp_path / "card.json"
    path.write_text(json.dumps(card, allow_nan=False))
    return path, card, rows


def test_a_card_says_what_was_measured_and_on_what(tmp_path: Path) -> None:
    path, card, rows = _card(tmp_path)
    read = read_card(path)
    assert read.summary["success8_rate"] == sum(row["success8"] for row in rows) / 12
    assert read.provenance["settings"] == {
        **{"seed": 3, "data.size": 64, "victim.encoder": "resnet18"},
        **{"attack.max_steps": 7, "attack.rule.tau": 0.5},
    }
    merged = RECORDS.merged(tmp_path / "run").read_bytes()
    assert read.provenance["rows_sha256"] == hashlib.sha256(merged).hexdigest()
    assert read.provenance["passes"] == sum(row["passes"] for row in rows)
    assert "somebody" not in json.dumps(card)
    reached = sorted(row["l2"] for row in rows if row["success8"])
    assert read.curves["l2"] == {
        "x": reached,
        "share": pytest.approx([(k + 1) / 12 for k in range(len(reached))]),
        "images": 12,
    }
    assert np.all(np.diff(read.curves["success_passes"]["x"]) > 0)


def test_an_unfinished_run_has_no_card(tmp_path: Path) -> None:
    Writer(tmp_path, RECORDS).append(random_rows("asma", ["a"]))
    run = read_run(RunFolder(tmp_path))
    with pytest.raises(InputError, match=r"has not finished; resume it \(run\.resume="):
        make_card(run, "asma")


def _set(*path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(card: dict[str, Any]) -> None:
        for name in path[:-1]:
            card = card[name]
        card[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_set("kind", value="x"), "is no card"),
        (_set("version", value=2), "is a card of version 2, not 1"),
        (_set("claim", value=None), "lacks its claim, curves or provenance"),
        (_set("claim", "victim", value=["x"]), "the claim's victim is .* and no text"),
        (_set("claim", "success8_rate", value="much"), "the claim's success8_rate is 'much' and no number"),
        (_set("claim", "attacked", value=None), "does not say how many images"),
        (_set("claim", "l2", value=5), "the claim's l2 holds no mean"),
        (_set("claim", "psnr", "mean", value="<b>"), "the claim's psnr holds no mean"),
        (_set("curves", "l2", value=[1]), "the curve l2 holds no x and share"),
        (_set("curves", "l2", "x", value=[1.0]), "the curve l2 holds no x and share of equal length"),
        (_set("curves", "l2", "images", value="many"), "the curve l2 holds something that is no number"),
    ],
)
def test_a_card_that_a_page_could_not_show_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    path, card, _ = _card(tmp_path)
    change(card)
    path.write_text(json.dumps(card))
    with pytest.raises(InputError, match=said):
        read_card(path)


def test_any_other_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_bytes(b"\x00\xff")
    with pytest.raises(InputError, match="cannot be read as a card"):
        read_card(tmp_path / "card.json")
