"""The comparisons that `bench` makes, as plain numbers."""

import copy
import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.data.datamodule import SegmentationData
from benchmark.engine import Criterion
from benchmark.engine.precision import frozen, model_device, normalise_precision
from benchmark.evaluation.case import make_case, split_of
from benchmark.evaluation.plan import Plan
from benchmark.model_errors import as_model_error
from benchmark.speed import epoch, reference_asma
from benchmark.speed.epoch import Item
from benchmark.speed.memory import peak_mib
from benchmark.speed.profile import shares
from benchmark.speed.slot_count import rates_by_slots, suggest
from benchmark.speed.timing import CLOCKS, rates, ratio, spread
from benchmark.speed.upper_bound import Limit

_MOST_SLOTS = {"cpu": 16, "cuda": 512}


class Bench:
    """Measures one victim on one machine.

    Args:
        plan: attacks, target, judge and the engine's options.
        model: the victim in eval mode, on the device.
        data: set up for the test split.
        items: of that split, those that are attacked.
        repeats, clock: of every measurement, see `measure`.
    """

    def __init__(
        self, plan: Plan, model: nn.Module, data: SegmentationData, *, items: Sequence[Item], repeats: int, clock: str
    ) -> None:
        self.plan, self.model, self.data, self.items = plan, model, data, items
        self.repeats, self.clock, self.device = repeats, CLOCKS[clock], model_device(model)

    def steps(self, steps: int) -> dict[str, Any]:
        """Image-steps per second of the engine, the limit and the common loop, and what the engine's time goes to."""
        slots, precision = self.plan.engine["slots"], normalise_precision(self.plan.engine["precision"])
        images, targets = self._tensors()
        places = [place % len(images) for place in range(slots)]
        steady = epoch.steady(self.plan, steps)
        trained = _trainable(self.model)
        limit = Limit(self.model, images[places], targets[places], precision, self.plan.engine["channels_last"])
        measured = rates(
            {
                "engine": lambda: epoch.image_steps(steady, self.model, self.data, self.items),
                "limit": lambda: limit.run(max(1, steps // 3)),
                "common": lambda: reference_asma.run(
                    trained, images[:2], targets[:2], tau=1e-9, beta=0, steps=max(1, steps // 3)
                ),
            },
            self.repeats,
            self.clock,
            self.device,
        )
        return {
            "image_steps_per_second": {name: spread(values) for name, values in measured.items()},
            "ratios": {f"engine/{other}": ratio(measured, "engine", other) for other in ("limit", "common")},
            "peak_mib": peak_mib(self.device),
            "profile": shares(lambda: epoch.image_steps(steady, self.model, self.data, self.items), self.device),
        }

    def slots(self) -> dict[str, Any]:
        """Image-steps per second by number of slots, and which number suits the device."""

        def rate(slots: int) -> float:
            work = {"engine": lambda: epoch.engine_steps(self.plan, self.model, self.data, self.items, slots)}
            return median(rates(work, min(3, self.repeats), self.clock, self.device)["engine"])

        by_slots = rates_by_slots(rate, _MOST_SLOTS.get(self.device.type, 16))
        return {
            "image_steps_per_second": {str(n): value for n, value in by_slots.items()},
            "suggested": suggest(by_slots),
        }

    def until(self, tau: float, beta: float, most: int) -> dict[str, Any]:
        """Images per second until the judge holds: each attack of the plan, and the common loop with an oracle.

        The oracle costs nothing: its number of steps is determined first, then the loop is timed over that many. The
        engine confirms its result on the 8-bit file; the oracle takes the iterate in float.
        """
        images, targets = self._tensors()
        judge: Criterion = self.plan.judge
        trained = _trainable(self.model)
        oracle = [
            reference_asma.steps_until(
                trained, image[None], target[None], tau=tau, beta=beta, iou=judge.value, max_steps=most
            )
            for image, target in zip(images, targets, strict=True)
        ]
        numbers = [steps for steps, _ in oracle]
        outcomes: dict[str, Any] = {}

        def attack(name: str) -> int:
            plan = replace(self.plan, attacks={name: self.plan.attacks[name]})
            done = [finished for _, finished, _ in epoch.attacked(plan, self.model, self.data, self.items)]
            outcomes[name] = {
                "success8": sum(one.success8 for one in done),
                "median_l2": median(float((one.adv - one.job.image).norm()) for one in done),
                "steps": sorted(one.steps for one in done),
                "passes": sum(one.forwards + one.backwards for one in done),
            }
            return len(done)

        def loop() -> int:
            reference_asma.run(trained, images, targets, tau=tau, beta=beta, steps=numbers)
            return len(images)

        work = {name: partial(attack, name) for name in self.plan.attacks} | {"common": loop}
        measured = rates(work, self.repeats, self.clock, self.device)
        outcomes["common"] = {
            "median_l2": median(float((adv[0] - image).norm()) for (_, adv), image in zip(oracle, images, strict=True)),
            "steps": sorted(numbers),
            "passes": 3 * sum(numbers),
        }
        return {
            "images_per_second": {name: spread(values) for name, values in measured.items()},
            "ratios": {f"{name}/common": ratio(measured, name, "common") for name in self.plan.attacks},
            "outcomes": outcomes,
        }

    def _tensors(self) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) and targets (N, h, w) of the items, on the device."""
        target = self.plan.target
        target.prepare(split_of(self.data, "test"))
        with frozen(self.model, torch.float32), torch.no_grad():
            shown = [self._preds(item["image"][None].to(self.device)).cpu() for item in self.items]
        cases = [make_case(item, target, prediction=seen) for item, seen in zip(self.items, shown, strict=True)]
        images, targets = torch.stack([case.image for case in cases]), torch.stack([case.target for case in cases])
        return images.to(self.device), targets.to(self.device)

    def _preds(self, images: Tensor) -> Tensor:
        """The classes (H, W) of one image (1, C, H, W)."""
        with as_model_error(self.model, images):
            return self.model(images)[0].argmax(0)


def machine(device: torch.device) -> Mapping[str, Any]:
    """The machine and the versions to which measured speeds belong."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    capability = torch.backends.cpu.get_cpu_capability()
    return {"device": f"{device.type}: {name}", "cpu_capability": capability, "threads": torch.get_num_threads()} | {
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }


def _trainable(model: nn.Module) -> nn.Module:
    """A copy as common code has it: in eval mode, its parameters wanting gradients."""
    return copy.deepcopy(model).eval().requires_grad_(True)
