"""How far apart logits of the same image may lie by rounding alone."""

from dataclasses import dataclass

import torch
from torch import Tensor

# In units of the last place. Among the networks of conf/victim one image differs from itself in a batch by 20 at most,
# and by 4 in float64; two passes of the same batch do not differ.
ROUNDING = 1000


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """What rounding explains.

    Attributes:
        scale: the largest finite logit of the batch, without its sign.
        limits: (n,) float64, the largest difference of a logit, for each image.
    """

    scale: float
    limits: Tensor

    def part(self, images: slice) -> "Rounding":
        """The same for some of the images."""
        return Rounding(scale=self.scale, limits=self.limits[images])

    def differ(self, logits: Tensor | None, others: Tensor | None) -> bool:
        """Whether logits (n, K, h, w) differ by more; False if one of them is None."""
        if logits is None or others is None:
            return False
        if logits.shape != others.shape:
            return True
        return bool((_gaps(logits, others) > self.limits).any())

    def difference(self, logits: Tensor, others: Tensor) -> tuple[float, float, float]:
        """The difference of the image that is furthest above its limit, that limit, and the share of other pixels.

        Both are relative to the largest logit; the share is that of pixels of all images whose class differs.
        """
        if logits.shape != others.shape:
            return float("inf"), 0.0, 1.0
        gaps = _gaps(logits, others)
        worst = int((gaps / self.limits).argmax())
        preds, other_preds = (t[:, 0] > 0 if t.shape[1] == 1 else t.argmax(1) for t in (logits, others))
        share = float((preds != other_preds).double().mean())
        return float(gaps[worst]) / self.scale, float(self.limits[worst]) / self.scale, share


def rounding_of(logits: Tensor, gradient: Tensor | None, dtype: torch.dtype) -> Rounding:
    """What rounding explains, of logits as large as those of the batch, and of what the images' own digits move.

    An image of one grey that a network divides by its spread, and one whose logits cancel, are nothing but rounding,
    which the gradient shows: it is the gain from the images' last digits to the logits.

    Args:
        logits: (n, K, h, w).
        gradient: (n, C, H, W), of a combination of the logits by weights of variance 1; None: there is none.
        dtype: of the images.
    """
    finite = logits[logits.isfinite()].double().abs()
    scale = float(finite.max()) if finite.numel() else 0.0
    gains = torch.zeros(len(logits), dtype=torch.float64)
    if gradient is not None:
        lengths = gradient.double().flatten(1).norm(dim=1).cpu()
        gains = torch.where(lengths.isfinite(), lengths, 0.0) / max(1, logits[0].numel()) ** 0.5
    eps = torch.finfo(logits.dtype if logits.dtype == dtype else torch.float32).eps
    return Rounding(scale=scale or 1.0, limits=ROUNDING * eps * gains.clamp(min=scale or 1.0))


def _gaps(logits: Tensor, others: Tensor) -> Tensor:
    """(n,): the largest difference of each image; NaN counts as 0."""
    return (logits.double().nan_to_num() - others.double().nan_to_num()).abs().flatten(1).amax(1).cpu()
