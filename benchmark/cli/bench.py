"""`bench`: how fast attacks are on this machine."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    training: bool = False,
    memory: Sequence[int] | None = None,
    config_dir: Path | None = None,
) -> int:
    """Measure and print; see `bench --help`. Raises InputError for a configuration or a number that cannot be used."""
    for option, value in (
        ("steps", steps),
        ("images", images),
        ("repeats", repeats),
        *(("memory", n) for n in memory or ()),
    ):
        if value is not None and value < 1:
            raise InputError(f"--{option} {value}: must be at least 1")
    if memory:
        found = _memory(list(overrides), memory, steps, config_dir)
    elif training:
        found = _training(list(overrides), repeats, config_dir)
    else:
        found = _measured(list(overrides), steps, images, repeats, clock, until, config_dir)
    _print(found, json)
    return 0


def _measured(
    overrides: list[str], steps: int, images: int | None, repeats: int, clock: str, until: bool, config_dir: Path | None
) -> dict[str, Any]:
    from benchmark.config.build import build_plan
    from benchmark.speed.comparison import Bench, machine

    cfg = _composed(overrides, config_dir)
    data, victim = _made(cfg)
    plan = build_plan(cfg)
    dataset: Any = data.test_dataloader().dataset
    count = len(dataset) if until and images is None else _count(images, plan.engine["slots"], len(dataset))
    own = Bench(plan, victim, data, [dataset[place] for place in range(count)], repeats, clock)
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


def _training(overrides: list[str], repeats: int, config_dir: Path | None) -> dict[str, Any]:
    from tempfile import TemporaryDirectory

    from benchmark.config.build import build_trainer
    from benchmark.distributed.process_group import ProcessGroup
    from benchmark.speed.comparison import machine
    from benchmark.speed.training import compare

    cfg = _composed(overrides, config_dir)
    data, victim = _made(cfg)
    epochs = 3
    setting = {"victim": str(victim.hparams["architecture"]), "data": data.name, "size": data.size} | {
        **{"batch_size": data.batch_size, "epochs": epochs, "repeats": repeats},
    }
    with TemporaryDirectory() as folder:

        def make_trainer(callbacks: Any, **options: Any) -> Any:
            return build_trainer(cfg, Path(folder), [], callbacks, ProcessGroup(), **options)

        compared = compare(make_trainer, data, victim, epochs, repeats)
    return {"machine": machine(next(victim.parameters()).device), "setting": setting, "training": compared}


def _memory(overrides: list[str], counts: Sequence[int], steps: int, config_dir: Path | None) -> dict[str, Any]:
    from benchmark.speed.memory import in_own_process

    # What is wrong with the input is said here, not in another process.
    data, _ = _made(_composed(overrides, config_dir))
    if (most := max(counts)) > (there := len(data.test_ids())):
        raise InputError(f"--memory {most}: data={data.name} has {there} test images; ask for less or give other data")
    peaks = {str(count): in_own_process(peak_of, overrides, count, steps, config_dir) for count in counts}
    return {"setting": {"overrides": overrides, "steps": steps}, "peak_mib": peaks}


def peak_of(overrides: list[str], count: int, steps: int, config_dir: Path | None) -> float:
    """Peak memory in MiB of attacking so many of the images, read when it is their turn."""
    from benchmark.config.build import build_plan
    from benchmark.engine.precision import model_device
    from benchmark.speed import epoch
    from benchmark.speed.memory import peak_mib

    cfg = _composed(overrides, config_dir)
    data, victim = _made(cfg)
    dataset: Any = data.test_dataloader().dataset
    items = (dataset[place] for place in range(count))
    for _ in epoch.attacked(epoch.steady(build_plan(cfg), steps), victim, data, items):
        pass
    return peak_mib(model_device(victim))


def _composed(overrides: list[str], config_dir: Path | None) -> "DictConfig":
    import hydra
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import CompactHydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from benchmark.config.failures import one_line
    from benchmark.config.groups import add_folder, conf_folder
    from benchmark.config.overrides import quoted
    from benchmark.config.resolvers import make_stamp, register_resolvers
    from benchmark.config.schema import check_config

    register_resolvers(make_stamp())
    given = list(overrides)
    if config_dir is not None:
        add_folder(config_dir)
        given.append(f"hydra.searchpath=[{quoted(f'file://{config_dir.resolve()}')}]")
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(str(conf_folder()), version_base="1.3"):
            cfg = hydra.compose("config", given)
            config: Any = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except (CompactHydraException, OmegaConfBaseException) as error:
        raise InputError(one_line(error)) from error
    check_config(config)
    return cfg


def _made(cfg: "DictConfig") -> "tuple[SegmentationData, Victim]":
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
