"""Whether a victim is what it claims to be, found from a few images before it is attacked."""

import math
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmark import metrics
from benchmark.engine.model import AttackedModel
from benchmark.engine.model_errors import as_model_error
from benchmark.engine.precision import frozen
from benchmark.errors import InputError
from benchmark.evaluation.victim_findings import Observations, VictimFinding, findings
from benchmark.images.output_window import window_of

_PATIENCE = 60.0  # seconds until a pass that has not returned is named
_DISTINCT = 4  # images that are looked at; the rest of a batch repeats them


@dataclass(frozen=True, kw_only=True)
class VictimCheck:
    """What a check has found.

    Attributes:
        findings: those that refuse the victim first.
        class_iou: per class, IoU of the clean prediction to the truth over the images that were tried; None: the class
            does not occur.
        iou: the mean over foreground classes, over all pixels of these images.
        images: number of different images that were tried.
        batch: number of images of a pass.
        passes: forward and backward passes, each of a whole batch or of one image.
    """

    findings: Sequence[VictimFinding]
    class_iou: Sequence[float | None]
    iou: float
    images: int
    batch: int
    passes: int

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
            "images": self.images,
            "batch": self.batch,
            "passes": self.passes,
        }


def check_victim(
    model: nn.Module,
    items: Sequence[Mapping[str, Any]],
    *,
    classes: int,
    background: int | None = None,
    batch_size: int = 8,
    validation_iou: float | None = None,
    precision: Any = None,
) -> VictimCheck:
    """Predict a few images alone, beside others, and once more with a gradient: 5 passes.

    Args:
        model: images (B, C, H, W) in [0, 1] -> logits (B, K, h, w); frozen and in eval mode meanwhile.
        items: of a data set: "image" (C, H, W), "mask" (H, W) and "valid" (H, W). Those of another size than the first
            are left out.
        classes, background: of the data.
        batch_size: images of a pass, at least 2: the slots of the attack.
        validation_iou: what the victim's training has measured; None: unknown.
        precision: of `AttackedModel`; None: the model's own.

    Raises:
        InputError: the model fails, or does not return logits.
    """
    first = items[0]["image"].shape
    most = min(_DISTINCT, max(2, batch_size))
    items = [item for item in items if item["image"].shape == first][:most]
    images = torch.stack([item["image"] for item in items])
    network = AttackedModel(model, precision, channels_last=False, fold=False)
    # A lone image stands beside its mirror image.
    distinct = images if len(images) > 1 else torch.cat([images, images.flip(-1)])
    order = torch.arange(max(2, batch_size)) % len(distinct)
    batch = distinct[order].to(network.device, network.dtype)
    with frozen(model, network.dtype), torch.inference_mode(False):
        seen = _observe(network, batch, classes)
    found = findings(seen)
    class_iou, iou = _clean_scores(model, seen.preds[: len(items)], items, classes, background)
    if validation_iou is not None and iou < validation_iou / 2:
        found.append(
            VictimFinding(
                name="low_clean_iou",
                refused=False,
                what=f"clean IoU is {iou:.3f} on {len(items)} images, in validation {validation_iou:.3f} (limit half)",
                cure="check that data, normalisation and class order are those of the training",
            )
        )
    return VictimCheck(findings=found, class_iou=class_iou, iou=iou, images=len(items), batch=len(batch), passes=5)


def _observe(network: AttackedModel, batch: Tensor, classes: int) -> Observations:
    before = _state(network.model)
    with torch.no_grad():
        first = _outputs(network, batch[:1])
        given = batch.clone()
        raw = _outputs(network, given, copied=False)
        overwrites = not torch.equal(given, batch)
    leaf = batch.clone().requires_grad_()
    again = _outputs(network, leaf)
    gradient = _gradient(again, leaf)
    with torch.no_grad():
        last = _outputs(network, batch[-1:])
    after = _state(network.model)
    return Observations(
        images=batch.cpu(),
        raw=raw.cpu(),
        again=again.detach().cpu(),
        first=first.cpu(),
        last=last.cpu(),
        gradient=None if gradient is None else gradient.cpu(),
        changed=[name for name, value in after.items() if name not in before or not _equal(before[name], value)],
        overwrites=overwrites,
        preds=network.classes(network.class_logits(raw)).cpu(),
        classes=classes,
    )


def _outputs(network: AttackedModel, images: Tensor, copied: bool = True) -> Tensor:
    """The model's own outputs, with one line for whatever it raises. Raises InputError."""
    shape = tuple(images.shape)
    exact = torch.autocast(network.device.type, enabled=False)
    with exact, as_model_error(images, "the victim fails"), _named_when_slow(shape):
        outputs = network.model(images.clone() if copied else images)
    if not isinstance(outputs, Tensor) or outputs.ndim != 4 or len(outputs) != len(images):
        returned = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise InputError(f"the victim returns {returned} for images {shape}; logits (B,K,H,W) are needed")
    if not outputs.is_floating_point():
        raise InputError(f"the victim returns {outputs.dtype} for images {shape}; return logits, not their argmax")
    return outputs


def _gradient(outputs: Tensor, leaf: Tensor) -> Tensor | None:
    """Of a random combination of the outputs, in which they do not cancel; None if they have no gradient."""
    if not outputs.requires_grad:
        return None
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(outputs.shape, generator=generator).to(outputs)
    with as_model_error(leaf, "the victim's backward pass fails"):
        return torch.autograd.grad((outputs * weights).sum(), leaf, allow_unused=True)[0]


def _clean_scores(
    model: nn.Module, preds: Tensor, items: Sequence[Mapping[str, Any]], classes: int, background: int | None
) -> tuple[list[float | None], float]:
    """IoU per class and the mean over foreground classes, over all valid pixels of the images."""
    counts = torch.zeros(classes, classes, dtype=torch.int64)
    for pred, item in zip(preds, items, strict=True):
        window = window_of(model, *item["mask"].shape)
        truth, valid = window.crop(item["mask"]), window.crop(item["valid"])
        counts += metrics.confusion(pred[None], truth[None], valid[None], classes)[0]
    per_class = [None if math.isnan(value) else value for value in metrics.class_iou(counts, background).tolist()]
    return per_class, float(metrics.iou(counts[None], background)[0])


def _state(model: nn.Module) -> dict[str, Tensor]:
    tensors = [*model.named_parameters(), *model.named_buffers()]
    return {name: tensor.detach().clone() for name, tensor in tensors}


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and bool(((one == other) | (one.isnan() & other.isnan())).all())


@contextmanager
def _named_when_slow(shape: tuple[int, ...]) -> Iterator[None]:
    message = f"the victim has not returned for {_PATIENCE:g} s from images {shape}; Ctrl-C ends the command"
    timer = threading.Timer(_PATIENCE, lambda: print(message, file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
