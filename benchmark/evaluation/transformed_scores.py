"""What input transforms save: the columns that compare predictions after a transform, non-adaptive ones."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from benchmark.evaluation.case import Case
from benchmark.images.quantisation import from_uint8, to_uint8


class TransformedScores:
    """Scores of a run's images after each of some input transforms.

    Args:
        defences: name -> transform of an 8-bit image (C, H, W) uint8 into another.
        scores: case, image (C, H, W) in [0, 1] -> `Case.scores` of its prediction.
    """

    def __init__(
        self,
        defences: Mapping[str, Callable[[Tensor], Tensor]],
        scores: Callable[[Case, Tensor], Mapping[str, Any]],
    ) -> None:
        self._defences, self._scores = defences, scores
        self._clean: dict[str, dict[str, Any]] = {}

    def columns(self, case: Case, adv8: Tensor) -> dict[str, Any]:
        """`<name>_iou_target`, `<name>_iou_truth` of the file adv8 (C, H, W), `clean_<name>_iou_truth` of the image."""
        # The clean image is the same for every attack.
        if case.id not in self._clean:
            self._clean[case.id] = {
                f"clean_{name}_iou_truth": self._after(name, case, case.image)["iou_truth"] for name in self._defences
            }
        columns = dict(self._clean[case.id])
        for name in self._defences:
            scored = self._after(name, case, adv8)
            columns |= {f"{name}_{score}": scored[score] for score in ("iou_target", "iou_truth")}
        return columns

    def _after(self, name: str, case: Case, image: Tensor) -> Mapping[str, Any]:
        return self._scores(case, from_uint8(self._defences[name](to_uint8(image))))
