"""Columns made again from the model, the clean images and the saved files."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from benchmark.engine.model import AttackedModel
from benchmark.evaluation.case import Case
from benchmark.evaluation.transformed_scores import TransformedScores
from benchmark.images.label_maps import VOID
from benchmark.images.output_window import window_of
from benchmark.past_runs.past_run import PastRun
from benchmark.verify.ties import readings, spread


class Predictions:
    """What rows have to say of a model's predictions, values or `Between`; one image at a time, as rows are made.

    Args:
        network: the attacked model, frozen, in the precision the run had.
        source: the run.
        defences: name -> input transform, as of the run.
    """

    def __init__(
        self, network: AttackedModel, past_run: PastRun, defences: Mapping[str, Callable[[Tensor], Tensor]]
    ) -> None:
        self._network, self._source = network, past_run
        self._defended = TransformedScores(defences, self._scores)
        self._clean: tuple[tuple[str, bool], dict[str, Any]] | None = None

    def columns(self, case: Case, adv8: Tensor, targeted: bool) -> dict[str, Any]:
        """All columns of the clean image and of the 8-bit file adv8 (C, H, W), input transforms included."""
        # An image's rows come one after the other.
        if self._clean is None or self._clean[0] != (case.id, targeted):
            self._clean = (case.id, targeted), self._judged(case, case.image, targeted, "clean", "success_clean")
        adv = self._judged(case, adv8, targeted, "adv8", "success8")
        return {**self._clean[1], **adv, **self._defended.columns(case, adv8)}

    def _judged(self, case: Case, image: Tensor, targeted: bool, prefix: str, success: str) -> dict[str, Any]:
        kind = self._kind
        found = self._readings(case, image)
        scores = spread([case.scores(preds, *kind) for preds in found])
        judged = spread([{success: case.success(self._source.judge, preds, targeted, *kind)} for preds in found])
        return {f"{prefix}_{name}": value for name, value in scores.items()} | judged

    def _scores(self, case: Case, image: Tensor) -> dict[str, Any]:
        return spread([case.scores(preds, *self._kind) for preds in self._readings(case, image)])

    def _readings(self, case: Case, image: Tensor) -> list[Tensor]:
        size = (*case.truth.shape,)
        window = window_of(self._network.model, *size)
        found = readings(self._network.logits(image), [window.crop(case.truth), window.crop(case.target)])
        return [window.place(self._network.postprocessed(preds[None])[0], size, VOID) for preds in found]

    @property
    def _kind(self) -> tuple[int, int | None]:
        return self._source.data.classes, self._source.data.background
