"""What is kept of a finished image: the picture first, then its trace, then the row that says it is complete."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmark.callbacks.pictures import adversarial_path, load_picture, save_picture
from benchmark.callbacks.session import Case
from benchmark.criterion import Criterion
from benchmark.jobs import Finished
from benchmark.network import Network
from benchmark.records import RECORDS, TRACES, Writer
from benchmark.scoring import score_perturbation, score_prediction

_TRACE_POINTS = 200


@dataclass(frozen=True)
class Labels:
    """What the rows of a run have in common: the columns `run`, `victim` and `data`."""

    run: str
    victim: str
    data: str


class RowWriter:
    """Writes finished images into a run's folder.

    Args:
        folder: of the run.
        labels: columns common to all rows.
        judge: decides `success8` from the file.
        network: the frozen model that predicts the saved files.
        classes, background: of the data.
    """

    def __init__(
        self, folder: Path, labels: Labels, judge: Criterion, network: Network, classes: int, background: int | None
    ) -> None:
        self._folder, self._labels, self._judge, self._network = folder, labels, judge, network
        self._classes, self._background = classes, background
        self._rows, self._traces = Writer(folder, RECORDS), Writer(folder, TRACES)

    def write(self, attack: str, finished: Finished, case: Case) -> dict[str, Any]:
        """Save picture, trace and row; returns the row."""
        path = adversarial_path(self._folder, attack, case.id)
        save_picture(finished.adv, path)
        row = self.row(attack, finished, case, path)
        self._traces.append(trace_rows(attack, finished))
        self._rows.append([row])
        return row

    def row(self, attack: str, finished: Finished, case: Case, path: Path) -> dict[str, Any]:
        """The columns of `records.SCHEMA`; those of the 8-bit image are measured from the file at `path`."""
        with torch.inference_mode(False), torch.no_grad():
            points = load_picture(path)[None].to(self._network.device, self._network.dtype)
            file_preds = self._network(points, exact=True).argmax(1).cpu()
        scores: dict[str, Any] = {}
        for prefix, preds in (("clean", finished.clean_preds), ("adv", finished.adv_preds), ("adv8", file_preds[0])):
            scored = score_prediction(preds, case.truth, case.target, case.valid, self._classes, self._background)
            scores |= {f"{prefix}_{name}": value for name, value in scored.items()}
        references = {"target": case.target[None], "truth": case.truth[None]}
        score8 = self._judge.score(file_preds, references, case.valid[None], self._classes, self._background)
        return {
            **vars(self._labels),
            "attack": attack,
            "id": case.id,
            "group": case.group or None,
            "target": case.target_name,
            "judge": str(self._judge),
            "height": case.image.shape[1],
            "width": case.image.shape[2],
            "classes": self._classes,
            "background": self._background,
            "valid_pixels": int(case.valid.sum()),
            "success": finished.success,
            "success8": bool(self._judge.holds(score8)),
            "success_clean": finished.success_clean,
            "nonfinite_gradient": finished.nonfinite_gradient,
            "steps": finished.steps,
            "kept_step": finished.kept_step,
            "forwards": finished.forwards,
            "backwards": finished.backwards,
            "zero_gradients": finished.zero_gradients,
            "seconds": finished.seconds,
            **score_perturbation(case.image, finished.adv),
            **scores,
        }


def trace_rows(attack: str, finished: Finished) -> list[dict[str, Any]]:
    """The image's steps, thinned evenly to at most 200 with the first and the last kept."""
    trace = finished.trace
    if len(trace) > _TRACE_POINTS:
        stride = (len(trace) - 1) / (_TRACE_POINTS - 1)
        trace = [trace[round(i * stride)] for i in range(_TRACE_POINTS)]
    names = [name for name in TRACES.schema.names if name not in ("attack", "id", "step")]
    return [
        {"attack": attack, "id": finished.job.id, "step": int(point["step"])}
        | {name: point.get(name) for name in names}
        for point in trace
    ]
