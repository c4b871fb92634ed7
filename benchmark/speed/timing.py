"""Rates of several contenders, measured in turns, so that other load on the machine affects all of them."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import torch

Clock = Callable[[], float]

CLOCKS: dict[str, Clock] = {"wall": time.perf_counter, "cpu": time.process_time}
"""Seconds: on the wall, or of processor time, which a busy machine distorts less; for CPUs with one thread only."""


def spread(values: Sequence[float]) -> dict[str, float]:
    """The median, the lowest and the highest of some values: "median", "low", "high"."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def rates(
    contenders: Mapping[str, Callable[[], int]], repeats: int, clock: Clock, device: torch.device
) -> dict[str, list[float]]:
    """Units per second of each contender in each repeat.

    Each is called once before anything is measured, and then in turns, forwards and backwards, so that a drift of the
    machine favours none.

    Args:
        contenders: name -> does some work and says how many units it was.
        repeats: at least 1.
        clock: seconds.
        device: whose queue has to be empty before the clock is read.
    """

    def timed(work: Callable[[], int]) -> float:
        wait(device)
        begun = clock()
        units = work()
        wait(device)
        return units / (clock() - begun)

    results: dict[str, list[float]] = {name: [] for name in contenders}
    for work in contenders.values():
        timed(work)
    for repeat in range(repeats):
        for name in list(contenders)[:: 1 if repeat % 2 == 0 else -1]:
            results[name].append(timed(contenders[name]))
    return results


def ratio(rates: Mapping[str, list[float]], one: str, other: str) -> dict[str, float]:
    """How many times as fast one is as the other: repeat by repeat, then the median of those."""
    return spread([a / b for a, b in zip(rates[one], rates[other], strict=True)])


def wait(device: torch.device) -> None:
    """Until the device has done what it was given, so that a clock can be read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
