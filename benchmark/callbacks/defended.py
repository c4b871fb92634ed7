"""What input transforms save: the columns that compare predictions after a transform, non-adaptive ones."""

from collections.abc import Callable, Mapping

from torch import Tensor

from benchmark.callbacks.session import Case
from benchmark.pixels import from_uint8, to_uint8
from benchmark.scoring import score_prediction


class Defended:
    """Scores of a run's images after each of some input transforms.

    Args:
        defences: name -> transform of an 8-bit image (C, H, W) uint8 into another.
        predict: image (C, H, W) in [0, 1] -> classes (h, w), of the model's window.
        classes, background: of the data.
    """

    def __init__(
        self,
        defences: Mapping[str, Callable[[Tensor], Tensor]],
        predict: Callable[[Tensor], Tensor],
        classes: int,
        background: int | None,
    ) -> None:
        self._defences, self._predict, self._kind = defences, predict, (classes, background)
        self._clean: dict[str, dict[str, float]] = {}

    def columns(self, case: Case, adv8: Tensor) -> dict[str, float]:
        """`<name>_iou_target`, `<name>_iou_truth` of the file adv8 (C, H, W), `clean_<name>_iou_truth` of the image."""
        # The clean image is the same for every attack.
        if case.id not in self._clean:
            self._clean[case.id] = {
                f"clean_{name}_iou_truth": self._scores(name, case, case.image)["iou_truth"] for name in self._defences
            }
        columns = dict(self._clean[case.id])
        for name in self._defences:
            scored = self._scores(name, case, adv8)
            columns |= {f"{name}_{score}": scored[score] for score in ("iou_target", "iou_truth")}
        return columns

    def _scores(self, name: str, case: Case, image: Tensor) -> dict[str, float]:
        preds = self._predict(from_uint8(self._defences[name](to_uint8(image))))
        return score_prediction(case.placed(preds), case.truth, case.target, case.valid, *self._kind, case.target_valid)
