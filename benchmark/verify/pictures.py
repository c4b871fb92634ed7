"""The pictures beside a row, which the report shows: whether they are what the row was measured on."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark import metrics
from benchmark.errors import InputError
from benchmark.evaluation.case import Case
from benchmark.images.image_files import load_picture
from benchmark.images.label_maps import VOID, load_map
from benchmark.past_runs.mismatch import Mismatch, row_place
from benchmark.runs.folder import RunFolder


def picture_mismatches(folder: Path, row: Mapping[str, Any], case: Case, classes: int) -> Iterator[Mismatch]:
    """Of the clean image, truth and target, which have to be equal, and of the predictions, whose counts have to be.

    Runs of a version that saved none of them have no fault.
    """
    if not (folder / "pictures").is_dir():
        return
    image = row["id"]
    expected = {
        "truth": case.truth.masked_fill(~case.valid, VOID),
        "target": case.target.masked_fill(~case.target_valid, VOID),
    }
    paths = {name: RunFolder(folder).picture(name, image) for name in ("clean", "truth", "target", "prediction")}
    paths["predictions"] = RunFolder(folder).prediction(row["attack"], image)
    for name, path in paths.items():
        column = str(path.relative_to(folder))
        try:
            if name == "clean":
                same = torch.equal(load_picture(path), case.image)
            elif name in expected:
                same = np.array_equal(load_map(path), expected[name].numpy())
            else:
                prefix = "clean" if name == "prediction" else "adv8"
                same = _counts(load_map(path), case, classes) == row[f"{prefix}_confusion_truth"]
        except InputError as error:
            yield Mismatch(row_place(row), str(error), column=column)
            continue
        if not same:
            yield Mismatch(row_place(row), "is not the picture that belongs to the row", column=column)


def _counts(labels: Any, case: Case, classes: int) -> list[int] | None:
    """Flattened counts [labelled, predicted] of a saved prediction; None where it is no map of this image."""
    preds: Tensor = torch.from_numpy(labels.astype(np.int64))
    if preds.shape != case.truth.shape:
        return None
    preds = preds.masked_fill(~case.valid, 0)  # where nobody looks a model of smaller output says nothing
    if int(preds.max()) >= classes:
        return None
    return metrics.confusion(preds[None], case.truth[None], case.valid[None], classes)[0].flatten().tolist()
