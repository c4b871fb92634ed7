"""What a result may depend on besides configuration and data: command line, versions, machine."""

import os
import platform
import secrets
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig

from benchmark import __version__
from benchmark.distributed.process_group import ProcessGroup

_PACKAGES = (
    *("torch", "torchvision", "pytorch-lightning", "segmentation-models-pytorch", "albumentations", "torchmetrics"),
    *("numpy", "pillow", "pyarrow", "hydra-core", "wandb"),
)


def started(command: str, processes: ProcessGroup) -> dict[str, Any]:
    """The command and how it was started, an id for its loggers, and `machine`."""
    return {
        "command": command,
        "command_line": sys.argv,
        "overrides": list(HydraConfig.get().overrides.task),
        "run_id": secrets.token_hex(4),
        **machine(processes),
    }


def machine(processes: ProcessGroup) -> dict[str, Any]:
    """Versions, hardware and processes."""
    return {
        "benchmark": __version__,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "processes": processes.size,
        "machines": processes.machines,
    }


def changed_packages(environment: Mapping[str, Any]) -> list[str]:
    """The packages whose versions differ from those in a run's environment.json, as `NAME 1.0, now 2.0`."""
    before = environment.get("packages")
    before = before if isinstance(before, dict) else {}
    now = {name: _version(name) for name in _PACKAGES}
    return [f"{name} {before.get(name)}, now {now[name]}" for name in now if before.get(name) != now[name]]


def _version(package: str) -> str | None:
    """The installed version; None if the package is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
