"""The columns that are recomputed by the victim from the clean images and the saved files."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from benchmark.engine.model import AttackedModel
from benchmark.evaluation.case import Case
from benchmark.evaluation.transformed_scores import TransformedScores
from benchmark.images.label_maps import VOID
from benchmark.images.output_window import window_of
from benchmark.past_runs.past_run import PastRun
from benchmark.verify.targets import drawn_targets
from benchmark.verify.ties import possible_predictions, spread


class Predictions:
    """Predicts one image at a time; columns are values, or an `Interval` where a pixel is undecided (see `ties`).

    Args:
        network: the attacked model, frozen, in the precision of the run's scores.
        past_run: the run.
        defences: name -> input transform of the run.
    """

    def __init__(
        self, network: AttackedModel, past_run: PastRun, defences: Mapping[str, Callable[[Tensor], Tensor]]
    ) -> None:
        self._network, self._past_run, self._judge = network, past_run, past_run.judge
        self._kind = (past_run.data.classes, past_run.data.background)
        self._defended = TransformedScores(defences, self._scores)
        self._clean: tuple[tuple[str, bool], dict[str, Any]] | None = None
        self._drawn: tuple[str, list[dict[str, Any]]] | None = None

    def targets(self, image_id: str) -> list[dict[str, Any]]:
        """The columns of the target of an image, as the program draws it, see `drawn_targets`."""
        if self._drawn is None or self._drawn[0] != image_id:
            item = self._past_run.item(image_id)
            self._drawn = image_id, drawn_targets(self._past_run.target, self._network, item)
        return self._drawn[1]

    def columns(self, case: Case, adv8: Tensor, targeted: bool) -> dict[str, Any]:
        """All columns of the clean image and of the saved image `adv8` (C, H, W), input transforms included."""
        # The rows of an image come one after the other.
        if self._clean is None or self._clean[0] != (case.id, targeted):
            self._clean = (case.id, targeted), self._judged(case, case.image, targeted, "clean", "success_clean")
        adv = self._judged(case, adv8, targeted, "adv8", "success8")
        return {**self._clean[1], **adv, **self._defended.columns(case, adv8)}

    def _judged(self, case: Case, image: Tensor, targeted: bool, prefix: str, success: str) -> dict[str, Any]:
        columns = []
        for preds in self._predictions(case, image):
            scores = {f"{prefix}_{name}": value for name, value in case.scores(preds, *self._kind).items()}
            columns.append(scores | {success: case.success(self._judge, preds, targeted, *self._kind)})
        return spread(columns)

    def _scores(self, case: Case, image: Tensor) -> dict[str, Any]:
        return spread([case.scores(preds, *self._kind) for preds in self._predictions(case, image)])

    def _predictions(self, case: Case, image: Tensor) -> list[Tensor]:
        size = (*case.truth.shape,)
        window = window_of(self._network.model, *size)
        masks = possible_predictions(self._network.logits(image), [window.crop(case.truth), window.crop(case.target)])
        return [window.place(self._network.postprocessed(preds[None])[0], size, VOID) for preds in masks]
