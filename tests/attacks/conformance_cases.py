"""What the conformance table runs: every attack of conf/attack, in both senses, on tiny models."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from torch import Tensor, nn

from benchmark.attacks.base import Rule, norms
from benchmark.attacks.losses import margin
from benchmark.config.build import build_plan
from benchmark.config.groups import conf_folder, names
from benchmark.config.resolvers import register_resolvers
from benchmark.engine import Criterion, Engine, Finished, Job
from benchmark.evaluation.plan import Attack
from benchmark.images.quantisation import EIGHT_BIT
from tests.tiny_models import random_images, smooth_network

OUTPUTS = (1, 2, 5)


MAX_STEPS = 8


@dataclass(frozen=True)
class Case:
    """An attack as conf/attack has it, in one sense; `name` is its file's."""

    name: str
    attack: Attack
    rule: Rule

    def __str__(self) -> str:
        return f"{self.name}-{'targeted' if self.rule.targeted else 'untargeted'}"

    @property
    def judge(self) -> Criterion:
        """Within reach of some images: a few more pixels at the target than half of them, or off the truth."""
        return Criterion("apsr", "target" if self.rule.targeted else "truth", ">=", 0.55)

    def network(self, outputs: int) -> "Guarded":
        """The smooth network, or a steep one if on that the rule stays at the clean images for all of its steps.

        Attacks that weigh the norm against the logits stay where they are for long where logits are small.
        """
        return network(outputs, steepness=_steepness(self, outputs))

    def run(self, model: nn.Module, jobs: Sequence[Job], rule: Rule | None = None, **options: Any) -> list[Finished]:
        """What becomes of the jobs, in their order; options of `Engine`, and other ways to queue the images.

        Run as configured but for at most `MAX_STEPS` steps, under the file's name.
        """
        defaults: dict[str, Any] = {"max_steps": min(MAX_STEPS, self.attack.max_steps), "stop": self.attack.stop}
        defaults |= {"keep": self.attack.keep, "judge": self.judge, "slots": 3, "name": self.name}
        defaults["quantizer"] = EIGHT_BIT
        with Engine(model, rule or self.rule, **defaults | options) as engine:
            for job in jobs:
                engine.submit(job)
            finished = {image.job.id: image for image in engine.run()}
        return [finished[job.id] for job in jobs]


def all_cases() -> list[Case]:
    """Each attack of the configuration, targeted and untargeted where its rule can be set to either."""
    register_resolvers("stamp")
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        attacks = build_plan(compose("config", [f"attack=[{','.join(names('attack'))}]"])).attacks
    return [Case(name, attack, rule) for name, attack in attacks.items() for rule in _senses(attack.rule)]


def pairs(cases: Sequence[Case]) -> list[tuple[Case, int]]:
    """Each attack at each number of outputs and in each of its senses, but not at all combinations of the two."""
    both = {case.name for case in cases if not case.rule.targeted} & {case.name for case in cases if case.rule.targeted}
    return [
        (case, outputs)
        for case in cases
        for outputs in OUTPUTS
        if case.name not in both or case.rule.targeted == (outputs != 2)
    ]


def _senses(rule: Rule) -> list[Rule]:
    own = {part.name: getattr(rule, part.name) for part in fields(rule)}  # type: ignore[arg-type]
    # Rounds within an attack have to end within the few steps there are.
    short = replace(rule, steps=2) if "steps" in own else rule  # type: ignore[type-var]
    if "targeted" in own:
        return [replace(short, targeted=targeted) for targeted in (True, False)]  # type: ignore[type-var]
    for name, value in own.items():
        if isinstance(value, Rule):
            return [replace(short, **{name: sense}) for sense in _senses(value)]  # type: ignore[type-var]
    return [short]


class Guarded(nn.Module):
    """A model that fails when it is called with parameters that want a gradient, or in training mode."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, points: Tensor) -> Tensor:
        assert not self.training
        assert not any(parameter.requires_grad for parameter in self.parameters())
        return self.model(points)


@cache
def network(outputs: int, steepness: float = 1) -> Guarded:
    """Its predictions are the same at any steepness; that with five classes predicts at half the size of its images."""
    model = smooth_network(outputs)
    with torch.no_grad():
        for parameter in model[2].parameters():
            parameter *= steepness
    return Guarded(nn.Sequential(model, nn.AvgPool2d(2)) if outputs == 5 else model)


@cache
def _steepness(case: Case, outputs: int) -> float:
    job = unanimous(outputs, agreed=not case.rule.targeted)[0]
    (image,) = case.run(network(outputs), [job], stop=False, keep="last", judge=never(case))
    return 30 if torch.equal(image.adv, job.image) else 1


def saturated(outputs: int) -> nn.Module:
    """Logits in the thousands and, exactly, no gradient."""
    model = smooth_network(outputs)
    with torch.no_grad():
        model[0].weight *= 1e12
        model[2].weight *= 1e3
    return model


def lead(model: Guarded, points: Tensor, job: Job) -> float:
    """By how much the labels' logits exceed the others on the points (C, H, W), averaged over the pixels."""
    with torch.no_grad():
        return margin(_two_or_more(model.model(points[None])), job.labels[None]).mean().item()


def _two_or_more(logits: Tensor) -> Tensor:
    """Logits (B, K, h, w) as rules see them."""
    return torch.cat([-logits / 2, logits / 2], dim=1) if logits.shape[1] == 1 else logits


@cache
def jobs(outputs: int) -> tuple[Job, ...]:
    """Three images, the labels of half of whose pixels are the prediction; one has void pixels in both halves."""
    made = []
    for i, (agreed, other) in enumerate(zip(*(unanimous(outputs, agreed) for agreed in (True, False)), strict=True)):
        row, column = torch.meshgrid(*(torch.arange(n) for n in other.labels.shape), indexing="ij")
        labels = torch.where((row + column) % 2 == 0, agreed.labels, other.labels)
        valid = column > 0 if i == 1 else None
        made.append(Job(id=other.id, image=other.image, labels=labels, valid=valid, truth=labels))
    return tuple(made)


@cache
def unanimous(outputs: int, agreed: bool) -> tuple[Job, ...]:
    """Three images, labelled everywhere with the predicted class or (not `agreed`) with the second likeliest."""
    images = random_images(3)
    with torch.no_grad():
        likeliest = _two_or_more(network(outputs).model(images)).topk(2, dim=1).indices
    labels = likeliest[:, 0 if agreed else 1]
    return tuple(Job(id=f"image {i}", image=images[i], labels=labels[i], truth=labels[i]) for i in range(3))


def filled_void(job: Job, value: int) -> Job:
    """The job with another label at the pixels that do not count."""
    if job.valid is None:
        return job
    labels = job.labels.masked_fill(~job.valid, value)
    return replace(job, labels=labels, truth=labels)


def size(case: Case, image: Finished) -> float:
    """Of the perturbation, in the rule's norm."""
    return norms((image.adv.double() - image.job.image.double())[None], case.rule.norm).item()


def score(case: Case, image: Finished, preds: Tensor) -> float:
    """Share of the pixels that count which are at the target, or off the truth."""
    agrees = preds == image.job.labels
    share = (agrees if image.job.valid is None else agrees[image.job.valid]).double().mean().item()
    return share if case.rule.targeted else 1 - share


@dataclass(frozen=True)
class Never(Criterion):
    """Nothing is a success, so that every image takes all its steps and no pass is spent on confirming."""

    def holds(self, score: Tensor) -> Tensor:
        return torch.zeros_like(score, dtype=torch.bool)


def never(case: Case) -> Never:
    return Never("apsr", case.judge.reference)
