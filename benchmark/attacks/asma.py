"""Adaptive Segmentation Mask Attack (Ozbulak et al., MICCAI 2019, arXiv 1907.13124)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from benchmark import metrics
from benchmark.attacks import asma_scale
from benchmark.attacks.base import Batch, Query, Rule, norms, unsqueeze_like
from benchmark.attacks.losses import at_labels, margin


@dataclass(frozen=True, kw_only=True)
class ASMA(Rule):
    """Adaptive Segmentation Mask Attack (arXiv 1907.13124): push wrong pixels to the target, faster as it succeeds.

    With x the clean image, y* the target map and z the logits, ascend

        J(x') = Σ_valid 1[argmax z ≠ y*] · z_{y*} − ‖x' − x‖²₂,    x'_{n+1} = clip₀₁(x'_n + α_n ∇J(x'_n)),

    with the raw gradient, α_0 = τ and α_n = β · IoU(y*, prediction of x'_n) + τ, all per image (paper, section 2.2).
    The defaults are the published values. They are tied to that paper's network, its logit scale and image size:
    other victims need their own, usually larger ones. Whatever has to be reached is set by the engine's judge.

    With `scale="auto"` nothing is tuned by hand, and z_{y*} in J is replaced by z_{y*} − max of the other logits. Each
    image's own first gradient sets its τ. With D the number of values of the image and N = max_steps,

        τ_0 = 2/255 · √D / ‖∇J(x)‖₂,    τ_n = τ_0 · 10^(−3n/N),    β_n = 10 τ_n,

    so that the first step changes the image by two gray levels (root mean square) whatever the resolution, the network,
    its logit scale or its gradients; β/τ is the published one. So it walks until the judge holds, at most N/5 steps.

    Then x' stays within a ball around the clean image, whose radius r the judge steers as in FMN (arXiv 2102.12827):

        r ← (1 − γ) · min(r, ‖x' − x‖₂) where it holds,    r ← (1 + .3 γ) · r elsewhere,
        v ← .9 v + .1 ∇J / ‖∇J‖₂,    x' ← the point of the ball cut with [0, 1] that is nearest to x' + α r v.

    γ falls from .05 to .003 and α from .3 to .02 by half a cosine, from the first success to the last step; with N <
    100 γ is 100/N times as large, at most ½. An image whose walk has not succeeded begins with .6 of the norm that it
    has reached: a ball that grows slowly arrives at smaller norms than a walk. In the ball, pixels pull until z_{y*}
    leads by .05 of the mean lead of the clean image's largest logit, because those just won are lost again otherwise.
    With `stop: false` all steps are used.

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
        scale: "published", τ and β as given, or "auto", as above; then `tau` and `beta` are not to be given. The
            walk's τ_n is reported as `tau`, r as `radius`.
    """

    tau: float = 1e-7
    beta: float = 1e-6
    adaptive_mask: bool = True
    dynamic_multiplier: bool = True
    iou: Literal["foreground", "macro"] = "foreground"
    two_pass: bool = False
    scale: Literal["published", "auto"] = "published"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.declare(passes_per_step=3 if self.two_pass else 2)
        self.check_range("[0, inf]", "tau", "beta")
        if self.scale == "auto" and (self.tau, self.beta) != (ASMA.tau, ASMA.beta):
            given = f"tau={self.tau}, beta={self.beta}"
            raise ValueError(f"ASMA: scale='auto' finds tau and beta itself; leave out {given} or use 'published'")

    def start(self, batch: Batch) -> Tensor:
        if self.two_pass:
            batch.state["overlap"] = torch.zeros_like(batch.steps, dtype=torch.float64)
        if self.scale == "auto":
            asma_scale.start(batch)
        return batch.images

    def step(self, batch: Batch, query: Query) -> Tensor:
        logits, gradient = query.gradient(lambda logits, points: self.objective(logits, points, batch))
        overlap = batch.state["overlap"] if self.two_pass else self._overlap(self._counts(logits, batch), batch)
        tau, beta = torch.full_like(overlap, self.tau), torch.full_like(overlap, self.beta)
        if self.scale == "auto":
            tau = asma_scale.walking_tau(gradient, batch)
            beta = asma_scale.BETA_PER_TAU * tau
            batch.report["tau"] = tau
        # The first step takes τ whatever the clean image's IoU is.
        adapted = beta * overlap.masked_fill(batch.steps == 0, 0) + tau
        multiplier = (adapted if self.dynamic_multiplier else tau).to(gradient.dtype)
        batch.report["multiplier"] = multiplier
        unclamped = batch.iterates + unsqueeze_like(multiplier, gradient) * gradient
        if self.scale == "auto":
            unclamped = asma_scale.within_ball(unclamped, gradient, query.judge(logits), batch)
        if self.two_pass:
            self._look_again(unclamped, batch, query)
        return unclamped.clamp(0, 1)

    def objective(self, logits: Tensor, points: Tensor, batch: Batch) -> Tensor:
        """J of the class docstring for each image; logits (B, K, h, w), points (B, C, H, W) -> (B,)."""
        pull = batch.valid
        if self.adaptive_mask:
            away = metrics.predicted(logits) != batch.labels
            pull = pull & (away | asma_scale.wanted(logits, batch) if self.scale == "auto" else away)
        # A logit alone may rise beside a rival that rises as well.
        towards = margin(logits, batch.labels) if self.scale == "auto" else at_labels(logits, batch.labels)
        return (towards * pull).flatten(1).sum(1) - (points - batch.images).square().flatten(1).sum(1)

    def _counts(self, logits: Tensor, batch: Batch) -> Tensor:
        return metrics.confusion(metrics.predicted(logits), batch.labels, batch.valid, batch.classes)

    def _overlap(self, counts: Tensor, batch: Batch) -> Tensor:
        return metrics.iou(counts, batch.background if self.iou == "foreground" else None)

    def _look_again(self, unclamped: Tensor, batch: Batch, query: Query) -> None:
        counts = self._counts(query.forward(unclamped), batch)
        batch.state["overlap"] = self._overlap(counts, batch)
        delta = unclamped - batch.images
        batch.report["unclamped_iou"] = metrics.iou(counts, batch.background)
        batch.report["unclamped_pixel_acc"] = metrics.pixel_accuracy(counts)
        batch.report["unclamped_l2"] = norms(delta, 2)
        batch.report["unclamped_linf"] = norms(delta, "inf")
