"""Independent runs of minimal-norm attacks, and how a rule of ours is run to be compared with them."""

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import safe_open
from torch import Tensor, nn

from benchmark.attacks.base import Rule, norms
from benchmark.engine import AttackResult, Criterion, attack

FILE = Path(__file__).parent.parent / "golden" / "minimal_norm_attacks.safetensors"
RECORDED = (1, 2, 3, 5, 10, 20)
"""Which forward passes' inputs are in the file, counted from 0, the clean image; for the first two images."""
COMPARED = RECORDED.index(10) + 1
"""The passes up to the tenth; from then on rounding, which these attacks amplify, may show."""


class Recorder(nn.Module):
    """Remembers what went into a model."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images.detach().clone())
        return self.model(images)


@dataclass
class Golden:
    """A golden run and what is needed to repeat it.

    Attributes:
        settings: its parameters, and "targeted".
        network: the attacked model.
        images, labels, valid: (N, C, H, W), (N, H, W), (N, H, W), what was attacked.
        adv: (N, C, H, W), its results.
        iterates: (2, len(RECORDED), C, H, W), what went into the recorded passes.
    """

    settings: dict[str, Any]
    network: nn.Module
    images: Tensor
    labels: Tensor
    valid: Tensor
    adv: Tensor
    iterates: Tensor

    def attack(self, model: nn.Module, rule: Rule, chosen: slice = slice(None), **options: Any) -> AttackResult:
        """Attack the chosen images with the judge of the golden run."""
        reference: Literal["target", "truth"] = "target" if self.settings["targeted"] else "truth"
        judge = Criterion("apsr", reference, ">=", self.settings["adv_threshold"])
        maps = {"labels": self.labels[chosen], "valid": self.valid[chosen]}
        return attack(model, self.images[chosen], rule=rule, judge=judge, confirm=False, **maps, **options)


def golden(name: str) -> Golden:
    """A golden run, such as "dag_l2.targeted"."""
    with safe_open(FILE, "pt") as file:
        settings = ast.literal_eval(file.metadata()[name])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    network = nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1), nn.Tanh(), nn.Conv2d(8, 8, 3, padding=2, dilation=2), nn.Tanh()),
        nn.Conv2d(8, 4, 1),
    ).double()
    network.load_state_dict({k.removeprefix("model."): t for k, t in tensors.items() if k.startswith("model.")})
    targeted = name.endswith(".targeted")
    labels = tensors["targets" if targeted else "truth"]
    results = (tensors[f"{name}.adv"], tensors[f"{name}.iterates"])
    return Golden(
        settings | {"targeted": targeted}, network, tensors["images"], labels, tensors["valid"], results[0], results[1]
    )


def assert_golden(
    name: str, make: Callable[[dict[str, Any]], Rule], together: int, roundings: int = 0, **options: Any
) -> None:
    """Assert success on every image, the rule's own norm within 2 %, and the same iterates up to the tenth pass.

    Args:
        name: of the golden run.
        make: makes the rule from the golden run's parameters.
        together: images in a batch; more than one only if all of them take the same number of steps.
        roundings: for a rule that amplifies rounding so much that its norms differ by more from one processor to
            another: so many further runs of images changed by 1e-15. One of them may be the one within 2 %.
        **options: of `attack`.
    """
    run = golden(name)
    rule, model = make(run.settings), Recorder(run.network)
    adv, seen = [], []
    for first in range(0, len(run.images), together):
        model.seen.clear()
        result = run.attack(model, rule, slice(first, first + together), slots=together, **options)
        assert result.success.all()
        adv.append(result.adv)
        # The first pass is the engine's own, of the clean image; the last two judge what is reported.
        passes = model.seen[1:-2]
        seen.append(torch.stack([passes[min(k, len(passes) - 1)] for k in RECORDED], dim=1))
    size, expected = (norms(points - run.images, rule.norm) for points in (torch.cat(adv), run.adv))
    ratios = [size / expected]
    for i in range(roundings):
        if _within(ratios):
            break
        noise = torch.randn(run.images.shape, generator=torch.Generator().manual_seed(i), dtype=run.images.dtype)
        moved = replace(run, images=(run.images + 1e-15 * noise).clamp(0, 1))
        result = moved.attack(run.network, rule, slots=len(run.images), **options)
        assert result.success.all()
        ratios.append(norms(result.adv - moved.images, rule.norm) / expected)
    assert _within(ratios), torch.stack(ratios).tolist()
    distance = (torch.cat(seen)[: len(run.iterates)] - run.iterates)[:, :COMPARED].abs().amax((2, 3, 4))
    assert (distance <= 1e-6).all(), distance.tolist()


def _within(ratios: list[Tensor]) -> bool:
    """Whether each image's norm is within 2 % of the golden one in at least one of the runs."""
    return bool(((torch.stack(ratios) - 1).abs() <= 0.02).any(0).all())
