"""A test image with its target map: what all attacks of a run have in common."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from benchmark.criterion import Criterion
from benchmark.data.datamodule import SegmentationData
from benchmark.evaluation.scoring import score_prediction
from benchmark.images.label_maps import VOID
from benchmark.images.output_window import OutputWindow, window_of
from benchmark.targets import Split, Target


@dataclass(frozen=True, kw_only=True)
class Case:
    """One image to attack; all tensors on the CPU.

    Attributes:
        id, group, split: of the image; group is "" if it has none.
        image: (C, H, W) float in [0, 1].
        truth, target: (H, W) int64, the true map and the map to reach; any class where not valid.
        valid: (H, W) bool, the pixels that count for the truth: it is known there, and the model predicts them.
        target_valid: (H, W) bool, the pixels that count for the target: valid ones where the target has a class.
        window: the part of the image that the model predicts.
        target_name, target_draw, target_draws, target_too_close: how the target was chosen, see `TargetMap`.
    """

    id: str
    group: str
    split: str
    image: Tensor
    truth: Tensor
    target: Tensor
    valid: Tensor
    target_valid: Tensor
    window: OutputWindow
    target_name: str
    target_draw: int = 1
    target_draws: int = 1
    target_too_close: bool = False

    def placed(self, preds: Tensor, fill: int = VOID) -> Tensor:
        """A prediction (h, w) as a map of the image's size (H, W), with `fill` outside the window."""
        return preds if preds.shape == self.truth.shape else self.window.place(preds, (*self.truth.shape,), fill)

    def columns(self) -> dict[str, Any]:
        """The columns of a row that are the same for every attack on the image."""
        return {
            "id": self.id,
            "group": self.group or None,
            "split": self.split,
            "target": self.target_name,
            "height": self.image.shape[1],
            "width": self.image.shape[2],
            "valid_pixels": int(self.valid.sum()),
            "target_draw": self.target_draw,
            "target_draws": self.target_draws,
            "target_too_close": self.target_too_close,
        }

    def scores(self, preds: Tensor, classes: int, background: int | None) -> dict[str, Any]:
        """`scoring.score_prediction` of a prediction (h, w)."""
        return score_prediction(
            self.placed(preds),
            truth=self.truth,
            target=self.target,
            valid=self.valid,
            target_valid=self.target_valid,
            classes=classes,
            background=background,
        )

    def success(self, judge: Criterion, preds: Tensor, targeted: bool, classes: int, background: int | None) -> bool:
        """Whether the judge holds for a prediction (h, w); a targeted attack is judged where the target is valid."""
        references = {"target": self.target[None], "truth": self.truth[None]}
        judged = self.target_valid if targeted else self.valid
        return bool(judge.holds(judge.score(self.placed(preds)[None], references, judged[None], classes, background)))


def make_case(
    item: Mapping[str, Any],
    target: Target,
    *,
    window: OutputWindow | None = None,
    prediction: Tensor | None = None,
    row: Mapping[str, Any] | None = None,
) -> Case:
    """A data set's item with a target; outside the window no pixel is valid.

    Args:
        item: of the data set.
        target: chooses the map; `target.prepare` has been called.
        window: the part of the image that the model predicts; None: all of it.
        prediction: (H, W) int64, of the clean image, see `Target.choose`.
        row: of an earlier attack on the image, whose target is used again without a prediction; None: one is chosen.
    """
    image_id, truth = item["id"], item["mask"].cpu()
    window = window or OutputWindow.whole(*truth.shape)
    valid = valid_pixels(item, window)
    if row is None:
        chosen = target.choose(image_id, truth, valid, prediction)
    else:
        chosen = target.repeat(image_id, truth, valid, row["target_draw"])
        chosen = chosen._replace(draws=row["target_draws"], too_close=row["target_too_close"])
    has_target = chosen.mask != VOID
    return Case(
        id=image_id,
        group=item["group"],
        split=item["split"],
        image=item["image"].cpu(),
        truth=truth,
        target=chosen.mask.masked_fill(~has_target, 0),
        valid=valid,
        target_valid=valid & has_target,
        window=window,
        target_name=chosen.name,
        target_draw=chosen.draw,
        target_draws=chosen.draws,
        target_too_close=chosen.too_close,
    )


def valid_pixels(item: Mapping[str, Any], window: OutputWindow) -> Tensor:
    """(H, W) bool: the valid pixels of a data set's item that lie in the window."""
    valid: Tensor = item["valid"].cpu()
    return valid & window.inside((*valid.shape,))


def with_padding(case: Case, model: nn.Module) -> Case:
    """The case with the padding that the model would add to the image; the same case if it adds none.

    An attack on this case perturbs the padding, too, and norms are of the padded image, which is saved. The model does
    not pad it again. No pixel of the padding is valid.
    """
    height, width = case.truth.shape
    frame = getattr(model, "frame", None)
    if frame is None or not any(padding := frame(height, width).padding):
        return case
    left, _, top, _ = padding
    image = model.pad(case.image[None])[0]  # type: ignore[operator]
    unpadded, size = OutputWindow(top, left, height, width), (*image.shape[-2:],)
    return replace(
        case,
        image=image,
        window=window_of(model, *size),
        truth=unpadded.place(case.truth, size, fill=0),
        target=unpadded.place(case.target, size, fill=0),
        valid=unpadded.place(case.valid, size, fill=False),
        target_valid=unpadded.place(case.target_valid, size, fill=False),
    )


def split_of(data: SegmentationData, split: str) -> Split:
    """What targets need to know about one split of a data set."""
    ids = data.test_ids() if split == "test" else data.splits()[split]
    return Split(ids, lambda image_id: data.mask(image_id, split), data.background, data.scored_names)


def items_of(batch: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The items that a data loader collated into a batch."""
    return [
        {name: values[i] if isinstance(values, Tensor | list | tuple) else values for name, values in batch.items()}
        for i in range(len(batch["id"]))
    ]
