"""What a result may depend on besides configuration and data: command line, versions, machine."""

import hashlib
import os
import platform
import secrets
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig

import benchmark
from benchmark import __version__
from benchmark.distributed.process_group import ProcessGroup

_PACKAGES = (
    *("torch", "torchvision", "pytorch-lightning", "segmentation-models-pytorch", "albumentations", "torchmetrics"),
    *("numpy", "pillow", "pyarrow", "hydra-core", "wandb", "matplotlib", "plotly", "jinja2"),
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
        "code_sha256": code_sha256(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "processor": platform.machine(),  # not platform.processor, which starts a program
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "processes": processes.size,
        "machines": processes.machines,
    }


@cache
def code_sha256() -> str:
    """The hash of the program's own files, in hexadecimal: a version has many states while it is worked on."""
    folder, files = Path(benchmark.__file__).parent, hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".py", ".js", ".css", ".html"):
            files.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
            files.update(path.read_bytes())
    return files.hexdigest()


def drawn_elsewhere(environment: Mapping[str, Any]) -> str | None:
    """Why the report of a run need not be equal to one that is made now; None: it has to be."""
    starts = environment.get("resumed")
    last = starts[-1] if isinstance(starts, list) and starts and isinstance(starts[-1], dict) else environment
    if last.get("code_sha256") != code_sha256():
        return "another state of the program"
    if changed := changed_packages(last):
        return f"other versions ({changed[0]})"
    return None if last.get("platform") == platform.platform() else "another platform"


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
