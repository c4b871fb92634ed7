"""The attacked model as the engine calls it."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from benchmark import metrics
from benchmark.acceleration.accelerated import AcceleratedModel
from benchmark.engine.attackable import check_attackable
from benchmark.engine.precision import (
    AUTOCAST,
    Precision,
    float32_products,
    model_device,
    model_dtype,
    normalise_precision,
)
from benchmark.engine.slow_passes import PATIENCE, SLOW_PASSES
from benchmark.errors import InputError
from benchmark.label_subsets import MOST_LABELS
from benchmark.model_errors import as_model_error, checked_logits, model_name


class AttackedModel:
    """Two or more logits per pixel, in full precision whatever the passes run in.

    What is confirmed and reported (`exact`) goes through the model as it was given. The passes of a rule go through its
    faster copy, see `AcceleratedModel`, which differs by rounding; with precision 64 they go through the model, too.

    Args:
        model: images (B, C, H, W) in [0, 1] -> logits (B, K, h, w), K ≥ 1.
        precision: of the passes; None: the model's own.
        channels_last: lay images and weights out channels-last.
        fold: fold batch norms into their convolutions and replace layers by faster equivalents.
        compiled: run the passes through `torch.compile`, on a GPU with CUDA graphs.
        multilabel: outputs are one logit for each of K labels that may overlap, and the classes are the subsets of
            labels; None: as the model's attribute `multilabel` says, else False.
        patience: seconds after which a pass that has not returned is named on stderr.

    Attributes:
        model: as given.
        multilabel: whether classes are subsets of labels.
        reduced: whether the passes run in less than float32.
        dtype, device: of images and logits.
        overwrites: whether a pass writes its results where the last one wrote them, as CUDA graphs do.

    Raises:
        InputError: for an unknown precision, or a model that `check_attackable` refuses.
    """

    def __init__(
        self,
        model: nn.Module,
        precision: Precision | None = None,
        *,
        channels_last: bool = True,
        fold: bool = True,
        compiled: bool = False,
        multilabel: bool | None = None,
        patience: float = PATIENCE,
    ) -> None:
        check_attackable(model)
        if precision is None:
            precision = 64 if model_dtype(model) == torch.float64 else 32
        precision = normalise_precision(precision)
        self.model, self._patience = model, patience
        self.multilabel = getattr(model, "multilabel", None) is True if multilabel is None else multilabel
        self.reduced = precision not in (64, 32)
        self.dtype = torch.float64 if precision == 64 else torch.float32
        self.device = model_device(model)
        self._autocast, self._tf32 = AUTOCAST.get(precision), precision == "tf32"
        # In float64 results are exact, which is worth more than time.
        self._channels_last = channels_last and precision != 64
        self._fold = fold and precision != 64
        self._fast: AcceleratedModel | None = None
        self._passes: Callable[[Tensor], Tensor] = model
        self.overwrites = self._compiled = compiled

    def discard_copy(self) -> None:
        """Build the faster copy anew at the next pass, because the model may have changed."""
        self._fast = None

    def __call__(self, points: Tensor, exact: bool = False) -> Tensor:
        """Logits (B, K, h, w), K ≥ 2, for points (B, C, H, W) in [0, 1]; `exact`: as the model itself computes them.

        K is 2^labels for a multilabel head; see `class_logits`.
        """
        with as_model_error(self.model, points), SLOW_PASSES.watching(self.model, points, self._patience):
            logits = self._exact(points) if exact else self._fast_pass(points)
        logits = checked_logits(logits, self.model, points)
        return self.class_logits(logits.to(self.dtype, memory_format=torch.contiguous_format))

    def class_logits(self, outputs: Tensor) -> Tensor:
        """Logits (B, K, h, w), K ≥ 2, of classes from what the model returns.

        One logit z is read as (−z/2, +z/2) and several of a multilabel head as logits of all subsets of labels, which
        have the same prediction and the same probabilities; see `metrics.subset_logits`.
        """
        if outputs.shape[1] > 1 and not self.multilabel:
            return outputs
        if outputs.shape[1] > MOST_LABELS:
            raise InputError(
                f"the model has {outputs.shape[1]} outputs; at most {MOST_LABELS} labels that overlap can be attacked"
            )
        return metrics.subset_logits(outputs)

    def logits(self, image: Tensor) -> Tensor:
        """(K, h, w) on the CPU of one image (C, H, W) in [0, 1], in full precision: what rows are scored from."""
        with torch.inference_mode(False), torch.no_grad():
            return self(image[None].to(self.device, self.dtype), exact=True)[0].cpu()

    def preds(self, image: Tensor) -> Tensor:
        """Classes (h, w) on the CPU of one image (C, H, W) in [0, 1], in full precision."""
        return self.classes(self.logits(image)[None])[0]

    def classes(self, logits: Tensor) -> Tensor:
        """Predicted classes (B, h, w) of logits (B, K, h, w), as they are judged and scored.

        The class of the largest logit; then the model's own `postprocess`, if it has one, changes these maps.
        """
        return self.postprocessed(metrics.predicted(logits))

    def postprocessed(self, preds: Tensor) -> Tensor:
        """Class maps (B, h, w) after the model's own `postprocess`, if it has one."""
        postprocess = getattr(self.model, "postprocess", None)
        if postprocess is None:
            return preds
        with as_model_error(self.model, preds, act="fails in its post-processing"):
            changed = postprocess(preds)
        if not isinstance(changed, Tensor) or changed.shape != preds.shape or changed.device != preds.device:
            found = tuple(changed.shape) if isinstance(changed, Tensor) else type(changed).__name__
            raise InputError(
                f"victim {model_name(self.model)} returned {found} from its post-processing of maps "
                f"{tuple(preds.shape)} on {preds.device}; return maps of the same shape there"
            )
        return changed

    def stepping(self) -> AbstractContextManager[None]:
        """The context of a rule's forward and backward passes: TF32 products, if that is the precision."""
        return float32_products("high") if self._tf32 else nullcontext()

    def _exact(self, points: Tensor) -> Tensor:
        with torch.autocast(self.device.type, enabled=False):
            # A copy, because some models normalise in place.
            return self.model(points.clone())

    def _fast_pass(self, points: Tensor) -> Tensor:
        fast = self._accelerated(points)
        with torch.autocast(self.device.type, self._autocast or torch.bfloat16, enabled=self._autocast is not None):
            logits = self._passes(fast.laid_out(points))
        return logits.clone() if self.overwrites and isinstance(logits, Tensor) else logits

    def _accelerated(self, points: Tensor) -> AcceleratedModel:
        if self._fast is None or not self._fast.is_current():
            with torch.autocast(self.device.type, enabled=False):
                self._fast = AcceleratedModel(
                    self.model,
                    points[:1].detach(),
                    fold=self._fold,
                    channels_last=self._channels_last,
                    dtype=self._autocast,
                )
            mode = "reduce-overhead" if self.device.type == "cuda" else "default"
            self._passes = torch.compile(self._fast.module, mode=mode) if self._compiled else self._fast.module
        return self._fast
