"""ALMA-prox, an augmented Lagrangian with a proximal splitting (Rony et al., CVPR 2023, arXiv 2206.07179)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from benchmark import metrics
from benchmark.attacks.base import Batch, Query, Rule, unsqueeze_like
from benchmark.attacks.losses import margin
from benchmark.attacks.proximal import proximal_linf_box

# Nothing reaches this in 500 steps; float32 would overflow at its square and more.
_LARGEST_RHO = 1e15


@dataclass(frozen=True, kw_only=True)
class ALMAProx(Rule):
    """ALMA-prox (arXiv 2206.07179): min ‖δ‖∞ such that enough pixels are fooled.

    With c_i = w · relative margin of pixel i (see `relative_margin`), which must become negative, δ descends

        Σ_i P(c_i, ρ_i, μ_i),    P(y) = μy + μρy² + ρ²y³/6 for y ≥ 0,    μy / (1 − max(ρ, 1)·y) below,

    by gradient steps in a running root mean square metric, each followed by the proximity operator of the step size
    times ‖δ‖∞ within the box. Multipliers μ_i follow P's slope, penalties ρ_i are raised where nothing improves, the
    scale w grows while the image is not fooled and falls while it is, and the constraints that are furthest from being
    met are dropped, more and more of them up to 1 − threshold. Whether the image is fooled is the judge's word. It
    goes on after a success, towards smaller norms: run it with `stop=False`.

    Deviations from the published code: it takes μy for the first term of P's slope above 0, where P has μ, so that
    nearly satisfied constraints hardly pull; `slope="exact"` mends that. And ρ ends at 1e15, before float32 overflows.
    (float16 does much earlier, and ends images whose pixels resist.)

    Args:
        targeted: reach the labels, else leave them.
        threshold: share of the pixels that have to be fooled; at the last step the others' constraints are dropped.
        step_size: until the first success.
        step_size_decay: from then on (at the latest from half of the steps) it falls towards this share of it.
        multiplier: first μ.
        penalty: first ρ.
        penalty_growth: what ρ is multiplied by, every `check_every` steps, where the pixel has not been fooled since
            the last check and its constraint is above `improvement` times what it was then.
        check_every, improvement: see there.
        smoothing: share of the old value in the running means of μ and of squared gradients.
        scale_min, scale_max: bounds of w; it starts at the upper one.
        scale_rate: how fast w changes.
        tolerance: added to the difference of logits, see `relative_margin`.
        slope: of the penalty, "published" or "exact".
    """

    norm = "inf"
    targeted: bool = True
    threshold: float = 0.99
    step_size: float = 0.001
    step_size_decay: float = 0.1
    multiplier: float = 1
    penalty: float = 0.01
    penalty_growth: float = 2
    check_every: int = 10
    improvement: float = 0.95
    smoothing: float = 0.8
    scale_min: float = 0.1
    scale_max: float = 1
    scale_rate: float = 0.02
    tolerance: float = 1e-4
    slope: Literal["published", "exact"] = "published"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range("(0, inf)", "step_size", "multiplier", "penalty", "scale_min")
        self.check_range("(0, 1]", "threshold", "step_size_decay", "improvement")
        self.check_range("[0, 1)", "smoothing", "scale_rate")
        self.check_range("[1, inf]", "penalty_growth")
        self.check_range("[1, inf)", "check_every")
        self.check_range(f"[{self.scale_min}, inf]", "scale_max")

    def start(self, batch: Batch) -> Tensor:
        images, pixels = batch.images, batch.images.new_ones(batch.valid.shape)
        batch.state.update(
            delta=torch.zeros_like(images),
            # Squares of steep penalties do not fit into float32.
            square=torch.zeros_like(images, dtype=torch.float64),
            mu=self.multiplier * pixels,
            rho=self.penalty * pixels,
            # float32 as published, whatever the images are: an image's end can hang on the last bit.
            scale=torch.full_like(batch.steps, self.scale_max, dtype=torch.float32),
            # The constraints at the last check, and which pixels have been fooled since.
            checked=torch.zeros_like(pixels),
            pixel_fooled=torch.zeros_like(batch.valid),
            # The step from which the step size falls.
            falls_from=torch.full_like(batch.steps, batch.max_steps // 2),
            succeeded=torch.zeros_like(batch.steps, dtype=torch.bool),
        )
        return images

    def step(self, batch: Batch, query: Query) -> Tensor:
        state = batch.state

        def loss(logits: Tensor, points: Tensor) -> Tensor:
            self._note_success(query.judge(logits.detach()), batch)
            relative = relative_margin(logits, batch.labels, self.targeted, self.tolerance)
            constraints = unsqueeze_like(state["scale"], relative) * relative
            values = constraints.detach()
            kept = self._kept(values, batch)
            self._raise_penalties(logits.detach(), values, kept, batch)
            self._follow_slope(values, kept, batch)
            # The value is the penalty's, the gradient the slope's.
            cost = penalty(values, state["rho"], state["mu"])
            cost = cost + self._slope(values, batch) * (constraints - values)
            return torch.where(kept, cost, 0).flatten(1).sum(1)

        gradient = query.gradient(loss)[1]
        step_size = self._step_size(batch)
        metric = self._metric(gradient, batch)
        moved = state["delta"].addcmul(gradient, unsqueeze_like(step_size, metric) / metric, value=-1)
        state["delta"] = proximal_linf_box(moved, step_size, metric, -batch.images, 1 - batch.images)
        batch.report["scale"], batch.report["step_size"] = state["scale"], step_size
        return (batch.images + state["delta"]).clamp(0, 1)

    def _note_success(self, fooled: Tensor, batch: Batch) -> None:
        """What follows from whether the images are fooled, (B,) bool."""
        state = batch.state
        first = fooled & ~state["succeeded"] & (batch.steps < batch.max_steps // 2)
        state["falls_from"] = torch.where(first, batch.steps, state["falls_from"])
        state["succeeded"] = state["succeeded"] | fooled
        divisor = torch.where(fooled, 1 + self.scale_rate, 1 - self.scale_rate).to(state["scale"].dtype)
        state["scale"] = (state["scale"] / divisor).clamp(self.scale_min, self.scale_max)

    def _kept(self, constraints: Tensor, batch: Batch) -> Tensor:
        """The valid pixels without the share that may stay as it is; (B, h, w) bool."""
        share = (1 - self.threshold) * batch.steps.double() / max(batch.max_steps - 1, 1)
        rank = (share * batch.valid.flatten(1).sum(1)).long()
        ordered = constraints.masked_fill(~batch.valid, -torch.inf).flatten(1).sort(1, descending=True).values
        largest = ordered.gather(1, (rank - 1).clamp(min=0).unsqueeze(1)).squeeze(1)
        largest = torch.where(rank > 0, largest, torch.inf)
        return batch.valid & (constraints <= unsqueeze_like(largest, constraints))

    def _raise_penalties(self, logits: Tensor, constraints: Tensor, kept: Tensor, batch: Batch) -> None:
        """Raise ρ, every `check_every` steps, of the pixels at which nothing has become better."""
        state, steps = batch.state, unsqueeze_like(batch.steps, logits[:, 0])
        at_label = metrics.predicted(logits) == batch.labels
        fooled = state["pixel_fooled"] | (at_label if self.targeted else ~at_label)
        check = (steps > 0) & ((steps + 1) % self.check_every == 0)
        better = torch.where(kept, constraints, 0) <= self.improvement * state["checked"]
        raised = (self.penalty_growth * state["rho"]).clamp(max=_LARGEST_RHO)
        state["rho"] = torch.where(check & ~fooled & ~better, raised, state["rho"])
        state["checked"] = torch.where(check | (steps == 0), constraints, state["checked"])
        state["pixel_fooled"] = fooled & ~check

    def _follow_slope(self, constraints: Tensor, kept: Tensor, batch: Batch) -> None:
        """Move μ towards the slope of the penalty, from the second step on."""
        slope = torch.where(kept, self._slope(constraints, batch), 0)
        mu = torch.lerp(batch.state["mu"], slope, 1 - self.smoothing).clamp(1e-12, 1)
        batch.state["mu"] = torch.where(unsqueeze_like(batch.steps, mu) > 0, mu, batch.state["mu"])

    def _slope(self, constraints: Tensor, batch: Batch) -> Tensor:
        return penalty_slope(constraints, batch.state["rho"], batch.state["mu"], self.slope == "exact")

    def _step_size(self, batch: Batch) -> Tensor:
        since = batch.state["falls_from"]
        if self.step_size_decay == 1:
            falling = torch.ones_like(since, dtype=torch.float32)
        else:
            # A hyperbola that has fallen to `step_size_decay` at the last step.
            half = self.step_size_decay / (1 - self.step_size_decay) * (batch.max_steps - since).clamp(min=1).float()
            falling = half / ((batch.steps - since).clamp(min=0) + half)
        return (self.step_size * falling).to(batch.images.dtype)

    def _metric(self, gradient: Tensor, batch: Batch) -> Tensor:
        wide = gradient.double()
        square = (self.smoothing * batch.state["square"]).addcmul(wide, wide, value=1 - self.smoothing)
        batch.state["square"] = square
        grown = 1 - self.smoothing ** (batch.steps + 1).double()
        return (square / unsqueeze_like(grown, square)).sqrt().clamp(min=1e-8).to(gradient.dtype)


def penalty(y: Tensor, rho: Tensor, mu: Tensor) -> Tensor:
    """P(y) of `ALMAProx`, elementwise."""
    above = mu * y + mu * rho * y**2 + rho**2 * y**3 / 6
    below = mu * y / (1 - rho.clamp(min=1) * y.clamp(max=0))
    return torch.where(y >= 0, above, below)


def penalty_slope(y: Tensor, rho: Tensor, mu: Tensor, exact: bool = True) -> Tensor:
    """dP/dy, elementwise; not exact: with μy in place of μ above 0, as published."""
    above = (mu if exact else mu * y) + 2 * mu * rho * y + 0.5 * rho**2 * y**2
    below = mu / (1 - rho.clamp(min=1) * y.clamp(max=0)).square()
    return torch.where(y >= 0, above, below)


def relative_margin(logits: Tensor, labels: Tensor, targeted: bool, tolerance: float) -> Tensor:
    """How far each pixel is from being fooled in units of the logits' spread (DLR, arXiv 2003.01690); negative: it is.

    With z₁ ≥ z₂ ≥ … the sorted logits, (z_y − max of the others + tolerance) / (z₁ − z₃) if the truth y is to be left,
    and the negative over z₁ − (z₃ + z₄) / 2 if y is to be reached. Where there are too few classes for that, 2 or with
    a target 3, the difference is not divided.

    Args:
        logits: (B, K, h, w), K ≥ 2.
        labels: (B, h, w) int64.
        targeted: y is to be reached.
        tolerance: keeps a tie, which argmax may break either way, from counting as the truth left.

    Returns:
        (B, h, w).
    """
    difference = (-1 if targeted else 1) * (margin(logits, labels) + tolerance)
    needed = 4 if targeted else 3
    if logits.shape[1] < needed:
        return difference
    largest = logits.topk(needed, dim=1).values
    return difference / (largest[:, 0] - largest[:, 2:].mean(1) + 1e-8)
