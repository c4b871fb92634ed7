"""`bench`: how fast attacks are on this machine."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.cli.parsers import Command, Parser
from benchmark.errors import InputError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from benchmark.data.datamodule import SegmentationData
    from benchmark.victims.task import Victim


def bench(
    overrides: Sequence[str],
    *,
    json: bool = False,
    steps: int = 30,
    images: int | None = None,
    repeats: int = 5,
    clock: str = "wall",
    until: bool = False,
    memory: Sequence[int] | None = None,
    config_dir: Path | None = None,
) -> int:
    """Measure and print; see `bench --help`. Raises InputError for a configuration or a number that cannot be used."""
    numbers = (("steps", steps), ("images", images), ("repeats", repeats), *(("memory", n) for n in memory or ()))
    for option, value in numbers:
        if value is not None and value < 1:
            raise InputError(f"--{option} {value}: must be at least 1")
    if memory:
        measured = _memory(list(overrides), memory, steps, config_dir)
    else:
        from benchmark.config.compose import compose

        cfg = compose(overrides, config_dir)
        measured = _measured(cfg, steps, images, repeats=repeats, clock=clock, until=until)
    _print(measured, json)
    return 0


def _measured(
    cfg: "DictConfig", steps: int, images: int | None, *, repeats: int, clock: str, until: bool
) -> dict[str, Any]:
    from benchmark.config.build import build_plan
    from benchmark.speed.comparison import Bench, machine

    data, victim = _data_and_victim(cfg)
    plan = build_plan(cfg)
    dataset: Any = data.test_dataloader().dataset
    count = len(dataset) if until and images is None else _count(images, max(1, plan.engine["slots"]), len(dataset))
    own = Bench(plan, victim, data, items=[dataset[place] for place in range(count)], repeats=repeats, clock=clock)
    setting = {"victim": str(victim.hparams["architecture"]), "data": data.name, "size": data.size} | {
        **plan.engine,
        **{"images": count, "steps": steps, "repeats": repeats, "clock": clock},
    }
    found: dict[str, Any] = {"machine": machine(own.device), "setting": setting}
    if until:
        first = next(iter(plan.attacks.values()))
        tau, beta = (getattr(first.rule, name, None) for name in ("tau", "beta"))
        if tau is None or beta is None or plan.judge.metric != "iou" or plan.judge.reference != "target":
            raise InputError("--until compares with ASMA's loop: let attack=asma be the first, and judge=iou_target")
        return found | {"until": own.until(tau, beta, first.max_steps)}
    return found | own.steps(steps) | {"slots": own.slots()}


def _count(asked: int | None, slots: int, available: int) -> int:
    """How many images to measure: as asked, else what fills all slots once or twice."""
    if asked is not None or available < slots:
        return min(asked or available, available)
    return slots * min(2, available // slots)


def _memory(overrides: list[str], counts: Sequence[int], steps: int, config_dir: Path | None) -> dict[str, Any]:
    from benchmark.config.compose import compose
    from benchmark.speed.memory import in_own_process

    # What is wrong with the input is said here, not in another process.
    data, _ = _data_and_victim(compose(overrides, config_dir))
    if (most := max(counts)) > (there := len(data.test_ids())):
        raise InputError(f"--memory {most}: data={data.name} has {there} test images; ask for less or give other data")
    peaks = {str(count): in_own_process(peak_of, overrides, count, steps, config_dir) for count in counts}
    return {"setting": {"overrides": overrides, "steps": steps}, "peak_mib": peaks}


def peak_of(overrides: list[str], count: int, steps: int, config_dir: Path | None) -> float:
    """Peak memory in MiB of attacking so many of the images, read when it is their turn."""
    from benchmark.config.build import build_plan
    from benchmark.config.compose import compose
    from benchmark.engine.precision import model_device
    from benchmark.speed import epoch
    from benchmark.speed.memory import peak_mib

    cfg = compose(overrides, config_dir)
    data, victim = _data_and_victim(cfg)
    dataset: Any = data.test_dataloader().dataset
    items = (dataset[place] for place in range(count))
    for _ in epoch.attacked(epoch.steady(build_plan(cfg), steps), victim, data, items):
        pass
    return peak_mib(model_device(victim))


def _data_and_victim(cfg: "DictConfig") -> "tuple[SegmentationData, Victim]":
    """Data, set up for attacking, and the victim, trained or not, in eval mode on the device."""
    import torch
    from omegaconf import OmegaConf

    from benchmark.config.build import build_data
    from benchmark.victims.loading import build_victim, load_victim, split_keys

    data = build_data(cfg.data)
    data.setup("test")
    victim_config: Any = OmegaConf.to_container(cfg.victim, resolve=True)
    kind: dict[str, Any] = {"classes": data.classes, "channels": data.channels}
    checkpoint = victim_config.pop("ckpt")
    if checkpoint is not None:
        keys = split_keys(victim_config)
        victim = load_victim(checkpoint, **kind, deployment=keys.deployment, **keys.adapter)
    else:
        torch.manual_seed(cfg.seed)
        victim = build_victim(background=data.background, **kind, **victim_config)
    accelerator = cfg.trainer.get("accelerator", "auto")
    on_gpu = torch.cuda.is_available() and accelerator in ("auto", "gpu", "cuda")
    return data, victim.eval().to("cuda" if on_gpu else "cpu")


def _print(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for line in lines(found):
        print(line)


def lines(found: Any, prefix: str = "") -> Iterator[str]:
    """The numbers one to a line: where in the JSON object, and the median with its spread."""
    if isinstance(found, dict) and set(found) == {"median", "low", "high"}:
        yield f"{prefix}{found['median']:.4g} ({found['low']:.4g} to {found['high']:.4g})"
    elif isinstance(found, dict):
        if prefix:
            yield prefix.rstrip()
        depth = len(prefix) - len(prefix.lstrip()) + 2 if prefix else 0
        for name, value in found.items():
            yield from lines(value, f"{' ' * depth}{name:<{34 - depth}} ")
    else:
        yield f"{prefix}{found:.4g}" if isinstance(found, float) else f"{prefix}{found}"


def _add_arguments(parser: Parser) -> None:
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="configuration, as of `run`")
    parser.add_argument("--json", action="store_true", help="print everything as one JSON object")
    parser.add_argument("--steps", type=int, default=30, metavar="N", help="steps of every image (30)")
    what = "how many; by default all slots are filled once or twice"
    parser.add_argument("--images", type=int, metavar="N", help=what)
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="(5)")
    what = "wall, or cpu: processor time, for one thread on a busy machine (wall)"
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help=what)
    what = "how long the attacks take until the judge holds; ASMA as commonly written is stopped by an oracle"
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--until", action="store_true", help=what)
    what = "peak memory of attacking N images, for each"
    instead.add_argument("--memory", type=int, nargs="+", metavar="N", help=what)
    parser.add_config_dir()


COMMAND = Command(
    what="how fast attacks are on this machine, where the time goes, how many slots suit it",
    run=bench,
    add_arguments=_add_arguments,
    usage="[KEY=VALUE ...] [--json] [--until | --memory N ...]",
    epilog="""\
Measured in turns: the engine with telemetry and rows; the bare limit, forward passes and input gradients and nothing
else, of the same batch, layout and precision; and ASMA as it is commonly written, image by image. Given are medians
over repeats with the lowest and the highest, peak memory, where the engine's time goes, and how many slots suit the
device. Without victim.ckpt an untrained network is measured, which is as fast.

examples
  python -m benchmark bench victim=unet data.size=128 engine.slots=8
  python -m benchmark bench data=isic2018 data.root=PATH victim.ckpt=CKPT engine.precision=bf16 --json
  python -m benchmark bench data=isic2018 data.root=PATH victim.ckpt=CKPT --until     time to the target, not per step
""",
)
