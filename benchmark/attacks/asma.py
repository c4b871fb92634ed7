"""Adaptive Segmentation Mask Attack (Ozbulak et al., MICCAI 2019, arXiv 1907.13124)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from benchmark import metrics
from benchmark.attacks import asma_scale
from benchmark.attacks.base import Batch, Query, Rule, norms, unsqueeze_like
from benchmark.attacks.losses import at_labels


@dataclass(frozen=True, kw_only=True)
class ASMA(Rule):
    """Adaptive Segmentation Mask Attack (arXiv 1907.13124): push wrong pixels to the target, faster as it succeeds.

    With x the clean image, y* the target map and z the logits, ascend

        J(x') = Σ_valid 1[argmax z ≠ y*] · z_{y*} − ‖x' − x‖²₂,    x'_{n+1} = clip₀₁(x'_n + α_n ∇J(x'_n)),

    with the raw gradient, α_0 = τ and α_n = β · IoU(y*, prediction of x'_n) + τ, all per image (paper, section 2.2).
    The defaults are the published values. They are tied to that paper's network, its logit scale and image size:
    other victims need their own, usually larger ones. Whatever has to be reached is set by the engine's judge.

    With `scale="auto"` nothing is tuned by hand. Each image's own first gradient sets its τ, and the steps it may take
    are three rounds of large steps that become small. With D the number of values of the image and N = max_steps,

        τ_0 = ¼/255 · √D / ‖∇J(x)‖₂,    τ_n = τ_0 · 1.25^k · 10^(−f),    β_n = 10 τ_n,    3n/N = r + f, r whole, f < 1,

    so that the first step changes the image by a quarter of a gray level (root mean square) whatever the resolution,
    the network, its logit scale or its gradients; β/τ is the published one. Steps of one size go to and fro in the end,
    winning some pixels and losing others, and the IoU stands still; it rises again as they become smaller. An image
    that settles short of its target is shaken up by the next round, which goes on where this one ended. How large steps
    must be to do that differs from network to network: k, 0 in the first round, grows by one with every step of a later
    round, for 20 steps at most, until the image lacks half as much IoU again as when the round began, and stays. So the
    steps are small enough to reach the target at a small norm, if they arrive, and only images that would otherwise
    fail see larger ones.

    Smaller steps still would have kept nearer to the steepest way, to a smaller norm, but no step knows it before the
    target is reached. With `stop: false` an image that has succeeded therefore tries again from the clean image, with
    τ half as large as it began last and in one round twice as long, as long as there are steps: up to the try that
    does not succeed below .95 of the smallest norm so far. The gradient at the clean image is kept, so that neither
    calibration nor a new beginning costs a pass of its own.

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
        scale: "published", τ and β as given, or "auto", as above; then `tau` and `beta` are not to be given. τ_n
            is reported as `tau`.
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
        self.declare(ends_images="after a success" if self.scale == "auto" else "never")
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
        first, points = batch.steps == 0, batch.iterates
        if self.scale == "auto":
            tau, first, points, gradient = asma_scale.scaled(gradient, overlap, batch)
            beta = asma_scale.BETA_PER_TAU * tau
            batch.report["tau"] = tau
        # The first step takes τ whatever the clean image's IoU is.
        adapted = beta * overlap.masked_fill(first, 0) + tau
        multiplier = (adapted if self.dynamic_multiplier else tau).to(points.dtype)
        batch.report["multiplier"] = multiplier
        unclamped = points + unsqueeze_like(multiplier, gradient) * gradient
        if self.two_pass:
            self._look_again(unclamped, batch, query)
        return unclamped.clamp(0, 1)

    def objective(self, logits: Tensor, points: Tensor, batch: Batch) -> Tensor:
        """J of the class docstring for each image; logits (B, K, h, w), points (B, C, H, W) -> (B,)."""
        pull = batch.valid
        if self.adaptive_mask:
            pull = pull & (metrics.predicted(logits) != batch.labels)
        towards = at_labels(logits, batch.labels)
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
