"""How well images are segmented after an input transform that attacks do not know of."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from benchmark.evaluation.case import Case
from benchmark.images.quantisation import EIGHT_BIT


class TransformedScores:
    """Scores of clean and adversarial images after each of several input transforms.

    Args:
        transforms: name -> transform of an 8-bit image, (C, H, W) uint8 -> (C, H, W) uint8.
        scores: (case, image (C, H, W) in [0, 1]) -> `Case.scores` of the image's prediction.
    """

    def __init__(
        self, transforms: Mapping[str, Callable[[Tensor], Tensor]], scores: Callable[[Case, Tensor], Mapping[str, Any]]
    ) -> None:
        self._transforms, self._scores = transforms, scores
        self._clean: dict[str, dict[str, Any]] = {}

    def columns(self, case: Case, adv8: Tensor) -> dict[str, Any]:
        """Columns of a row, for every transform.

        `<name>_iou_target` and `<name>_iou_truth` are of the saved image adv8 (C, H, W) in [0, 1],
        `clean_<name>_iou_truth` of the clean image.
        """
        # The clean image is the same for every attack.
        if case.id not in self._clean:
            self._clean[case.id] = {
                f"clean_{name}_iou_truth": self._after(name, case, case.image)["iou_truth"] for name in self._transforms
            }
        scores = {name: self._after(name, case, adv8) for name in self._transforms}
        columns = {f"{name}_{key}": one[key] for name, one in scores.items() for key in ("iou_target", "iou_truth")}
        return self._clean[case.id] | columns

    def _after(self, name: str, case: Case, image: Tensor) -> Mapping[str, Any]:
        return self._scores(case, EIGHT_BIT.from_levels(self._transforms[name](EIGHT_BIT.to_levels(image))))
