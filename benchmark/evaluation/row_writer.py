"""What is kept of a finished image: the picture first, then its trace, then the row that says it is complete."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.profiler import record_function

from benchmark.criterion import Criterion
from benchmark.data.datamodule import SegmentationData
from benchmark.engine.jobs import Finished
from benchmark.engine.model import AttackedModel
from benchmark.evaluation.background_writer import OrderedWorker
from benchmark.evaluation.case import Case
from benchmark.evaluation.plan import Attack, Plan
from benchmark.evaluation.scoring import score_norms, score_perturbation, score_target
from benchmark.evaluation.transformed_scores import TransformedScores
from benchmark.images.image_files import file_sha256, load_picture, save_picture
from benchmark.images.label_maps import VOID, save_map
from benchmark.images.quantisation import EIGHT_BIT, Quantizer
from benchmark.runs.folder import RunFolder
from benchmark.runs.layout import Picture
from benchmark.runs.tables import RECORDS, TRACES, Writer

_TRACE_POINTS = 200
_AHEAD = 32  # finished images, two floats a value each, that may wait for the disk

Row = dict[str, Any]

ROWS = "attack: rows"
"""What profilers see of pictures and rows."""


@dataclass(frozen=True)
class Common:
    """What the rows of a run have in common.

    Attributes:
        run, victim, data, split, seed: columns.
        judge: decides `success8` from the 8-bit image.
        classes, background: of the data.
    """

    run: str
    victim: str
    data: str
    split: str
    seed: int
    judge: Criterion
    classes: int
    background: int | None


def common_to(data: SegmentationData, split: str, run: str, victim: str, plan: Plan) -> Common:
    """What the rows of one split of a data set have in common."""
    return Common(run, victim, str(data.name), split, plan.seed, plan.judge, data.classes, data.background)


class RowWriter:
    """Writes finished images into a run's folder; to be closed at the end.

    Args:
        folder: of the run.
        common: to all rows.
        attacks: by name.
        network: the frozen model that predicts what the defences make of an image.
        defences: name -> input transform of an 8-bit image (C, H, W) uint8, for further columns of that name.
        rank: of this process, in the names of part files.
        grid: of the files.
        background_writer: whether a thread of its own saves and scores while the caller goes on; None: unless the
            network is on a CPU, all of whose cores an attack can use.
    """

    def __init__(
        self,
        folder: Path,
        common: Common,
        attacks: Mapping[str, Attack],
        network: AttackedModel,
        defences: Mapping[str, Callable[[Tensor], Tensor]],
        rank: int = 0,
        quantizer: Quantizer = EIGHT_BIT,
        background_writer: bool | None = None,
    ) -> None:
        self._folder, self._common, self._attacks, self._network = folder, common, attacks, network
        self._defended = TransformedScores(defences, self._scores)
        self._quantizer = quantizer
        threaded = network.device.type != "cpu" if background_writer is None else background_writer
        self._work: OrderedWorker[Row] = OrderedWorker(_AHEAD if threaded else 0)
        self._rows, self._traces = Writer(folder, RECORDS, rank), Writer(folder, TRACES, rank)

    def write(self, attack: str, finished: Finished, case: Case) -> list[Row]:
        """Save pictures, trace and row, in this order; returns the rows that are complete and have not been returned.

        The model makes no pass while anything is saved: the 8-bit columns are of `finished.adv8_preds`, and the file is
        read again to see that it holds the very image those were predicted from.
        """
        adv8 = self._quantizer.round(finished.adv).float()
        further = self._defended.columns(case, adv8)
        return self._work.do(partial(self._save, attack, finished, case, adv8, further))

    def rest(self) -> list[Row]:
        """Wait until everything is saved; returns the rows that have not been returned."""
        return self._work.rest()

    def close(self) -> None:
        """Save what is left to be saved, even if something else has failed."""
        self._work.close()

    @torch.no_grad()
    def _save(self, attack: str, finished: Finished, case: Case, adv8: Tensor, further: Row) -> Row:
        with record_function(ROWS):
            path = RunFolder(self._folder).adversarial(attack, case.id)
            save_picture(finished.adv, path, self._quantizer)
            if not torch.equal(load_picture(path), adv8):
                raise RuntimeError(f"{path}: does not hold the image that was written")
            preds = finished.adv8_preds
            save_map(case.placed(preds).numpy(), RunFolder(self._folder).prediction(attack, case.id))
            self._save_case(case, finished.clean_preds)
            row = make_row(self._common, self._attacks[attack].columns(attack), finished, case, adv8, preds)
            row |= {"adv8_sha256": file_sha256(path)} | further
            self._traces.append(trace_rows(attack, finished))
            self._rows.append([row])
            return row

    def _save_case(self, case: Case, clean_preds: Tensor) -> None:
        """What is the same for all attacks; last the clean image, which says that all of it is there."""
        clean = RunFolder(self._folder).picture("clean", case.id)
        if clean.exists():
            return
        maps: dict[Picture, Tensor] = {
            "truth": case.truth.masked_fill(~case.valid, VOID),
            "target": case.target.masked_fill(~case.target_valid, VOID),
            "prediction": case.placed(clean_preds),
        }
        for name, labels in maps.items():
            save_map(labels.numpy(), RunFolder(self._folder).picture(name, case.id))
        save_picture(case.image, clean, self._quantizer)

    def _scores(self, case: Case, image: Tensor) -> dict[str, Any]:
        return case.scores(self._network.preds(image), self._common.classes, self._common.background)


def make_row(
    common: Common, attack: Mapping[str, Any], finished: Finished, case: Case, adv8: Tensor, adv8_preds: Tensor
) -> dict[str, Any]:
    """The columns of `records.SCHEMA` but `adv8_sha256`.

    Args:
        common: to all rows.
        attack: the columns that describe the attack, see `Attack.columns`.
        finished, case: the image, before and after.
        adv8: (C, H, W) the 8-bit image.
        adv8_preds: (h, w) its prediction, of the model's window.
    """
    kind = (common.classes, common.background)
    scores: dict[str, Any] = {}
    for prefix, preds in (("clean", finished.clean_preds), ("adv", finished.adv_preds), ("adv8", adv8_preds)):
        scored = case.scores(preds, *kind)
        scores |= {f"{prefix}_{name}": value for name, value in scored.items()}
    rounded = score_norms(case.image, adv8)
    return {
        **vars(common),
        "judge": str(common.judge),
        **attack,
        **case.columns(),
        **score_target(case.truth, case.target, case.target_valid, *kind),
        "success": finished.success,
        "success8": case.success(common.judge, adv8_preds, attack["targeted"], *kind),
        "success_clean": finished.success_clean,
        "nonfinite_gradient": finished.nonfinite_gradient,
        "steps": finished.steps,
        "kept_step": finished.kept_step,
        "forwards": finished.forwards,
        "backwards": finished.backwards,
        "passes": finished.forwards + finished.backwards,
        "success_passes": finished.success_passes,
        "zero_gradients": finished.zero_gradients,
        "seconds": finished.seconds,
        **score_perturbation(case.image, finished.adv),
        **{f"adv8_{name}": rounded[name] for name in ("l1", "l2", "linf", "psnr")},
        **scores,
    }


def trace_rows(attack: str, finished: Finished) -> list[dict[str, Any]]:
    """The image's steps, thinned evenly to at most 200 with the first and the last kept."""
    trace = finished.trace
    if len(trace) > _TRACE_POINTS:
        stride = (len(trace) - 1) / (_TRACE_POINTS - 1)
        trace = [trace[round(i * stride)] for i in range(_TRACE_POINTS)]
    measured = dict.fromkeys(TRACES.schema.names)
    return [measured | point | {"attack": attack, "id": finished.job.id, "step": int(point["step"])} for point in trace]
