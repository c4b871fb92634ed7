"""Whether a victim is what it claims to be, found from a few images before it is attacked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.engine.kept_state import kept_state
from benchmark.engine.model import AttackedModel
from benchmark.engine.precision import Precision, frozen
from benchmark.engine.slow_passes import PATIENCE
from benchmark.errors import InputError
from benchmark.evaluation.output_findings import output_findings
from benchmark.evaluation.score_findings import OF_LOGITS, clean_scores, score_findings
from benchmark.evaluation.victim_findings import VictimFinding, function_findings
from benchmark.evaluation.victim_items import few_items
from benchmark.evaluation.victim_passes import Observations, Passes
from benchmark.images.output_window import window_of
from benchmark.label_subsets import NO_LABEL
from benchmark.model_errors import model_name


@dataclass(frozen=True, kw_only=True)
class VictimCheck:
    """What a check has found.

    Attributes:
        findings: those that refuse the victim first.
        class_iou: per class, IoU of the clean prediction to the truth over the images that were tried; None: the class
            does not occur; empty: the images have no masks.
        iou: the mean over foreground classes, over all pixels of these images; None: they have no masks.
        validation_iou: what the victim's training has measured; None: unknown.
        victim_classes, data_classes: names, as far as they are known.
        images: number of different images that were tried.
        batch: number of images of a pass.
        passes: forward and backward passes, each of a whole batch or of one image.
        reading: what the outputs are taken for, in words, with the background and the size of the images.
    """

    findings: Sequence[VictimFinding]
    class_iou: Sequence[float | None]
    iou: float | None
    validation_iou: float | None
    victim_classes: Sequence[str]
    data_classes: Sequence[str]
    images: int
    batch: int
    passes: int
    reading: str

    def refuse(self, allowed: Sequence[str] = ()) -> None:
        """Raise InputError for the first finding that refuses the victim and is not in `allowed`."""
        for finding in self.findings:
            if finding.refused and finding.name not in allowed:
                raise InputError(f"{finding}; victim.allow=[{finding.name}] attacks it as it is")

    def plain(self) -> dict[str, Any]:
        """As environment.json holds it."""
        return {
            "findings": [finding.plain() for finding in self.findings],
            "class_iou": list(self.class_iou),
            "iou": self.iou,
            "validation_iou": self.validation_iou,
            "victim_classes": list(self.victim_classes),
            "data_classes": list(self.data_classes),
            "images": self.images,
            "batch": self.batch,
            "passes": self.passes,
            "reading": self.reading,
        }


def check_victim(
    model: nn.Module,
    items: Tensor | Iterable[Mapping[str, Any]] | Iterable[Sequence[Tensor]],
    *,
    classes: int,
    background: int | None = None,
    batch_size: int = 8,
    validation_iou: float | None = None,
    precision: Precision | None = None,
    victim_classes: Sequence[str] = (),
    data_classes: Sequence[str] = (),
    multilabel: bool | None = None,
    patience: float = PATIENCE,
) -> VictimCheck:
    """Predict a few images alone, in a batch, and once more with a gradient: at most 6 passes.

    The model is frozen and in eval mode meanwhile; its state and the random generators are left as they were.

    Example:
        >>> check = check_victim(model, loader, classes=2, background=0)  # of (images, masks)
        >>> for finding in check.findings:
        ...     print(finding)
        >>> check.refuse()  # raises InputError where an attack would measure nothing

    Args:
        model: images (B, C, H, W) in [0, 1] -> logits (B, K, h, w), K ≥ 1.
        items: images (N, C, H, W) in [0, 1]; or a data set or loader of (image, mask), or of mappings with "image", and
            if they are known "mask" and "valid"; one by one, (C, H, W) and (H, W), or in batches. At most `batch_size`
            images are taken; those of another size than the first are left out.
        classes, background: of the data.
        batch_size: images of a pass: the slots of the attack. With 1 no image has others beside it. Halved while the
            device runs out of memory.
        validation_iou: what the victim's training has measured; None: unknown.
        precision: of `AttackedModel`; None: the model's own.
        victim_classes, data_classes: names of the classes, where they are known.
        multilabel: of `AttackedModel`: the classes are then subsets of labels, whose numbers the masks hold.
        patience: seconds after which a pass that has not returned is named on stderr.

    Raises:
        InputError: there is no image in [0, 1], the model fails, or it does not return logits of the images' size.
    """
    if batch_size < 1:
        raise InputError(f"batch_size={batch_size}: must be at least 1")
    few = few_items(items, batch_size)
    batch = _filled(torch.stack([item["image"] for item in few]), batch_size)
    network = AttackedModel(model, precision, channels_last=False, fold=False, multilabel=multilabel)
    with kept_state(model), frozen(model, network.dtype), torch.inference_mode(False):
        seen = _observed(Passes(network, patience), network, batch, len(few))
        _check_size(model, seen)
        background = NO_LABEL if network.multilabel else background
        if seen.outputs < classes or (network.multilabel and seen.outputs > classes):
            raise InputError(
                f"victim {model_name(model)} tells {seen.outputs} classes apart, the data have {classes}; "
                "set data.classes, or take a victim of so many"
            )
        preds = seen.preds[: seen.given]
        scores = clean_scores(model, preds, few[: len(preds)], classes=classes, background=background)
    found = [*function_findings(seen), *output_findings(seen, classes)]
    scored = score_findings(
        preds,
        scores,
        validation_iou=validation_iou,
        victim_classes=victim_classes,
        data_classes=data_classes,
        overlapping=network.multilabel,
    )
    read_wrongly = any(finding.name == "probabilities" for finding in found)
    found += [finding for finding in scored if not (read_wrongly and finding.name in OF_LOGITS)]
    return VictimCheck(
        findings=sorted(found, key=lambda finding: not finding.refused),
        class_iou=scores.class_iou,
        iou=scores.iou,
        validation_iou=validation_iou,
        victim_classes=victim_classes,
        data_classes=data_classes,
        images=len(preds),
        batch=len(seen.raw),
        passes=seen.passes,
        reading=_reading(seen, network.multilabel, background),
    )


def _reading(seen: Observations, multilabel: bool, background: int | None) -> str:
    count = seen.raw.shape[1]
    if multilabel:
        what = f"{count} label{'s' * (count > 1)} that may overlap, one logit each"
    else:
        what = "2 classes by one logit" if count == 1 else f"{count} classes, a softmax over one logit each"
        what += ", no background" if background is None else f", background {background}"
    return f"{what}, images {' x '.join(map(str, seen.images.shape[1:]))}"


def _filled(images: Tensor, count: int) -> Tensor:
    """(count, C, H, W): the images, then mirrored ones and darker ones of them, unlike those that they stand beside."""
    others = [images]
    while sum(map(len, others)) < count:
        others.append(images.flip(-1) * 0.5 ** ((len(others) - 1) % 2))
    return torch.cat(others)[:count]


def _observed(passes: Passes, network: AttackedModel, batch: Tensor, given: int) -> Observations:
    """Observe the batch, or a half of it that fits into memory."""
    while True:
        try:
            return passes.observe(batch.to(network.device, network.dtype), given)
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                raise
        # Not while the error is being handled: until then it holds on to what the passes had computed.
        batch = batch[: len(batch) // 2]
        if network.device.type == "cuda":
            torch.cuda.empty_cache()


def _check_size(model: nn.Module, seen: Observations) -> None:
    """Raise InputError unless the logits are of the images' size, or of the part that the model says it shows."""
    size, shape = tuple(seen.images.shape[2:]), tuple(seen.raw.shape)
    window = window_of(model, *size)
    if shape[2:] == (window.height, window.width):
        return
    cure = "return logits of the images' size, or give the model a method window that says which part they show"
    if shape[1:3] == size:
        cure = "its classes come last: return logits.permute(0, 3, 1, 2)"
    elif shape[2:] == size[::-1]:
        cure = "height and width are exchanged: return logits.mT"
    elif all(side and whole % side == 0 for side, whole in zip(shape[2:], size, strict=True)):
        cure = "enlarge them in forward, such as by torch.nn.functional.interpolate"
    raise InputError(f"victim {model_name(model)} returned logits of {shape[2:]} pixels for images of {size}; {cure}")
