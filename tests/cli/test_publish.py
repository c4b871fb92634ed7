"""What a finished run shows cannot cost what it measured."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from benchmark.cli import publish as shown
from benchmark.distributed.process_group import ProcessGroup
from benchmark.runs import tables
from benchmark.runs.folder import RunFolder
from benchmark.runs.row_schema import SCHEMA
from benchmark.runs.tables import RECORDS, Writer
from benchmark.tracking.epoch import FinishedEpoch
from benchmark.tracking.guarded_logger import GuardedLogger


def _row(attack: str, image: str, **changes: Any) -> dict[str, Any]:
    """A row of zeros and falsehoods."""
    empty = {"string": "", "int64": 1, "double": 0.0, "bool": False}
    values = {field.name: empty.get(str(field.type), [1, 0, 0, 1]) for field in SCHEMA}
    named = {"attack": attack, "id": image, "family": attack, "norm": "2", "eps": None, "equal_norm": None}
    classes = {"classes": 2, "background": 0, "class_names": '["background", "object"]', "group": None}
    lists = {name: [1.0, 1.0] for name in values if "_class_iou_" in name} | {"target_class_pixels": [1, 0]}
    return values | classes | lists | named | changes


def _begun(folder: Path, *rows: dict[str, Any]) -> None:
    """A run that has these rows."""
    Writer(folder, RECORDS).append(list(rows))
    RunFolder(folder).write_environment({})


def _show(folder: Path, monkeypatch: pytest.MonkeyPatch, *rows: dict[str, Any]) -> None:
    """Show a run of these rows without its pictures."""
    _begun(folder, *rows)
    monkeypatch.setattr(shown, "draw_montages", lambda *_: {})
    shown.show(SimpleNamespace(folder=RunFolder(folder), processes=ProcessGroup()), [], None)  # type: ignore[arg-type]


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


ALWAYS = {"environment.json", "records.parquet", "traces.parquet", "summary.json", "report.html"}


def test_several_attacks_leave_a_comparison_and_curves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _show(tmp_path, monkeypatch, _row("asma", "a"), _row("dag", "a"))
    assert _names(tmp_path) == ALWAYS | {"comparison.md", "curves.png"}
    printed = capsys.readouterr().out
    assert f"table    {tmp_path / 'comparison.md'}" in printed
    assert f"curves   {tmp_path / 'curves.png'}" in printed


def test_one_attack_has_nothing_to_be_compared_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _show(tmp_path, monkeypatch, _row("asma", "a"), _row("asma", "b"))
    assert _names(tmp_path) == ALWAYS


@pytest.mark.parametrize(("broken", "what"), [("draw_curves", "curves"), ("markdown", "comparison")])
def test_a_failing_drawing_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str, what: str
) -> None:
    def fails(*_: Any) -> None:
        raise MemoryError("too large")

    monkeypatch.setattr(shown, broken, fails)
    with pytest.warns(UserWarning, match=f"no {what}: MemoryError: too large"):
        _show(tmp_path, monkeypatch, _row("asma", "a"), _row("dag", "a"))
    assert tables.read(tmp_path).num_rows == 2
    assert _names(tmp_path) >= ALWAYS


class _Listening:
    """A logger that remembers what it is told of."""

    def __init__(self) -> None:
        self.told: list[FinishedEpoch] = []

    def log_attack_epoch(self, epoch: FinishedEpoch) -> None:
        self.told.append(epoch)

    def finish(self, exit_code: int = 0) -> None: ...


class _Failing(_Listening):
    """One that cannot be told."""

    def log_attack_epoch(self, epoch: FinishedEpoch) -> None:
        raise OSError("no network")


def test_no_drawing_and_no_logger_costs_the_rows_or_another_logger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: Any) -> None:
        raise MemoryError("too large")

    for drawing in ("markdown", "draw_curves", "draw_montages", "write_page"):
        monkeypatch.setattr(shown, drawing, fails)
    _begun(tmp_path, _row("asma", "a"), _row("dag", "a"))
    listening = _Listening()
    loggers = [GuardedLogger(one, name) for name, one in (("failing", _Failing()), ("listening", listening))]  # type: ignore[arg-type]
    with pytest.warns(UserWarning, match="no .*: MemoryError: too large") as warned:
        shown.show(SimpleNamespace(folder=RunFolder(tmp_path), processes=ProcessGroup()), loggers, None)  # type: ignore[arg-type]
    assert [str(one.message).split(":")[0] for one in warned] == [
        "no comparison",
        "no curves",
        "no montage",
        "no report",
    ]
    assert _names(tmp_path) == ALWAYS - {"report.html"}
    assert tables.read(tmp_path).num_rows == 2
    (record,) = caplog.records
    assert "logger failing: logging the attack epoch failed, the run goes on (OSError: no network)" in record.message
    (epoch,) = listening.told
    assert epoch.rows.num_rows == 2
    assert [summary["attack"] for summary in epoch.summaries] == ["asma", "dag"]
    assert epoch.montages == {}


def test_of_a_sweep_the_largest_budget_is_pictured(tmp_path: Path) -> None:
    context = SimpleNamespace(folder=RunFolder(tmp_path), run=SimpleNamespace(montage=1))
    sweep = [_row(f"pgd@{eps}", image, family="pgd", eps=eps / 255) for eps in (2, 10) for image in "ba"]
    rows = pa.Table.from_pylist([*sweep, _row("asma", "a")], schema=SCHEMA).to_pylist()
    asked: list[tuple[str, str]] = []
    shown.draw_montages(context, rows, lambda row: asked.append((row["attack"], row["id"])))  # type: ignore[arg-type]
    assert asked == [("asma", "a"), ("pgd@10", "a")]
