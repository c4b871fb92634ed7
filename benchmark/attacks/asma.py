"""Adaptive Segmentation Mask Attack (Ozbulak et al., MICCAI 2019, arXiv 1907.13124)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from benchmark import metrics
from benchmark.attacks.base import Batch, Query, Rule, norms


@dataclass(frozen=True)
class ASMA(Rule):
    """Adaptive Segmentation Mask Attack (arXiv 1907.13124): push wrong pixels to the target, faster as it succeeds.

    With x the clean image, y* the target map and z the logits, ascend

        J(x') = Σ_valid 1[argmax z ≠ y*] · z_{y*} − ‖x' − x‖²₂,    x'_{n+1} = clip₀₁(x'_n + α_n ∇J(x'_n)),

    with the raw gradient, α_0 = τ and α_n = β · IoU(y*, prediction of x'_n) + τ, all per image (paper, section 2.2).
    The defaults are the published values. They are tied to that paper's network, its logit scale and image size:
    other victims need their own, usually larger ones. Whatever has to be reached is set by the engine's judge.

    Args:
        tau: τ, the multiplier at the first step and at IoU 0.
        beta: β, how much the multiplier grows with the IoU to the target.
        adaptive_mask: only pixels not yet at the target pull (the paper's first idea); False: all valid pixels always.
        dynamic_multiplier: α_n follows the IoU (the paper's second idea); False: α_n = τ.
        iou: "foreground" as published, or "macro", the mean over all present classes. On an erased target the
            foreground IoU stays 0 until the very end, and the multiplier with it.
        two_pass: take the IoU from a second forward pass on the iterate before it is clamped, as the published code
            does, and report that iterate's measurements as `unclamped_*`. Without it the forward pass that the next
            gradient needs anyway serves both, at half the forward cost.
    """

    tau: float = 1e-7
    beta: float = 1e-6
    adaptive_mask: bool = True
    dynamic_multiplier: bool = True
    iou: Literal["foreground", "macro"] = "foreground"
    two_pass: bool = False

    def __post_init__(self) -> None:
        if not (self.tau >= 0 and self.beta >= 0):
            raise ValueError(f"ASMA: tau and beta must not be negative, got tau={self.tau}, beta={self.beta}")
        if self.iou not in ("foreground", "macro"):
            raise ValueError(f"ASMA: iou must be 'foreground' or 'macro', got {self.iou!r}")

    def start(self, batch: Batch) -> Tensor:
        batch.state["multiplier"] = batch.images.new_full((len(batch.images),), self.tau)
        return batch.images

    def step(self, batch: Batch, query: Query) -> Tensor:
        logits, gradient = query.gradient(lambda logits, points: self.objective(logits, points, batch))
        if self.two_pass:
            multiplier = batch.state["multiplier"]
        else:
            # The first step takes τ whatever the clean image's IoU is.
            adapted = self._multiplier(self._counts(logits, batch), batch)
            multiplier = torch.where(batch.steps == 0, batch.state["multiplier"], adapted)
        batch.report["multiplier"] = multiplier
        unclamped = batch.iterates + multiplier.view(-1, 1, 1, 1) * gradient
        if self.two_pass:
            self._look_again(unclamped, batch, query)
        return unclamped.clamp(0, 1)

    def objective(self, logits: Tensor, points: Tensor, batch: Batch) -> Tensor:
        """J of the class docstring for each image; logits (B, K, h, w), points (B, C, H, W) -> (B,)."""
        pull = batch.valid
        if self.adaptive_mask:
            pull = pull & (logits.argmax(1) != batch.labels)
        towards = logits.gather(1, batch.labels.unsqueeze(1)).squeeze(1)
        return (towards * pull).flatten(1).sum(1) - (points - batch.images).square().flatten(1).sum(1)

    def _counts(self, logits: Tensor, batch: Batch) -> Tensor:
        return metrics.confusion(logits.argmax(1), batch.labels, batch.valid, batch.classes)

    def _multiplier(self, counts: Tensor, batch: Batch) -> Tensor:
        if not self.dynamic_multiplier:
            return batch.images.new_full((len(counts),), self.tau)
        overlap = metrics.iou(counts, batch.background if self.iou == "foreground" else None)
        return (self.beta * overlap + self.tau).to(batch.images.dtype)

    def _look_again(self, unclamped: Tensor, batch: Batch, query: Query) -> None:
        counts = self._counts(query.forward(unclamped), batch)
        batch.state["multiplier"] = self._multiplier(counts, batch)
        delta = unclamped - batch.images
        batch.report["unclamped_iou"] = metrics.iou(counts, batch.background)
        batch.report["unclamped_pixel_acc"] = metrics.pixel_accuracy(counts)
        batch.report["unclamped_l2"] = norms(delta, 2)
        batch.report["unclamped_linf"] = norms(delta, "inf")
