"""The targets that the program draws for an image, whatever the rows say was drawn."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

from torch import Tensor

from benchmark.engine.model import AttackedModel
from benchmark.evaluation.case import make_case, valid_pixels
from benchmark.images.output_window import OutputWindow, window_of
from benchmark.targets import Target
from benchmark.verify.ties import possible_predictions

_COLUMNS = ("target", "target_draw", "target_draws", "target_too_close")
_REFERENCES = 8  # draws for and against which undecided pixels are decided


def drawn_targets(target: Target, network: AttackedModel, item: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The columns of rows that say which target was drawn; several where the choice hangs on undecided pixels.

    Args:
        target: of the run; `target.prepare` has been called.
        network: the attacked model, in the precision of the run's scores.
        item: of the data set.
    """
    window = window_of(network.model, *item["mask"].shape)
    found: list[dict[str, Any]] = []
    for prediction in [None] if target.max_iou is None else _predictions(target, network, item, window):
        case = make_case(item, target, window=window, prediction=prediction).columns()
        columns = {name: case[name] for name in _COLUMNS}
        found += [columns] if columns not in found else []
    return found


def _predictions(target: Target, network: AttackedModel, item: Mapping[str, Any], window: OutputWindow) -> list[Tensor]:
    """The predictions (H, W) of the clean image that rounding can make, and class 0 outside the window."""
    logits, truth = network.logits(item["image"].cpu()), item["mask"].cpu()
    masks = possible_predictions(logits, [])
    if len(masks) > 1:
        draws = islice(target.maps(item["id"], truth, valid_pixels(item, window)), _REFERENCES)
        masks = possible_predictions(logits, [window.crop(mask) for mask in (truth, *(draw.mask for draw in draws))])
    return [window.place(network.postprocessed(mask[None])[0], (*truth.shape,), fill=0) for mask in masks]
