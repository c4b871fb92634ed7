"""Predicted labels, compared with what the victim predicts of the clean images."""

from collections.abc import Iterator

import torch

from benchmark.engine.model import AttackedModel
from benchmark.images.label_maps import VOID
from benchmark.images.output_window import window_of
from benchmark.past_runs.mismatch import Mismatch
from benchmark.past_runs.past_run import PastRun
from benchmark.verify.ties import possible_predictions


def unlike_predictions(past_run: PastRun, network: AttackedModel) -> Iterator[Mismatch]:
    """The labels of a run that are not what the network predicts, up to rounding; none where labels are files.

    Labels that cannot be read are left to `PastRun.label_mismatches`.
    """
    for image_id in past_run.data.test_ids() if past_run.data.is_predicted else ():
        item = past_run.item(image_id)
        labels, size = item["mask"].masked_fill(~item["valid"], VOID), (*item["mask"].shape,)
        if not bool(item["valid"].any()):
            continue
        window = window_of(network.model, *size)
        possible = possible_predictions(network.logits(item["image"]), [window.crop(labels)])
        placed = (window.place(network.postprocessed(preds[None])[0], size, VOID) for preds in possible)
        if not any(torch.equal(preds, labels) for preds in placed):
            place = past_run.run.label(image_id).relative_to(past_run.folder).as_posix()
            yield Mismatch(place, "is not what the victim predicts of the clean image", predicted=True)
