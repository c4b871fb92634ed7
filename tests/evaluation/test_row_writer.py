"""A finished image as picture, trace and row, in that order."""

import hashlib
import itertools
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from benchmark.attacks.asma import ASMA
from benchmark.criterion import Criterion
from benchmark.engine.jobs import Finished, Job
from benchmark.engine.model import AttackedModel
from benchmark.evaluation import row_writer
from benchmark.evaluation.case import Case
from benchmark.evaluation.plan import Attack, Plan
from benchmark.evaluation.row_writer import RowWriter, RunInfo, trace_rows
from benchmark.images.image_files import load_picture
from benchmark.images.label_maps import VOID, load_map
from benchmark.runs import row_schema, tables
from benchmark.runs.folder import RunFolder
from benchmark.runs.tables import RECORDS, TRACES
from benchmark.targets import OtherImage
from tests.evaluation.made_case import make_case


class _Threshold(nn.Module):
    """Class 1 where the first channel is above one half."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        score = self.scale * (images[:, :1] - 0.5)
        return torch.cat([-score, score], 1)


def _case(group: str = "") -> Case:
    truth = _blocks(torch.tensor([[1, 1], [0, 0]]))
    drawn = {"target_name": "other_image:im2", "target_draw": 2, "target_draws": 3, "target_too_close": True}
    return make_case(truth.float().expand(3, 8, 8), truth, id="im/1", group=group, **drawn)


def _blocks(quarters: torch.Tensor) -> torch.Tensor:
    """(8, 8), each value a block of 16 pixels."""
    return quarters.repeat_interleave(4, 0).repeat_interleave(4, 1)


def _finished(case: Case, adv: torch.Tensor, steps: int = 3) -> Finished:
    def predicted(image: torch.Tensor) -> torch.Tensor:
        return (image[0] > 0.5).long()

    trace: list[dict[str, float]] = [
        {"step": float(step), "iou": 0.5, "pixel_acc": 0.5, "l2": 1.0, "linf": 0.1} for step in range(steps)
    ]
    return Finished(
        job=Job(id=case.id, image=case.image, labels=case.target, valid=case.valid, truth=case.truth),
        adv=adv,
        clean_preds=predicted(case.image),
        adv_preds=predicted(adv),
        adv8_preds=predicted((adv * 255).round() / 255),
        success_clean=False,
        success=True,
        success8=True,
        steps=steps,
        kept_step=steps,
        forwards=steps + 2,
        backwards=steps,
        success_passes=None,
        seconds=0.5,
        zero_gradients=0,
        nonfinite_gradient=False,
        at_floor=False,
        trace=trace,
    )


def _writer(folder: Path, background_writer: bool | None = None) -> RowWriter:
    plan = Plan(
        attacks={"asma": Attack(ASMA()), "two": Attack(ASMA())},
        target=OtherImage(0),
        judge=Criterion(),
        engine={},
        seed=7,
        background_writer=background_writer,
    )
    data: Any = SimpleNamespace(name="d", classes=2, background=0, bits=8, scored_names=("skin", "lesion"))
    return RowWriter(
        RunFolder(folder), RunInfo(plan=plan, data=data, run="r", victim="v"), AttackedModel(_Threshold(), 64)
    )


def test_the_row_is_measured_from_the_file(tmp_path: Path) -> None:
    case = _case("patient")
    # The threshold is at 127.5: 127.6 is above it also when rounded, 127.4 below.
    adv = _blocks(torch.tensor([[127.4 / 255, 0.0], [127.6 / 255, 1.0]])).expand(3, 8, 8)
    (row,) = _writer(tmp_path).write("asma", _finished(case, adv), case)
    assert (row["run"], row["victim"], row["data"], row["attack"], row["id"]) == ("r", "v", "d", "asma", "im/1")
    assert (row["group"], row["target"], row["judge"]) == ("patient", "other_image:im2", "iou to target >= 0.95")
    assert (row["height"], row["width"], row["classes"], row["background"], row["valid_pixels"]) == (8, 8, 2, 0, 64)
    assert (row["target_draw"], row["target_draws"], row["target_too_close"]) == (2, 3, True)
    assert (row["target_pixels"], row["iou_target_truth"]) == (32, 0)
    assert (row["clean_iou_truth"], row["clean_iou_target"]) == (1, 0)
    assert (row["adv8_iou_target"], row["adv8_iou_truth"]) == (1, 0)
    assert row["adv8_confusion_truth"] == [0, 32, 32, 0]
    assert row["success8"] is True
    delta = (adv - case.image).double()
    assert row["l2"] == pytest.approx(delta.norm().item())
    assert row["linf"] == pytest.approx(1.0)
    assert row["l0"] == 64
    assert (row["split"], row["seed"], row["adv8_linf"]) == ("test", 7, 1.0)
    rounded = (adv * 255).round() / 255 - case.image
    assert row["adv8_l2"] == pytest.approx(rounded.double().norm().item())
    assert row["adv8_l2"] != pytest.approx(row["l2"], rel=1e-4)
    assert tables.read(tmp_path).to_pylist() == [row]
    path = RunFolder(tmp_path).adversarial("asma", "im/1")
    assert path.name == "im%2F1.png"
    assert row["adv8_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert TRACES.read(tmp_path)["step"].to_pylist() == [0, 1, 2]


def test_all_pictures_of_an_image_are_saved(tmp_path: Path) -> None:
    case = _case()
    hidden = case.valid.clone()
    hidden[:4] = False
    case = replace(case, valid=hidden, target_valid=hidden & (case.truth == 0))
    finished = _finished(case, case.target.float().expand(3, 8, 8))
    _writer(tmp_path).write("two", finished, case)
    result = {
        name: load_map(RunFolder(tmp_path).picture(name, "im/1"), inside=tmp_path)
        for name in ("truth", "target", "prediction")
    }
    assert result["truth"][:4].tolist() == [[VOID] * 8] * 4
    assert result["truth"][4:].tolist() == case.truth[4:].tolist()
    assert (result["target"] != VOID).tolist() == case.target_valid.tolist()
    assert result["prediction"].tolist() == finished.clean_preds.tolist()
    assert (
        load_map(RunFolder(tmp_path).prediction("two", "im/1"), inside=tmp_path).tolist()
        == finished.adv8_preds.tolist()
    )
    assert torch.equal(load_picture(RunFolder(tmp_path).picture("clean", "im/1"), inside=tmp_path), case.image)


def test_there_is_no_row_for_a_file_that_holds_another_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = _case()
    save = row_writer.save_picture
    monkeypatch.setattr(row_writer, "save_picture", lambda adv, path, grid: save(case.image, path, grid))
    with pytest.raises(RuntimeError, match=r"im%2F1\.png: does not hold the image that was written"):
        _writer(tmp_path).write("asma", _finished(case, case.target.float().expand(3, 8, 8)), case)
    assert not RECORDS.exists(tmp_path)


def test_success8_is_judged_on_the_rounded_image(tmp_path: Path) -> None:
    case = _case()
    finished = replace(_finished(case, case.target.float().expand(3, 8, 8)), adv8_preds=case.truth)
    (row,) = _writer(tmp_path).write("asma", finished, case)
    assert (row["success"], row["success8"]) == (True, False)
    assert (row["adv_iou_target"], row["adv8_iou_target"]) == (1, 0)


def test_a_background_writer_writes_the_same(tmp_path: Path) -> None:
    case = _case()
    finished = [_finished(case, case.image, steps) for steps in (1, 2)]
    names = ("asma", "two")
    threaded = _writer(tmp_path / "threaded", background_writer=True)
    for name, one in zip(names, finished, strict=True):
        threaded.write(name, one, case)
    threaded.close()
    plain = _writer(tmp_path / "plain")
    for name, one in zip(names, finished, strict=True):
        plain.write(name, one, case)
    for table in (RECORDS, TRACES):
        assert table.read(tmp_path / "threaded").equals(table.read(tmp_path / "plain"))
    files = [sorted(p.relative_to(f) for p in f.rglob("*.png")) for f in (tmp_path / "threaded", tmp_path / "plain")]
    assert files[0] == files[1]


def test_an_unknown_group_is_null(tmp_path: Path) -> None:
    case = _case()
    (row,) = _writer(tmp_path).write("asma", _finished(case, case.image), case)
    assert row["group"] is None


@pytest.mark.parametrize("failing", ["save_picture", "trace_rows"])
def test_there_is_no_row_without_picture_and_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def fails(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(row_writer, failing, fails)
    case = _case()
    with pytest.raises(OSError, match="no space left"):
        _writer(tmp_path).write("asma", _finished(case, case.image), case)
    assert not RECORDS.exists(tmp_path)


@pytest.mark.parametrize(("steps", "kept"), [(0, 0), (1, 1), (200, 200), (201, 200), (777, 200)])
def test_traces_are_thinned_evenly_with_both_ends(steps: int, kept: int) -> None:
    case = _case()
    thinned = trace_rows("asma", _finished(case, case.image, steps))
    assert len(thinned) == kept
    result = [row["step"] for row in thinned]
    assert result == sorted(set(result))
    if steps:
        assert (result[0], result[-1]) == (0, steps - 1)
        gaps = [after - before for before, after in itertools.pairwise(result)]
        assert not gaps or max(gaps) - min(gaps) <= 1
    assert all(set(row) == set(row_schema.TRACE_SCHEMA.names) for row in thinned)
    assert all(row["loss"] is None for row in thinned)


def test_what_a_rule_reports_is_in_its_trace() -> None:
    case = _case()
    finished = _finished(case, case.image, 1)
    finished.trace[0] |= {"multiplier": 0.25, "id": 3.0}
    (row,) = trace_rows("asma", finished)
    assert (row["multiplier"], row["id"], row["attack"]) == (0.25, "im/1", "asma")
