"""Writes what is kept of an attacked image: pictures, then the trace, then the row, which marks it as complete."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.profiler import record_function

from benchmark.data.bad_files import skipped_count
from benchmark.data.datamodule import SegmentationData
from benchmark.data.source import FILES
from benchmark.engine.jobs import Finished
from benchmark.engine.model import AttackedModel
from benchmark.evaluation.background_writer import OrderedWorker
from benchmark.evaluation.case import Case
from benchmark.evaluation.plan import Plan
from benchmark.evaluation.scoring import score_norms, score_perturbation, score_target
from benchmark.evaluation.transformed_scores import TransformedScores
from benchmark.images.image_files import load_picture, save_picture
from benchmark.images.label_maps import VOID, save_map
from benchmark.images.quantisation import Quantizer
from benchmark.label_subsets import are_subsets
from benchmark.regular_files import file_sha256
from benchmark.runs.folder import RunFolder
from benchmark.runs.layout import Picture
from benchmark.runs.points import point_sha256, save_point
from benchmark.runs.row_files import RowFiles
from benchmark.runs.row_schema import COLD_COLUMNS
from benchmark.runs.tables import RECORDS, TRACES, Writer

TRACE_POINTS = 200
"""Steps of an image that are kept in its trace, at most."""

_MOST_WAITING = 32  # finished images that may wait for the disk, each with two floats per value

# The attributes of `engine.Finished` that are columns under their own names.
_FROM_ENGINE = (
    *("success", "success_clean", "nonfinite_gradient", "at_floor", "steps", "kept_step", "forwards", "backwards"),
    *("success_passes", "zero_gradients", "seconds"),
)

Row = dict[str, Any]

ROWS = "attack: rows"
"""The name under which profilers list the writing of pictures and rows."""


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """What the rows of a run have in common.

    Attributes:
        plan, data: of the run.
        run, victim: their names.
        weights_sha256, data_fingerprint: identify victim and data; None: unknown.
    """

    plan: Plan
    data: SegmentationData
    run: str = ""
    victim: str = ""
    weights_sha256: str | None = None
    data_fingerprint: str | None = None

    @property
    def quantizer(self) -> Quantizer:
        """Of the saved images."""
        return Quantizer(self.data.bits)

    def columns(self) -> Row:
        """The columns that are the same in all rows."""
        return {
            "run": self.run,
            "victim": self.victim,
            "data": str(self.data.name),
            "labels": getattr(self.data, "labels", FILES),
            "skipped": skipped_count(self.data),
            "seed": self.plan.seed,
            "judge": str(self.plan.judge),
            "classes": self.data.classes,
            "background": self.data.background,
            "overlapping": are_subsets(self.data.background),
            "class_names": json.dumps(self.data.scored_names),
            "weights_sha256": self.weights_sha256,
            "data_fingerprint": self.data_fingerprint,
        }


class RowWriter:
    """Writes attacked images into a run's folder; to be closed at the end.

    Args:
        folder: of the run.
        info: for all rows; its plan has the defences and says whether a thread writes (`background_writer`; None: a
            thread writes unless the network is on a CPU, where attacks can use all cores).
        network: the frozen model, which predicts the images after a defence.
        rank: of this process, in the names of part files.
        complete: ids of the images whose shared pictures are there, because an earlier row refers to them.
    """

    def __init__(
        self, folder: RunFolder, info: RunInfo, network: AttackedModel, rank: int = 0, complete: Collection[str] = ()
    ) -> None:
        self._folder, self._info, self._network, self._quantizer = folder, info, network, info.quantizer
        self._transformed = TransformedScores(info.plan.defences, self._scores)
        threaded = info.plan.background_writer
        if threaded is None:
            threaded = network.device.type != "cpu"
        self._worker: OrderedWorker[Row] = OrderedWorker(_MOST_WAITING if threaded else 0)
        self._rows, self._traces = Writer(folder.path, RECORDS, rank), Writer(folder.path, TRACES, rank)
        self._complete, self._files = set(complete), RowFiles(folder)

    def write(self, attack: str, finished: Finished, case: Case) -> list[Row]:
        """Save pictures, trace and row, in this order; returns the rows completed since the last call.

        No prediction is made while files are written: the 8-bit columns are those of `finished.adv8_preds`, and the
        saved file is read again to make sure that it holds the image of that prediction.
        """
        adv8 = self._quantizer.round(finished.adv).float()
        transformed = self._transformed.columns(case, adv8)
        return self._worker.submit(partial(self._save, attack, finished, case, adv8, transformed))

    def flush(self) -> list[Row]:
        """Wait until everything is saved; returns the rows completed since the last call."""
        return self._worker.flush()

    def close(self) -> None:
        """Save what is waiting, even after an error."""
        self._worker.close()

    @torch.no_grad()
    def _save(self, attack: str, finished: Finished, case: Case, adv8: Tensor, transformed: Row) -> Row:
        with record_function(ROWS):
            path = self._folder.adversarial(attack, case.id)
            save_picture(finished.adv, path, self._quantizer)
            if not torch.equal(load_picture(path, inside=self._folder.path), adv8):
                raise RuntimeError(f"{path}: does not hold the image that was written")
            if self._info.plan.is_start(attack):
                save_point(finished.adv.numpy(), self._folder.point(attack, case.id))
            save_map(case.placed(finished.adv8_preds).numpy(), self._folder.prediction(attack, case.id))
            self._save_case(case, finished.clean_preds)
            row = make_row(self._info, attack, finished, case, adv8)
            row |= {"adv8_sha256": file_sha256(path), "pictures_sha256": self._files.pictures_sha256(attack, case.id)}
            row |= transformed
            self._traces.append(trace_rows(attack, finished))
            self._rows.append([row])
            return row

    def _save_case(self, case: Case, clean_preds: Tensor) -> None:
        """Save the pictures that all attacks share, unless an earlier row refers to them."""
        clean = self._folder.picture("clean", case.id)
        if case.id in self._complete and clean.exists():
            return
        maps: dict[Picture, Tensor] = {
            "truth": case.truth.masked_fill(~case.valid, VOID),
            "target": case.target.masked_fill(~case.target_valid, VOID),
            "prediction": case.placed(clean_preds),
        }
        for name, labels in maps.items():
            save_map(labels.numpy(), self._folder.picture(name, case.id))
        save_picture(case.image, clean, self._quantizer)
        self._complete.add(case.id)

    def _scores(self, case: Case, image: Tensor) -> dict[str, Any]:
        return case.scores(self._network.preds(image), self._info.data.classes, self._info.data.background)


def make_row(info: RunInfo, attack: str, finished: Finished, case: Case, adv8: Tensor) -> Row:
    """The columns of `runs.row_schema.SCHEMA` but hashes of pictures, for an image after and before this attack.

    adv8, (C, H, W) in [0, 1], is the adversarial image rounded to the depth of its file.
    """
    classes, background = info.data.classes, info.data.background
    planned, judge, passes = info.plan.attacks[attack], info.plan.judge, finished.forwards + finished.backwards
    preds = {"clean": finished.clean_preds, "adv": finished.adv_preds, "adv8": finished.adv8_preds}
    scores = {
        f"{prefix}_{name}": value
        for prefix, one in preds.items()
        for name, value in case.scores(one, classes, background).items()
    }
    rounded = score_norms(case.image, adv8)
    return {
        **info.columns(),
        **planned.columns(attack),
        **case.columns(),
        **score_target(case.truth, case.target, case.target_valid, classes, background),
        **{name: getattr(finished, name) for name in _FROM_ENGINE},
        "success8": case.success(judge, finished.adv8_preds, planned.rule.targeted, classes, background),
        "passes": passes,
        "passes_saved": planned.passes_saved(passes, info.plan.engine.get("max_passes")),
        "point_sha256": point_sha256(finished.adv.numpy()) if info.plan.is_start(attack) else None,
        "start_sha256": None if finished.job.start is None else point_sha256(finished.job.start.numpy()),
        **_cold_columns(case, finished.cold, info, planned.rule.targeted),
        **score_perturbation(case.image, finished.adv),
        **{f"adv8_{name}": rounded[name] for name in ("l1", "l2", "linf", "psnr")},
        **scores,
    }


def _cold_columns(case: Case, cold: Finished | None, info: RunInfo, targeted: bool) -> Row:
    """The columns `COLD_COLUMNS`, null if the image was not started cold, too."""
    if cold is None:
        return dict.fromkeys(COLD_COLUMNS)
    kind = (info.data.classes, info.data.background)
    success, scores = (
        case.success(info.plan.judge, cold.adv8_preds, targeted, *kind),
        case.scores(cold.adv8_preds, *kind),
    )
    values = (cold.steps, cold.forwards + cold.backwards, success, scores["iou_target"], scores["iou_truth"])
    return dict(zip(COLD_COLUMNS, values, strict=True))


def trace_rows(attack: str, finished: Finished) -> list[dict[str, Any]]:
    """The steps of an attacked image; of more than 200, evenly spaced ones with the first and the last."""
    trace = finished.trace
    if len(trace) > TRACE_POINTS:
        stride = (len(trace) - 1) / (TRACE_POINTS - 1)
        trace = [trace[round(i * stride)] for i in range(TRACE_POINTS)]
    measured = dict.fromkeys(TRACES.schema.names)
    return [measured | point | {"attack": attack, "id": finished.job.id, "step": int(point["step"])} for point in trace]
