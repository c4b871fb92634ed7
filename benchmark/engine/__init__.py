"""The attack engine: `attack` for tensors at hand, `Engine` for a stream of images."""

from benchmark.criterion import Criterion
from benchmark.engine.attack_images import AttackResult, attack
from benchmark.engine.jobs import Finished, Job
from benchmark.engine.loop import Engine
from benchmark.engine.telemetry import Measurements

__all__ = ["AttackResult", "Criterion", "Engine", "Finished", "Job", "Measurements", "attack"]
