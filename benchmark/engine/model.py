"""A model held still while it is attacked, and given back exactly as it was."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Literal

import torch
from torch import Tensor, nn

from benchmark import metrics
from benchmark.acceleration.accelerated import AcceleratedModel, accelerated
from benchmark.errors import InputError

Precision = Literal[64, 32, "tf32", "bf16", 16]
"""What the forward and backward passes of an attack run in; the perturbation is float32 (float64 for 64) throughout."""

AUTOCAST = {"bf16": torch.bfloat16, 16: torch.float16}


def normalise_precision(precision: object) -> Precision:
    """64, 32, "tf32", "bf16" or 16 from their usual spellings; raises InputError for anything else."""
    spellings: dict[str, Precision] = {"64": 64, "32": 32, "tf32": "tf32", "bf16": "bf16", "16": 16}
    try:
        return spellings[str(precision)]
    except KeyError:
        raise InputError(f"engine.precision={precision}: not one of 64, 32, tf32, bf16, 16") from None


def model_dtype(model: nn.Module) -> torch.dtype:
    """The dtype of the model's floating-point parameters; float32 if it has none."""
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)


def model_device(model: nn.Module) -> torch.device:
    """Where the model's parameters are; the CPU if it has none."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def is_finite(values: Tensor) -> Tensor:
    """Whether all values of an image are finite; (B, ...) -> (B,) bool."""
    # The largest is NaN where one of them is.
    return metrics.linf(values).isfinite()


@contextmanager
def frozen(model: nn.Module, dtype: torch.dtype) -> Iterator[None]:
    """Put the model into eval mode, without parameter gradients, in `dtype`; on leaving restore exactly what was.

    The original parameter and buffer tensors come back themselves, not copies converted there and back. Inside, float32
    means float32: GPUs would otherwise compute convolutions with TF32's 10 bits of mantissa.
    """
    modes = [(module, module.training) for module in model.modules()]
    gradients = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    tensors = [
        (tensor, tensor.data)
        for tensor in [*model.parameters(), *model.buffers()]
        if tensor.is_floating_point() and tensor.dtype != dtype
    ]
    try:
        model.eval()
        for parameter, _ in gradients:
            parameter.requires_grad_(False)
        # Converted in the caller's inference mode they could not take part in a backward pass.
        with torch.inference_mode(False):
            for tensor, original in tensors:
                tensor.data = original.to(dtype)
        with _float32_products("highest"):
            yield
    finally:
        for tensor, original in tensors:
            tensor.data = original
        for parameter, needed in gradients:
            parameter.requires_grad_(needed)
        for module, training in modes:
            module.training = training


@contextmanager
def _float32_products(how: Literal["highest", "high"]) -> Iterator[None]:
    """What GPUs multiply float32 with: "highest" is float32, "high" TF32."""
    products, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision(how)
    torch.backends.cudnn.allow_tf32 = how == "high"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = convolutions


class AttackedModel:
    """The attacked model as the engine calls it: two or more logits, in full precision whatever the passes run in.

    What is judged and reported (`exact`) always goes through the model as it was given. The passes that rules ask for
    go through faster equivalents of it, which differ by rounding; with precision 64 they too go through the model.

    Args:
        model: images (B, C, H, W) in [0, 1] -> logits (B, K, h, w), K ≥ 1.
        precision: of the passes; None: the model's own.
        channels_last: lay images and weights out channels-last.
        fold: fold batch norms into their convolutions, and let layers compute only what matters, see `stand_ins`.
        compiled: run the passes through `torch.compile`, on a GPU with CUDA graphs.

    Raises:
        InputError: a precision there is not, a model in a reduced one.
    """

    def __init__(
        self,
        model: nn.Module,
        precision: Precision | None = None,
        channels_last: bool = True,
        fold: bool = True,
        compiled: bool = False,
    ) -> None:
        own = model_dtype(model)
        if own not in (torch.float32, torch.float64):
            raise InputError(f"the model's parameters are {own}; attack it in float32 and set the engine's precision")
        if precision is None:
            precision = 64 if own == torch.float64 else 32
        precision = normalise_precision(precision)
        self.model = model
        self.reduced = precision not in (64, 32)
        self.dtype = torch.float64 if precision == 64 else torch.float32
        self.device = model_device(model)
        self._autocast, self._tf32 = AUTOCAST.get(precision), precision == "tf32"
        # In float64 results are exact, which is worth more than time.
        self._channels_last = channels_last and precision != 64
        self._fold = fold and precision != 64
        self._fast: AcceleratedModel | None = None
        mode = "reduce-overhead" if self.device.type == "cuda" else "default"
        self._step = torch.compile(model, mode=mode) if compiled else model
        # CUDA graphs write every result to the same place.
        self.overwrites = compiled

    def forget(self) -> None:
        """Make the faster weights anew at the next pass; for when the model's own may have changed."""
        self._fast = None

    def __call__(self, points: Tensor, exact: bool = False) -> Tensor:
        """Logits (B, K, h, w), K ≥ 2, for points (B, C, H, W) in [0, 1]; `exact`: as the model itself computes them.

        A one-logit head z is read as (−z/2, +z/2), which has the same prediction and the same probabilities.
        """
        logits = self._exact(points) if exact else self._quick(points)
        if not isinstance(logits, Tensor) or logits.ndim != 4 or len(logits) != len(points):
            found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise InputError(
                f"the model returned {found} for images {tuple(points.shape)}; logits (B,K,H,W) are needed"
            )
        logits = logits.to(self.dtype, memory_format=torch.contiguous_format)
        return torch.cat([-logits / 2, logits / 2], dim=1) if logits.shape[1] == 1 else logits

    def logits(self, image: Tensor) -> Tensor:
        """(K, h, w) on the CPU of one image (C, H, W) in [0, 1], in full precision: what rows are scored from."""
        with torch.inference_mode(False), torch.no_grad():
            return self(image[None].to(self.device, self.dtype), exact=True)[0].cpu()

    def preds(self, image: Tensor) -> Tensor:
        """Classes (h, w) on the CPU of one image (C, H, W) in [0, 1], in full precision."""
        return self.classes(self.logits(image)[None])[0]

    def classes(self, logits: Tensor) -> Tensor:
        """Predicted classes (B, h, w) of logits (B, K, h, w), as they are judged and scored.

        The largest logit's, and then what the model's own `postprocess`, if it has one, makes of these maps.
        """
        return self.postprocessed(metrics.predicted(logits))

    def postprocessed(self, preds: Tensor) -> Tensor:
        """Class maps (B, h, w) after the model's own `postprocess`, if it has one."""
        after = getattr(self.model, "postprocess", None)
        return preds if after is None else after(preds)

    @contextmanager
    def stepping(self) -> Iterator[None]:
        """Around forward and backward passes that are not exact."""
        with _float32_products("high") if self._tf32 else nullcontext():
            yield

    def _exact(self, points: Tensor) -> Tensor:
        with torch.autocast(self.device.type, enabled=False):
            # A copy, because models that normalise in place exist.
            return self.model(points.clone())

    def _quick(self, points: Tensor) -> Tensor:
        if self._fast is None:
            with torch.autocast(self.device.type, enabled=False):
                self._fast = accelerated(
                    self.model, points[:1].detach(), self._fold, self._channels_last, self._autocast
                )
        with (
            self._fast.in_place(),
            torch.autocast(self.device.type, self._autocast or torch.bfloat16, enabled=self._autocast is not None),
        ):
            logits = self._step(self._fast.laid_out(points))
        return logits.clone() if self.overwrites and isinstance(logits, Tensor) else logits
