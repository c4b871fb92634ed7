"""`AdamPenalty` and `AdamBall` in plain Python, on the 2x2 image and the linear model of `two_by_two`."""

import math
from collections.abc import Sequence

from benchmark.attacks.adam_ball import AdamBall
from benchmark.attacks.adam_penalty import AdamPenalty
from tests.attacks.two_by_two import IMAGE, LABELS, PIXELS, WEIGHTS, logits_at

STEPS = 20
PACE = 5  # 100 / STEPS


def half_cosine(first: float, last: float, share: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2


class ByHand:
    """Follows verdicts of the judge.

    Attributes:
        iterates: of every step, the first one included.
        reports: the weight or the radius after every verdict.
    """

    def __init__(self, rule: AdamPenalty | AdamBall, verdicts: Sequence[bool], lead: float = 1.0) -> None:
        self.rule, self.lead = rule, lead
        self.points, self.velocity = list(IMAGE), [0.0] * 4
        self.mean, self.square, self.updates, self.tolerated = [0.0] * 4, [0.0] * 4, 0, 0
        self.won: int | None = None
        self.weight, self.radius = getattr(rule, "weight", 0.0), math.inf
        self.iterates, self.reports = [list(IMAGE)], []
        for step, success in enumerate(verdicts):
            self._step(step, success)
            self.iterates.append(list(self.points))
            self.reports.append(self.weight if isinstance(rule, AdamPenalty) else self.radius)

    def _step(self, step: int, success: bool) -> None:
        walking = self.updates == 0
        f, gradient, wrong = self._shortfall(0 if walking else self.rule.confidence)
        if success:
            self.tolerated = max(self.tolerated, wrong)
            self.won = step if self.won is None else self.won
        if walking and not success and step < self.rule.walk_steps:
            self._walk(f, gradient)
            return
        if isinstance(self.rule, AdamPenalty):
            pull, length = self._penalised(self.rule, step, success, walking, gradient)
        else:
            pull, length = self._in_ball(self.rule, step, success, walking, gradient)
        self.updates += 1
        self.mean = [0.9 * m + 0.1 * p for m, p in zip(self.mean, pull, strict=True)]
        self.square = [0.99 * s + 0.01 * p * p for s, p in zip(self.square, pull, strict=True)]
        grown, squares_grown = 1 - 0.9**self.updates, 1 - 0.99**self.updates
        for j in PIXELS:
            step = self.mean[j] / grown / (math.sqrt(self.square[j] / squares_grown) + 1e-12)
            if getattr(self.rule, "update", "adam") == "sign":
                step = math.copysign(1, self.mean[j]) if self.mean[j] else 0.0
            point = self.points[j] - length * step
            point = min(max(point, IMAGE[j] - self.radius), IMAGE[j] + self.radius)
            self.points[j] = min(max(point, 0), 1)

    def _shortfall(self, asked: float) -> tuple[float, list[float], int]:
        """f, its gradient, and how many pixels are not as wanted."""
        short = []
        for p, scores in enumerate(logits_at(self.points)):
            label = LABELS[p]
            rival = max((k for k in range(3) if k != label), key=lambda k: scores[k])
            sense = 1 if self.rule.targeted else -1
            slope = [-sense * (WEIGHTS[label][p][j] - WEIGHTS[rival][p][j]) / self.lead for j in PIXELS]
            short.append((asked - sense * (scores[label] - scores[rival]) / self.lead, slope))
        wrong = sum(value >= asked for value, _ in short)
        short.sort(key=lambda pixel: -pixel[0])
        pulling = [pixel for pixel in short[int(self.rule.left_out * self.tolerated) :] if pixel[0] > 0]
        return sum(v for v, _ in pulling), [sum(slope[j] for _, slope in pulling) for j in PIXELS], wrong

    def _free(self, gradient: list[float]) -> list[float]:
        """The gradient without values whose step would leave [0, 1]."""
        held = [(x <= 0 and g > 0) or (x >= 1 and g < 0) for x, g in zip(self.points, gradient, strict=True)]
        return [0.0 if stays else g for stays, g in zip(held, gradient, strict=True)]

    def _walk(self, f: float, gradient: list[float]) -> None:
        gradient = self._free(gradient)
        if not any(gradient):
            step = gradient
        elif self.rule.norm == 2:
            step = [f / sum(g * g for g in gradient) * g for g in gradient]
        else:
            step = [math.copysign(f / sum(abs(g) for g in gradient), g) if g else 0.0 for g in gradient]
        rho, mu = self.rule.relaxation, self.rule.momentum
        self.velocity = [mu * v + rho * d for v, d in zip(self.velocity, step, strict=True)]
        self.points = [min(max(x - v, 0), 1) for x, v in zip(self.points, self.velocity, strict=True)]

    def _penalised(
        self, rule: AdamPenalty, step: int, success: bool, walking: bool, gradient: list[float]
    ) -> tuple[list[float], float]:
        share = step / (STEPS - 1)
        if walking and not success:
            self.weight *= 3
        pull = [2 * (x - y) + self.weight / 2 * g for x, y, g in zip(self.points, IMAGE, gradient, strict=True)]
        change = PACE * half_cosine(rule.change, rule.change_end, share)
        if success:
            self.weight /= 1 if walking else 1 + change
        else:
            self.weight *= 1 + (change if self.won is not None else change / 2)
        return pull, half_cosine(rule.step_size, rule.step_size_end, share)

    def _in_ball(
        self, rule: AdamBall, step: int, success: bool, walking: bool, gradient: list[float]
    ) -> tuple[list[float], float]:
        won = step if self.won is None else self.won
        share = (step - won) / max(STEPS - 1 - won, 1)
        gamma = min(PACE * half_cosine(rule.gamma, rule.gamma_end, share), 0.5)
        free = self._free(gradient)
        delta = [x - y for x, y in zip(self.points, IMAGE, strict=True)]
        norm = max(abs(d) for d in delta)
        if success:
            self.radius = (1 - gamma) * min(self.radius, norm)
        else:
            self.radius = rule.radius if walking else (1 + 0.3 * gamma) * self.radius
        scale = min(1, self.radius / norm) if norm else 1
        self.points = [y + scale * d for y, d in zip(IMAGE, delta, strict=True)]
        pull = [g / math.hypot(*free) if any(free) else 0.0 for g in free]
        length = min(half_cosine(rule.step_size, rule.step_size_end, share) * self.radius, rule.largest_step)
        return pull, length
