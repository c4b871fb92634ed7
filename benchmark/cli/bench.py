"""Measure how fast attacks are on this machine, where the time goes, and how many slots suit it.

Measured in turns: the engine with telemetry and rows; the bare limit, forward passes and input gradients and nothing
else, of the same batch, layout and precision; and ASMA as it is commonly written, image by image. Given are medians
over repeats with the lowest and the highest, peak memory, where the engine's time goes, and how many slots suit the
device. Without victim.ckpt an untrained network is measured, which is as fast.

examples
  python -m benchmark bench victim=unet data.size=128 engine.slots=8
  python -m benchmark bench data=isic2018 data.root=PATH victim.ckpt=CKPT engine.precision=bf16 --json
  python -m benchmark bench data=isic2018 data.root=PATH victim.ckpt=CKPT --until     time to the target, not per step
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.cli.parsers import Command, Parser, say, whole_number
from benchmark.config.groups import add_folder, further_folders
from benchmark.errors import InputError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from benchmark.data.datamodule import SegmentationData
    from benchmark.victims.task import Victim


def bench(overrides: Sequence[str], *, memory: Sequence[int] | None, steps: int, as_json: bool, **settings: Any) -> int:
    """Measure and print; `settings` are those of `_speed`. Raises InputError for bad input."""
    from benchmark.config.compose import compose
    from benchmark.speed.memory import in_own_process

    cfg = compose(overrides)
    if memory:
        data, _ = data_and_victim(cfg)  # finds what is wrong with the input before other processes start
        if (most := max(memory)) > (available := len(data.test_ids())):
            remedy = "ask for less or give other data"
            raise InputError(f"--memory {most}: data={data.name} has {available} test images; {remedy}")
        peaks = {str(n): in_own_process(peak_of, overrides, n, steps, further_folders()) for n in memory}
        report = {"setting": {"overrides": overrides, "steps": steps}, "peak_mib": peaks}
    else:
        report = _speed(cfg, steps=steps, **settings)
    say(*(json.dumps(report, indent=1).split("\n") if as_json else lines(report)))
    return 0


def _speed(
    cfg: "DictConfig", *, steps: int, images: int | None, repeats: int, clock: str, until: bool
) -> dict[str, Any]:
    from benchmark.config.build import build_plan
    from benchmark.speed.comparison import Bench, machine

    (data, victim), plan = data_and_victim(cfg), build_plan(cfg)
    dataset: Any = data.test_dataloader().dataset
    available, slots = len(dataset), max(1, plan.engine["slots"])
    count = available if until and images is None else image_count(images, slots, available)
    comparison = Bench(plan, victim, data, items=[dataset[n] for n in range(count)], repeats=repeats, clock=clock)
    setting = {"victim": str(victim.hparams["architecture"]), "data": data.name, **plan.engine}
    setting |= {"size": data.size, "images": count, "steps": steps, "repeats": repeats, "clock": clock}
    report = {"machine": machine(comparison.device), "setting": setting}
    if not until:
        return report | comparison.steps(steps) | {"slots": comparison.slots()}
    first = next(iter(plan.attacks.values()))
    tau, beta = (getattr(first.rule, name, None) for name in ("tau", "beta"))
    if tau is None or beta is None or plan.judge.metric != "iou" or plan.judge.reference != "target":
        raise InputError("--until compares with ASMA's loop: let attack=asma be the first, and judge=iou_target")
    return report | {"until": comparison.until(tau, beta, first.max_steps)}


def image_count(requested: int | None, slots: int, available: int) -> int:
    """How many images to measure: as requested, else what fills all slots once or twice."""
    if requested is not None or available < slots:
        return min(requested or available, available)
    return slots * min(2, available // slots)


def peak_of(overrides: Sequence[str], count: int, steps: int, folders: Sequence[Path]) -> float:
    """Peak memory in MiB of attacking so many of the images, read when it is their turn."""
    from benchmark.config.build import build_plan
    from benchmark.config.compose import compose
    from benchmark.engine.precision import model_device
    from benchmark.speed import epoch
    from benchmark.speed.memory import peak_mib

    for folder in folders:
        add_folder(folder)
    cfg = compose(overrides)
    data, victim = data_and_victim(cfg)
    dataset: Any = data.test_dataloader().dataset
    items = (dataset[place] for place in range(count))
    for _ in epoch.attacked(epoch.steady(build_plan(cfg).for_data(data), steps), victim, data, items):
        pass
    return peak_mib(model_device(victim))


def data_and_victim(cfg: "DictConfig") -> "tuple[SegmentationData, Victim]":
    """Data, set up for attacking, and the victim, trained or not, in eval mode on the device."""
    import torch

    from benchmark.cli.chosen_victim import chosen_victim
    from benchmark.config.build import build_data
    from benchmark.evaluation.predicted_labels import predict_labels

    data = build_data(cfg.data)
    data.setup("test")
    torch.manual_seed(cfg.seed)
    victim = chosen_victim(cfg, data)
    accelerator = cfg.trainer.get("accelerator", "auto")
    on_gpu = torch.cuda.is_available() and accelerator in ("auto", "gpu", "cuda")
    victim.eval().to("cuda" if on_gpu else "cpu")
    if data.is_predicted:
        predict_labels(data, victim, precision=cfg.engine.precision)
    return data, victim


def lines(report: Any, prefix: str = "") -> Iterator[str]:
    """The numbers one to a line: where in the JSON object, and the median with its spread."""
    if isinstance(report, dict) and set(report) == {"median", "low", "high"}:
        yield f"{prefix}{report['median']:.4g} ({report['low']:.4g} to {report['high']:.4g})"
    elif isinstance(report, dict):
        if prefix:
            yield prefix.rstrip()
        depth = len(prefix) - len(prefix.lstrip()) + 2 if prefix else 0
        for name, value in report.items():
            yield from lines(value, f"{' ' * depth}{name:<{34 - depth}} ")
    else:
        yield f"{prefix}{report:.4g}" if isinstance(report, float) else f"{prefix}{report}"


def _add_arguments(parser: Parser) -> None:
    parser.usage = "%(prog)s [KEY=VALUE ...] [--json] [--until | --memory N ...]"
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="configuration, as of `run`")
    parser.add_argument("--json", dest="as_json", action="store_true", help="print everything as one JSON object")
    parser.add_argument("--steps", type=whole_number, default=30, metavar="N", help="steps of every image (30)")
    parser.add_argument("--images", type=whole_number, metavar="N", help="by default one or two for every slot")
    parser.add_argument("--repeats", type=whole_number, default=5, metavar="N", help="(5)")
    what = "cpu is processor time, for one thread on a busy machine (wall)"
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help=what)
    instead = parser.add_mutually_exclusive_group()
    what = "how long the attacks take until the judge holds; ASMA as commonly written is stopped by an oracle"
    instead.add_argument("--until", action="store_true", help=what)
    instead.add_argument("--memory", type=whole_number, nargs="+", metavar="N", help="peak memory with N images")
    parser.add_config_dir()


COMMAND = Command(text=__doc__, run=bench, add_arguments=_add_arguments)
