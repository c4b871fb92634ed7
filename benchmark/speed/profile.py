"""Where an attack epoch's time goes."""

from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile

from benchmark.engine.keep_and_stop import JUDGING
from benchmark.engine.query import PASSES
from benchmark.evaluation.row_writer import ROWS

SECTIONS = {PASSES: "forward and backward passes of the rule", JUDGING: "judging", ROWS: "pictures, rows"}
_OPERATIONS = 10


def shares(work: Callable[[], int], device: torch.device) -> dict[str, dict[str, float]]:
    """Shares of the time of `work`: "sections", with "the rest"; and "operations", the costliest ones by themselves."""
    on_gpu = device.type == "cuda"
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]) as profiler:
        work()
    events = profiler.key_averages()
    by_itself = {e.key: e.self_device_time_total if on_gpu else e.self_cpu_time_total for e in events}
    everything = {e.key: e.device_time_total if on_gpu else e.cpu_time_total for e in events}
    total = sum(by_itself.values())
    sections = {name: everything.get(key, 0) / total for key, name in SECTIONS.items()}
    sections["the rest"] = 1 - sum(sections.values())
    costliest = sorted((key for key in by_itself if key not in SECTIONS), key=lambda key: -by_itself[key])[:_OPERATIONS]
    return {"sections": sections, "operations": {key: by_itself[key] / total for key in costliest}}
