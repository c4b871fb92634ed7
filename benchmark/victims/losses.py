"""The training loss of victims: cross-entropy plus Dice loss over the valid pixels."""

import torch
import torch.nn.functional as F
from segmentation_models_pytorch.losses import BINARY_MODE, MULTICLASS_MODE, MULTILABEL_MODE, DiceLoss
from torch import Tensor, nn

# No class index; cross_entropy ignores it by default.
VOID = -100


class SegmentationLoss(nn.Module):
    """Mean cross-entropy per valid pixel plus soft Dice loss over the batch; void pixels enter neither.

    With one logit per pixel the cross-entropy is the binary one and the Dice that of class 1. With a multilabel head
    the cross-entropy is the mean over labels of the binary one, and the Dice the mean over labels.

    Args:
        outputs: logits per pixel.
        multilabel: whether they are of labels that may overlap.
    """

    def __init__(self, outputs: int, multilabel: bool = False) -> None:
        super().__init__()
        self.multilabel = multilabel
        mode = MULTILABEL_MODE if multilabel else BINARY_MODE if outputs == 1 else MULTICLASS_MODE
        self.dice = DiceLoss(mode, ignore_index=VOID)

    def forward(self, logits: Tensor, labels: Tensor, valid: Tensor) -> Tensor:
        """The loss, a scalar; 0 if no pixel counts.

        Args:
            logits: (B, K, H, W) float; K = 1 is a sigmoid head.
            labels: (B, H, W) int64 classes, of a multilabel head the subsets of labels; any value where not `valid`.
            valid: (B, H, W) bool, pixels that count.
        """
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        if self.multilabel:
            bits = torch.arange(logits.shape[1], device=labels.device).view(1, -1, 1, 1)
            labels, valid = (labels[:, None] >> bits) & 1, valid[:, None].expand(logits.shape)
        labels = labels.masked_fill(~valid, VOID)
        # A sum over a clamped count, because the built-in mean is NaN on a batch without valid pixels.
        if logits.shape[1] == 1 or self.multilabel:
            truth, weight = (part.to(logits.dtype).view(logits.shape) for part in (labels.clamp(min=0), valid))
            total = F.binary_cross_entropy_with_logits(logits, truth, weight=weight, reduction="sum")
        else:
            total = F.cross_entropy(logits, labels, ignore_index=VOID, reduction="sum")
        return total / valid.sum().clamp(min=1) + self.dice(logits, labels)
