"""The page as a file: every number is that of the rows, nothing is asked for, whatever is shown is escaped."""

import base64
import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from benchmark.report.page.page import write_page
from benchmark.results.loaded_runs import read_results
from tests.made_run import make_run, random_rows
from tests.report.page.page_reader import Page

IDS = [f"im{k}" for k in range(12)]
HOSTILE = "<script>alert('1')</script><img src=x onerror=alert(1)>\"'&"


def _page(tmp_path: Path, *folders: Path) -> Page:
    return Page(write_page(read_results(folders), tmp_path / "page.html"))


def test_the_tiles_are_computed_from_the_rows(tmp_path: Path) -> None:
    rows = random_rows("asma", IDS, 3)
    rows[0] |= {"success_clean": True}
    page = _page(tmp_path, make_run(tmp_path / "run", rows))
    attacked = rows[1:]
    hits = sum(row["success8"] for row in attacked)
    found = {key: text for (_, key), (text, _) in page.tiles.items()}
    assert page.tiles["asma · victim", "success8_rate"][1].startswith(f"{hits} of 11; 95 %: ")
    assert found["success8_rate"] == f"{100 * hits / 11:.1f} %"
    assert found["clean_iou_truth"] == f"{np.mean([row['clean_iou_truth'] for row in rows]):.3f}"
    assert found["adv8_iou_target"] == f"{np.mean([row['adv8_iou_target'] for row in rows]):.3f}"
    for key, name, factor, decimals in (("l2", "l2", 1, 3), ("linf", "linf", 255, 2)):
        median = np.median([row[name] if row["success8"] else np.inf for row in attacked])
        assert found[f"{key}.median_all8"] == ("inf" if np.isinf(median) else f"{factor * median:.{decimals}f}")
    passes = np.median([row["success_passes"] if row["success8"] else np.inf for row in attacked])
    assert found["success_passes.median_all"] == ("inf" if np.isinf(passes) else f"{passes:.0f}")


def test_the_tables_are_computed_from_the_rows(tmp_path: Path) -> None:
    rows = [*random_rows("asma", IDS, 3), *random_rows("dag", IDS, 4)]
    page = _page(tmp_path, make_run(tmp_path / "run", rows, pictures=False))
    (caption,) = [name for name in page.tables if name.startswith("Leaderboard")]
    header, *lines = page.tables[caption]
    titles = [text for text, _ in header]
    assert len(lines) == 2
    for line in lines:
        found = dict(zip(titles, line, strict=True))
        its = [row for row in rows if row["attack"] == found["attack"][0]]
        assert float(str(found["success, %"][1])) == pytest.approx(100 * np.mean([row["success8"] for row in its]))
        assert found["IoU to target"][0] == f"{np.mean([row['adv8_iou_target'] for row in its]):.3f}"
    (caption,) = [name for name in page.tables if name.startswith("2 attacks by L2")]
    for name, success, *_ in page.tables[caption][1:]:
        its = [row for row in rows if row["attack"] == name[0]]
        assert success[0] == f"{100 * np.mean([row['success8'] for row in its]):.1f}"


def test_the_figures_have_their_numbers_beside_them(tmp_path: Path) -> None:
    page = _page(tmp_path, make_run(tmp_path / "run", random_rows("asma", IDS)))
    keys = re.findall(r'data-plot="([^"]+)"', page.text)
    assert keys == [plot["key"] for plot in page.data["plots"]] == ["norm-l2", "passes", "steps", "distribution"]
    for title in ("Success by L2", "Success by passes", "IoU over steps", "IoU to target, image by image"):
        assert len(page.tables[title]) == 2


def test_attacks_without_a_budget_have_a_league(tmp_path: Path) -> None:
    rows = [*random_rows("asma", IDS, 3), *random_rows("fmn", IDS, 4), *random_rows("linf", IDS, 5, norm="inf")]
    page = _page(tmp_path, make_run(tmp_path / "run", rows, pictures=False))
    assert re.findall(r'<a href="#league">|<section id="league"', page.text) == [
        '<a href="#league">',
        '<section id="league"',
    ]
    (caption,) = [name for name in page.tables if name.startswith("League by")]
    assert caption.startswith("League by L2 · targeted")
    assert {line[0][0] for line in page.tables[caption][1:]} == {"asma", "fmn"}
    assert re.findall(r'data-plot="(league[^"]+)"', page.text) == ["league-0-0"]
    assert page.data["plots"][-1]["key"] == "league-0-0"


def test_an_attack_alone_has_no_league(tmp_path: Path) -> None:
    page = _page(tmp_path, make_run(tmp_path / "run", random_rows("asma", IDS), pictures=False))
    assert "#league" not in page.text


def test_nothing_is_asked_for_and_only_its_own_scripts_run(tmp_path: Path) -> None:
    page = _page(tmp_path, make_run(tmp_path / "run", random_rows("asma", IDS)))
    assert [link for link in page.links if not link.startswith(("#", "data:"))] == []
    policy = dict(part.strip().split(" ", 1) for part in page.policy.split(";"))
    assert policy["default-src"] == "'none'"
    scripts = re.findall(r"<script>(.*?)</script>", page.text, flags=re.DOTALL)
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in scripts]
    assert policy["script-src"].split(" ") == hashes
    assert len(scripts) == 7


def test_names_are_text_wherever_they_are_shown(tmp_path: Path) -> None:
    rows = random_rows(HOSTILE, [HOSTILE, "b"], victim=HOSTILE, data=HOSTILE, judge=HOSTILE, target=HOSTILE)
    config = {"data": {HOSTILE: HOSTILE}, "attacks": {}}
    environment = {"command_line": [HOSTILE], "platform": HOSTILE, "packages": {HOSTILE: HOSTILE}}
    folder = make_run(tmp_path / "run", rows, config=config, environment=environment)
    page = _page(tmp_path, folder)
    assert page.text.count("<script>alert") == page.text.count("<img") == 0
    assert page.data["entries"][0]["attack"] == HOSTILE
    assert page.data["entries"][0]["ids"] == sorted([HOSTILE, "b"])


def test_a_failed_write_leaves_the_old_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_run(tmp_path / "run", random_rows("asma", IDS))
    page = write_page(read_results([folder]), folder / "report.html")
    before = page.read_bytes()
    monkeypatch.setattr(
        "benchmark.report.page.page.gallery", lambda *_: {"entries": [], "cases": {}, "bad": float("nan")}
    )
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_page(read_results([folder]), page)
    assert page.read_bytes() == before
    assert [path.name for path in folder.glob("*report*")] == ["report.html"]
