"""A case around an image and its true map."""

from typing import Any

import torch
from torch import Tensor

from benchmark.evaluation.case import Case
from benchmark.images.output_window import OutputWindow


def make_case(image: Tensor, truth: Tensor, valid: Tensor | None = None, **fields: Any) -> Case:
    """Image (C, H, W), truth (H, W) of classes 0 and 1, whose target has the other class everywhere.

    Args:
        valid: (H, W) bool, valid for truth and target; None for all pixels.
        fields: of `Case`, in place of those made here.
    """
    valid = torch.ones_like(truth, dtype=torch.bool) if valid is None else valid
    made = {
        "id": "a",
        "group": "",
        "split": "test",
        "target": 1 - truth,
        "valid": valid,
        "target_valid": valid,
        "window": OutputWindow.whole(*truth.shape),
        "target_name": "other",
    }
    return Case(image=image, truth=truth, **made | fields)
