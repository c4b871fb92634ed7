"""The pictures that the report shows beside a row, compared with what the row was measured on."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark import metrics
from benchmark.errors import InputError
from benchmark.evaluation.case import Case
from benchmark.images.image_files import load_picture
from benchmark.images.label_maps import VOID, load_map
from benchmark.past_runs.mismatch import RESUME, Mismatch, row_place
from benchmark.runs.folder import RunFolder


def picture_mismatches(run: RunFolder, row: Mapping[str, Any], case: Case, classes: int) -> Iterator[Mismatch]:
    """The pictures beside the adversarial image that do not belong to the row.

    The clean image, the truth and the target have to be equal to those of the case. The predictions have to have the
    confusion counts of the row.
    """

    image_id = row["id"]
    truth, target = case.truth.masked_fill(~case.valid, VOID), case.target.masked_fill(~case.target_valid, VOID)
    adv8 = run.prediction(row["attack"], image_id)

    def counts(path: Path) -> list[int] | None:
        return _counts(load_map(path, inside=run.path), case, classes)

    belongs: dict[Path, Callable[[Path], bool]] = {
        run.picture("clean", image_id): lambda path: torch.equal(load_picture(path, inside=run.path), case.image),
        run.picture("truth", image_id): lambda path: np.array_equal(load_map(path, inside=run.path), truth.numpy()),
        run.picture("target", image_id): lambda path: np.array_equal(load_map(path, inside=run.path), target.numpy()),
        run.picture("prediction", image_id): lambda path: counts(path) == row["clean_confusion_truth"],
        adv8: lambda path: counts(path) == row["adv8_confusion_truth"],
    }
    for path, check in belongs.items():
        column = str(path.relative_to(run.path))
        try:
            if not check(path):
                yield Mismatch(row_place(row), "is not the picture that belongs to the row", cure=RESUME, column=column)
        except InputError as error:
            yield Mismatch(row_place(row), str(error), cure=RESUME, column=column)


def _counts(saved: NDArray[np.uint8], case: Case, classes: int) -> list[int] | None:
    """Flattened counts [labelled, predicted] of a saved prediction; None if it is no map of this image."""
    preds = torch.from_numpy(saved.astype(np.int64))
    if preds.shape != case.truth.shape:
        return None
    preds = preds.masked_fill(~case.valid, 0)  # a model with a smaller output predicts nothing there
    if int(preds.max()) >= classes:
        return None
    return metrics.confusion(preds[None], case.truth[None], case.valid[None], classes)[0].flatten().tolist()
