"""Images without masks: the victim's predictions of the clean images are taken as their masks.

The maps are saved in the run's folder, because predictions differ by rounding from machine to machine, and all that is
computed from a run later has to have the same truth.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from benchmark.data.datamodule import SegmentationData
from benchmark.data.loading_options import image_size
from benchmark.distributed.termination import check_stop
from benchmark.engine.kept_state import kept_state
from benchmark.engine.model import AttackedModel
from benchmark.engine.precision import frozen, model_device, normalise_precision
from benchmark.errors import InputError
from benchmark.images.label_maps import VOID, load_map, save_map
from benchmark.images.output_window import window_of
from benchmark.runs.folder import RunFolder

_QUIET = 50  # the largest number of images that are predicted without a progress bar
Masks = dict[str, NDArray[np.uint8]]


def predict_labels(
    data: SegmentationData,
    model: nn.Module,
    *,
    precision: Any = None,
    device: torch.device | None = None,
    saved: RunFolder | None = None,
) -> None:
    """Label the attacked images with the model's predictions, made one by one; `VOID` where it predicts nothing.

    Args:
        data: with predicted labels.
        model: images (B, C, H, W) in [0, 1] -> logits; stays where and as it is.
        precision: of the engine; predictions are made as scores are, in float64 for 64, else in float32.
        device: where predictions are made; None: where the model is.
        saved: a run with saved labels; those that can be read are taken, and the others are predicted.

    Raises:
        InputError: the model fails, or none of its predictions shows any foreground.
    """
    exact = precision is not None and normalise_precision(precision) == 64
    masks: Masks = {} if saved is None else read_labels(data, saved)[0]
    before = model_device(model)
    with kept_state(model), frozen(model, torch.float64 if exact else torch.float32):
        try:
            network = AttackedModel(model.to(device or before), 64 if exact else 32)
            images = data.unlabelled()
            ids = data.test_ids()
            bar = tqdm(images, "predicting labels", len(ids), unit="image", disable=None if len(ids) > _QUIET else True)
            for image_id, image in bar:
                check_stop()
                if image_id in masks:
                    continue
                logits, size = network.logits(image), (*image.shape[-2:],)
                if len(logits) != data.classes:
                    raise InputError(
                        f"the victim tells {len(logits)} classes apart, the data have {data.classes}; set data.classes"
                    )
                preds = network.classes(logits[None])[0]
                masks[image_id] = window_of(model, *size).place(preds, size, VOID).numpy().astype(np.uint8)
        finally:
            model.to(before)
    data.label(masks)


def save_labels(data: SegmentationData, run: RunFolder) -> None:
    """Write the labels of all attacked images into the run's folder, but those that are there."""
    known, _ = read_labels(data, run)
    for image_id in data.test_ids():
        labels = data.mask(image_id).numpy()
        if image_id not in known or not np.array_equal(known[image_id], labels):
            save_map(labels, run.label(image_id))


def read_labels(data: SegmentationData, run: RunFolder) -> tuple[Masks, dict[str, str]]:
    """The labels that a run has saved, and for each image that has none what is wrong with its file."""
    size = image_size(data.size)
    masks: Masks = {}
    wrong: dict[str, str] = {}
    for image_id in data.test_ids():
        path = run.label(image_id)
        try:
            mask = load_map(path, inside=run.path)
        except InputError:
            wrong[image_id] = "cannot be read" if path.exists() else "is missing"
            continue
        if mask.shape != size or int(mask[mask != VOID].max(initial=0)) >= data.classes:
            wrong[image_id] = f"is no map of {data.classes} classes and {size[1]} x {size[0]} pixels"
        else:
            masks[image_id] = mask
    return masks, wrong


def take_saved_labels(data: SegmentationData, run: RunFolder) -> None:
    """Label the images as a run has saved it; those without a usable file get `VOID`. Raises InputError as `label`."""
    masks, wrong = read_labels(data, run)
    empty = np.full(image_size(data.size), VOID, np.uint8)
    data.label({**masks, **dict.fromkeys(wrong, empty)})
