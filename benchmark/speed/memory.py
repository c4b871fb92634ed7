"""Peak memory of a process, and of work in a separate process."""

import multiprocessing
import resource
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import torch


def peak_mib(device: torch.device) -> float:
    """The most memory so far, in MiB: of the device's allocator, on a CPU of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 2**20 if sys.platform == "darwin" else most / 2**10


def in_own_process(function: Callable[..., float], *arguments: Any) -> float:
    """What a function of a module returns in a fresh process, whose memory nothing else has used."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()
