"""The leaderboard's lines and columns."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.report.tables.leaderboard import Cell, leaderboard
from benchmark.results.entries import differing_settings, entries
from benchmark.results.loaded_runs import Results, read_results
from tests.made_run import make_run, random_rows

IDS = [f"im{k}" for k in range(9)]


def _results(tmp_path: Path, **configs: dict[str, Any]) -> Results:
    folders = [
        make_run(tmp_path / name, random_rows("asma", IDS, k, victim=name, run=name), pictures=False, config=config)
        for k, (name, config) in enumerate(configs.items())
    ]
    return read_results(folders)


def test_every_number_is_that_of_the_rows(tmp_path: Path) -> None:
    rows = [*random_rows("asma", IDS, 1), *random_rows("dag", IDS, 2)]
    columns, lines = leaderboard(entries(read_results([make_run(tmp_path / "run", rows, pictures=False)])))
    keys = [column.key for column in columns]
    for line in lines:
        found = dict(zip(keys, line, strict=True))
        its = [row for row in rows if row["attack"] == found["attack"].text]
        assert found["success8_rate"].value == pytest.approx(100 * np.mean([row["success8"] for row in its]))
        assert found["clean_iou_truth"].value == pytest.approx(np.mean([row["clean_iou_truth"] for row in its]))
        assert found["clean_iou_truth"].text == f"{np.mean([row['clean_iou_truth'] for row in its]):.3f}"
        for key, name, factor in (("l2.median_all8", "l2", 1), ("linf.median_all8", "linf", 255)):
            norms = [row[name] if row["success8"] else np.inf for row in its]
            median = float(np.median(norms)) * factor
            assert found[key] == (Cell("inf", None) if np.isinf(median) else (found[key].text, pytest.approx(median)))
        assert found["passes.median"].value == np.median([row["passes"] for row in its])
    rates = [line[keys.index("success8_rate")].value for line in lines]
    assert rates == sorted(rates, reverse=True)


def test_what_all_lines_share_is_left_out_and_what_differs_is_shown(tmp_path: Path) -> None:
    config = {"seed": 0, "data": {"root": "a", "size": 64}, "attacks": {"asma": {"max_steps": 5}}}
    other = {"seed": 1, "data": {"root": "b", "size": 64}, "attacks": {"asma": {"max_steps": 9}}}
    compared = entries(_results(tmp_path, unet=config, fpn=other))
    assert differing_settings(compared) == ["attack.max_steps", "seed"]
    columns, lines = leaderboard(compared)
    keys = [column.key for column in columns]
    assert [key for key in keys if key in ("run", "victim", "data", "target")] == ["run", "victim"]
    found = {line[0].text: dict(zip(keys, line, strict=True)) for line in lines}
    assert found["unet"]["attack.max_steps"] == ("5", 5)
    assert found["fpn"]["seed"].text == "1"


def test_an_attacks_own_settings_differ_only_between_equal_attacks(tmp_path: Path) -> None:
    config = {"attacks": {"asma": {"max_steps": 5}, "dag": {"max_steps": 9}}}
    rows = [*random_rows("asma", IDS), *random_rows("dag", IDS)]
    run = make_run(tmp_path / "run", rows, pictures=False, config=config)
    assert differing_settings(entries(read_results([run]))) == []
