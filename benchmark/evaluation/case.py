"""What is attacked: an image with its truth, its target, and the part of it that the model says something about."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from benchmark.criterion import Criterion
from benchmark.data.datamodule import SegmentationData
from benchmark.evaluation.scoring import score_prediction
from benchmark.images.label_maps import VOID
from benchmark.images.output_window import OutputWindow, window_of
from benchmark.targets import Chosen, Split, Target


@dataclass(frozen=True)
class Case:
    """What is attacked: image (C, H, W) in [0, 1]; truth, target (H, W) int64; valid, target_valid (H, W) bool.

    `valid` are the pixels whose truth is known and that the model says something about, all of them in its `window`
    (None: the whole image); `target_valid` those of them that the target says something about. How
    the target was come by is in `target_name`, `target_draw`, `target_draws` and `target_too_close`, see
    `targets.Chosen`.
    """

    id: str
    group: str
    image: Tensor
    truth: Tensor
    target: Tensor
    target_name: str
    valid: Tensor
    target_valid: Tensor
    target_draw: int = 1
    target_draws: int = 1
    target_too_close: bool = False
    window: OutputWindow | None = None

    def cropped(self, labels: Tensor) -> Tensor:
        """A map (H, W) as the model's output has it, (h, w)."""
        return labels if self.window is None else self.window.crop(labels)

    def placed(self, preds: Tensor, fill: int = VOID) -> Tensor:
        """What the model says (h, w), as a map of the image's size (H, W) with `fill` where it says nothing."""
        if self.window is None or preds.shape == self.truth.shape:
            return preds
        return self.window.place(preds, (*self.truth.shape,), fill)

    def columns(self) -> dict[str, Any]:
        """What rows say about the image, whatever is done to it."""
        return {
            "id": self.id,
            "group": self.group or None,
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
        maps = (self.placed(preds), self.truth, self.target, self.valid)
        return score_prediction(*maps, classes, background, self.target_valid)

    def success(self, judge: Criterion, preds: Tensor, targeted: bool, classes: int, background: int | None) -> bool:
        """Whether the judge holds for a prediction (h, w), over the pixels that count for what the attack aims at."""
        references = {"target": self.target[None], "truth": self.truth[None]}
        judged = self.target_valid if targeted else self.valid
        return bool(judge.holds(judge.score(self.placed(preds)[None], references, judged[None], classes, background)))


def framed(item: Mapping[str, Any], model: nn.Module) -> dict[str, Any]:
    """A data set's item with the model's "window" in it (None: all of the image), outside of which nothing is valid."""
    size = (*item["mask"].shape,)
    window = window_of(model, *size)
    if window == OutputWindow.whole(*size):
        return {**item, "window": None}
    return {**item, "valid": item["valid"] & window.inside(size).to(item["valid"].device), "window": window}


def with_padding(case: Case, model: nn.Module) -> Case:
    """The case of what the model itself makes of the image by padding; the same where it does not pad.

    Attacked like that, the perturbation covers the padding too, norms are of the padded image, and that is what is
    saved; the model does not pad it again. Maps get pixels that do not count.
    """
    height, width = case.truth.shape
    frame = getattr(model, "frame", None)
    if frame is None or not any(padding := frame(height, width).padding):
        return case
    left, _, top, _ = padding
    image = model.pad(case.image[None])[0]  # type: ignore[operator]
    own, size = OutputWindow(top, left, height, width), (*image.shape[-2:],)
    names = ("truth", "target", "valid", "target_valid")
    maps: dict[str, Any] = {name: own.place(getattr(case, name), size, fill=0) for name in names}
    return replace(case, image=image, window=window_of(model, *size), **maps)


def split_of(data: SegmentationData, split: str) -> Split:
    """What targets need to know of a data set's split."""
    ids = data.test_ids() if split == "test" else data.splits()[split]
    return Split(ids, lambda image_id: data.mask(image_id, split), data.background)


def make_case(item: Mapping[str, Any], target: Target, prediction: Tensor | None = None) -> Case:
    """A data set's item (image, mask, valid, id, group) with its target chosen, `prediction` as of `Target.choose`."""
    return _case(item, target.choose(item["id"], item["mask"].cpu(), item["valid"].cpu(), prediction))


def repeat_case(item: Mapping[str, Any], target: Target, row: Mapping[str, Any]) -> Case:
    """The same with the target that was chosen when the item's `row` was made; needs no prediction."""
    # Rows of older runs say nothing of it; theirs was the first.
    draw, draws = (row.get(name) or 1 for name in ("target_draw", "target_draws"))
    drawn = target.repeat(item["id"], item["mask"].cpu(), item["valid"].cpu(), draw)
    return _case(item, Chosen(*drawn, draw, draws, bool(row.get("target_too_close"))))


def _case(item: Mapping[str, Any], chosen: Chosen) -> Case:
    truth, valid, aims = item["mask"].cpu(), item["valid"].cpu(), chosen.mask != VOID
    maps = (truth, chosen.mask.masked_fill(~aims, 0), chosen.name, valid, valid & aims)
    how = (chosen.draw, chosen.draws, chosen.too_close, item.get("window"))
    return Case(item["id"], item["group"], item["image"].cpu(), *maps, *how)
