"""What the page's script is given of every row."""

import json
import math
import os
from pathlib import Path
from urllib.parse import unquote

import pytest

from benchmark.report.page import gallery as module
from benchmark.report.page.gallery import gallery, plain
from benchmark.results.entries import entries
from benchmark.results.loaded_runs import read_results
from tests.made_run import make_run, random_rows

IDS = ["a/b", "b c", "ü?#"]


def test_every_scalar_column_is_there_once_or_for_each_row(tmp_path: Path) -> None:
    rows = random_rows("asma", IDS)
    rows[1]["psnr"] = math.inf
    found = gallery(entries(read_results([make_run(tmp_path / "run", rows)])), tmp_path / "page.html")
    (entry,) = found["entries"]
    assert entry["ids"] == sorted(IDS)
    assert entry["columns"]["victim"] == "victim"
    by_id = {row["id"]: row for row in rows}
    assert entry["columns"]["l2"] == pytest.approx([by_id[name]["l2"] for name in entry["ids"]], rel=1e-6)
    assert entry["columns"]["psnr"] == [0.5, "inf", 0.5]
    assert not [name for name in entry["columns"] if name.endswith("confusion_truth")]
    assert entry["traces"][0] == {"step": [0, 1, 2, 3, 4], "iou": [0.3, 0.4, 0.5, 0.6, 0.7], "l2": [0, 1, 2, 3, 4]}
    json.dumps(found, allow_nan=False)


def test_pictures_are_inside_and_their_files_are_found_from_the_page(tmp_path: Path) -> None:
    rows = [*random_rows("asma", IDS), *random_rows("dag", IDS)]
    run = make_run(tmp_path / "runs" / "one", rows)
    (tmp_path / "pages").mkdir()
    page = tmp_path / "pages" / "page.html"
    found = gallery(entries(read_results([run])), page)
    (case,) = found["cases"].values()
    assert sorted(case) == sorted(IDS)
    assert set(case["a/b"]) == {"clean", "truth", "target", "prediction"}
    for entry in found["entries"]:
        for pictures, files in zip(entry["pictures"], entry["files"], strict=True):
            assert set(pictures) == {"adversarial", "fooled", "change", "scale"}
            assert set(files) == {"clean", "truth", "target", "prediction", "adversarial", "fooled"}
            assert all((page.parent / unquote(address)).is_file() for address in files.values())
            assert not [address for address in files.values() if "#" in address or "?" in address]


def test_of_many_rows_the_first_are_embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PICTURES", 4)
    ids = [f"im{k}" for k in range(5)]
    run = make_run(tmp_path / "run", [*random_rows("asma", ids), *random_rows("dag", ids)])
    found = gallery(entries(read_results([run])), tmp_path / "run" / "report.html")
    for entry in found["entries"]:
        assert [pictures is not None for pictures in entry["pictures"]] == [True, True, False, False, False]
        assert all(entry["files"])
        assert entry["files"][0]["clean"] == "pictures/clean/im0.png"


def test_cards_say_what_is_left_of_an_erased_structure(tmp_path: Path) -> None:
    rows = random_rows("asma", ["a", "b"])
    for row in rows:
        row |= {"targeted": True, "judge": "iou to target >= 0.95", "target_pixels": 0 if row["id"] == "a" else 7}
    run = make_run(tmp_path / "run", rows, pictures=False)
    (entry,) = gallery(entries(read_results([run])), tmp_path / "page.html")["entries"]
    erased, other = entry["left"]
    assert erased.endswith("% of the structure left (at most 1)")
    assert other is None


def test_a_run_without_pictures_still_has_its_rows(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", random_rows("asma", IDS), pictures=False)
    (entry,) = gallery(entries(read_results([run])), tmp_path / "page.html")["entries"]
    assert entry["pictures"] == entry["files"] == [None] * 3


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1 / 3, 0.3333333),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (math.nan, None),
        (None, None),
        (True, True),
        ("x", "x"),
    ],
)
def test_what_json_can_hold(value: object, shown: object) -> None:
    assert plain(value) == shown


def test_addresses_do_not_depend_on_where_the_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path / "run", random_rows("asma", ["a"]))
    monkeypatch.chdir(tmp_path)
    relative = Path(os.path.relpath(run))
    (entry,) = gallery(entries(read_results([relative])), relative / "report.html")["entries"]
    assert entry["files"][0]["adversarial"] == "adversarial/asma/a.png"
