"""What the minimal-norm attacks by Adam share: a walk to the target, then Adam, steered by the engine's judge."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, Query, Rule, unsqueeze_like
from benchmark.attacks.losses import margin
from benchmark.attacks.projection import without_leaving
from benchmark.attacks.steering import polyak_step

_MEAN, _SQUARE = 0.9, 0.99  # Adam's decays
_WALK = 0.2  # the largest share of the steps that the walk takes
_EPSILON = 1e-12  # of Adam


@dataclass(frozen=True, kw_only=True)
class SteeredAdam(Rule):
    """Walks towards the labels until the judge holds, at most `walk_steps` steps, and goes on by Adam from there.

    With m_i = z_y − max of the other logits at pixel i (its negative if the labels are to be left) and s the mean lead
    of the largest logit of the clean image, both descend the shortfall

        f(x') = Σ_valid max(a − m_i / s, 0),

    where a is 0 on the walk and `confidence` afterwards: pixels that have just been won are lost again by the next
    step unless a margin is asked for. Dividing by s makes logits × 1e6 the same problem. The walk takes Polyak's step
    (1987, section 5.3) in the geometry of the norm, relaxed and with momentum:

        L2: d = f / ‖∇f‖²₂ · ∇f,    Linf: d = f / ‖∇f‖₁ · sign ∇f,    v ← μ v + ρ d,    x' ← clip₀₁(x' − v).

    The judge tolerates some wrong pixels, an IoU of .95 about one in forty. Which ones should stay wrong is part of the
    problem. Adam therefore leaves out the pixels that fall short most: `left_out` times as many as were wrong in the
    success with the most.

    Args:
        targeted: reach the labels, else leave them.
        confidence: a, in units of s.
        left_out: share of the tolerated pixels that do not pull, in [0, 1].
        walk_steps: the most steps of the walk, and never more than a fifth of all.
        relaxation: ρ, the factor of Polyak's step.
        momentum: μ, how much of the walk's last step comes again, in [0, 1).
    """

    targeted: bool = True
    norm: Literal[2, "inf"] = 2
    confidence: float = 0.05
    left_out: float = 0.5
    walk_steps: int = 20
    relaxation: float = 1.5
    momentum: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range("[0, inf)", "confidence", "walk_steps")
        self.check_range("[0, 1]", "left_out")
        self.check_range("(0, inf)", "relaxation")
        self.check_range("[0, 1)", "momentum")

    def start(self, batch: Batch) -> Tensor:
        nothing, never = torch.zeros_like(batch.images), torch.zeros_like(batch.done)
        batch.state |= {"velocity": nothing, "mean": nothing, "square": nothing}
        batch.state |= {"walked": never, "succeeded": never, "tolerated": torch.zeros_like(batch.steps)}
        batch.state |= {"begun": torch.zeros_like(batch.steps), "won": torch.zeros_like(batch.steps)}
        return batch.images

    def step(self, batch: Batch, query: Query) -> Tensor:
        state = batch.state
        logits, gradient = query.gradient(lambda logits, points: self.shortfalls(logits, batch).flatten(1).sum(1))
        shortfall = self.shortfalls(logits, batch).flatten(1).sum(1)
        walk = polyak_step(without_leaving(gradient, batch.iterates), shortfall, self.norm)
        success = query.judge(logits)
        walked = state["walked"] | success | (batch.steps >= min(self.walk_steps, _WALK * batch.max_steps))
        wrong = (batch.valid & (self._margins(logits, batch) <= 0)).flatten(1).sum(1)
        batch.state = state | {
            "walked": walked,
            "succeeded": state["succeeded"] | success,
            "begun": torch.where(state["walked"], state["begun"], batch.steps),
            "won": torch.where(state["succeeded"], state["won"], batch.steps),
            "tolerated": torch.where(success, torch.maximum(state["tolerated"], wrong), state["tolerated"]),
            "velocity": self.momentum * state["velocity"] + self.relaxation * walk,
        }
        begins = walked & ~state["walked"]
        length, pull = self.steered(gradient, success, begins, batch)
        mean, square = self._moments(pull, batch)
        move = unsqueeze_like(length, pull) * self.directed(mean, square)
        move = torch.where(unsqueeze_like(walked, move), move, batch.state["velocity"])
        return self.moved(move, batch)

    @abstractmethod
    def steered(self, gradient: Tensor, success: Tensor, begins: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Learn from the judge's verdict, and say how Adam goes on.

        Args:
            gradient: ∇f (B, C, H, W) at the iterates.
            success: whether the judge holds there, (B,) bool.
            begins: whether this is the first step after the walk, (B,) bool.

        Returns:
            The length of the step, (B,), and the gradient that Adam is to follow, (B, C, H, W). Of images that are
            still on their walk both must be finite and are not used.
        """

    def directed(self, mean: Tensor, square: Tensor) -> Tensor:
        """The direction of a step, from Adam's corrected moments; all (B, C, H, W)."""
        return mean / (square.sqrt() + _EPSILON)

    def moved(self, move: Tensor, batch: Batch) -> Tensor:
        """The next iterates (B, C, H, W), after a step against `move`; by default clipped to [0, 1]."""
        return (batch.iterates - move).clamp(0, 1)

    def shortfalls(self, logits: Tensor, batch: Batch) -> Tensor:
        """The summands of f; logits (B, K, h, w) -> (B, h, w), 0 where a pixel does not pull."""
        asked = self.confidence * unsqueeze_like(batch.state["walked"], batch.labels).to(logits.dtype)
        short = asked - self._margins(logits, batch)
        short = torch.where(batch.valid & (short >= 0), short, 0)
        spared = (self.left_out * batch.state["tolerated"].double()).long()
        # The rank of every pixel, as the place of its own place in the descending order.
        order = short.detach().flatten(1).argsort(dim=1, descending=True, stable=True)
        return torch.where((order.argsort(dim=1) < spared.unsqueeze(1)).view_as(short), 0, short)

    def _margins(self, logits: Tensor, batch: Batch) -> Tensor:
        unit = torch.where(batch.clean_lead > 0, batch.clean_lead, 1).to(logits.dtype)
        return (1 if self.targeted else -1) * margin(logits, batch.labels) / unsqueeze_like(unit, batch.labels)

    def _moments(self, pull: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Adam's corrected first and second moments (arXiv 1412.6980), 0 until the walk has ended."""
        state = batch.state
        walked = unsqueeze_like(state["walked"], pull)
        mean = torch.where(walked, _MEAN * state["mean"] + (1 - _MEAN) * pull, 0)
        square = torch.where(walked, _SQUARE * state["square"] + (1 - _SQUARE) * pull.square(), 0)
        batch.state |= {"mean": mean, "square": square}
        count = unsqueeze_like((batch.steps - state["begun"] + 1).double(), pull)
        return mean / (1 - _MEAN**count).to(pull.dtype), square / (1 - _SQUARE**count).to(pull.dtype)
