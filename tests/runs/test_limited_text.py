"""Text and JSON of a stranger: size, depth, count and numbers are limited, and only regular files are read."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from benchmark.runs.limited_text import check_plain, parse_json, read_json, read_text
from benchmark.runs.recorded_entries import wrong_entry


def test_what_a_file_says_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": [1, -2.5, null, true, "é"]}')
    assert read_json(tmp_path / "a.json", 100) == {"a": [1, -2.5, None, True, "é"]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "nests more than 64 deep"),
        ('{"a":' * 80 + "1" + "}" * 80, "nests more than 64 deep"),
        ("[1e5, 1" + "0" * 10**6 + "]", "a whole number beyond 64 bits"),
        ("[-9999999999999999999]", "a whole number beyond 64 bits"),
        ("{", "Expecting"),
    ],
)
def test_json_that_is_refused(text: str, reason: str) -> None:
    began = time.monotonic()
    with pytest.raises(ValueError, match=reason):
        parse_json(text)
    assert time.monotonic() - began < 1


def test_lists_that_hold_each_other_many_times_are_refused_at_once() -> None:
    value: Any = 1
    for _ in range(50):
        value = [value, value]
    with pytest.raises(ValueError, match="it holds more than 10000 values"):
        check_plain(value, most=10_000)
    value = []
    value.append(value)
    with pytest.raises(ValueError, match="nests more than 64 deep"):
        check_plain(value)
    with pytest.raises(ValueError, match="it holds a bytes"):
        check_plain({"a": [b""]})
    with pytest.raises(ValueError, match="it has a tuple as a name"):
        check_plain({(1,): 1})


def test_what_is_no_file_of_the_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "secret").write_text("{}")
    (tmp_path / "run" / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "run" / "pipe")
    for name in ("link", "pipe", ".", "none", "../secret"):
        with pytest.raises(ValueError, match=r".+") as raised:
            read_text(tmp_path / "run" / name, 100, inside=tmp_path / "run")
        assert "\n" not in str(raised.value)
    assert read_text(tmp_path / "secret", 2) == "{}"
    with pytest.raises(ValueError, match="larger than 1 bytes"):
        read_text(tmp_path / "secret", 1)


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("run_id", "../../x"),
        ("overrides", [{"a": 1}]),
        ("shares", [{"seconds": "1"}]),
        ("shares", "1"),
        ("packages", {"torch": [1]}),
        ("gpus", {"a": 1}),
        ("cpus", -1),
        ("weights_sha256", {}),
        ("trained", {"epochs": "x"}),
        ("resumed", ["x"]),
    ],
)
def test_entries_of_another_kind_are_named(entry: str, value: object) -> None:
    assert wrong_entry({"data": "isic2018", entry: value}).startswith(f"its {entry} is not a ")


def test_further_entries_are_data() -> None:
    assert wrong_entry({"further": {"a": [1]}, "weights_sha256": None, "shares": [{"seconds": 1.5}]}) is None
