"""How long a user waits: for `--help`, for `list`, and for the first step of a training; called with KEY=VALUE for it.

Each is a process of its own, started several times; the median is printed. The first step is over when the optimizer
has changed the parameters for the first time.
"""

import subprocess
import sys
import tempfile
import time
from statistics import median

FIRST_STEP = """
import os, sys, time
from torch.optim.optimizer import register_optimizer_step_post_hook
from benchmark.__main__ import main
begun = float(sys.argv[1])
def stop(*_):
    print("seconds", time.time() - begun, file=sys.stderr, flush=True)
    os._exit(0)
register_optimizer_step_post_hook(stop)
main(sys.argv[2:])
"""


def seconds(*arguments: str) -> float:
    """Of a command that prints nothing of interest."""
    begun = time.time()
    subprocess.run([sys.executable, "-m", "benchmark", *arguments], check=True, capture_output=True)
    return time.time() - begun


def until_first_step(*overrides: str) -> float:
    """Of a training, from the start of its process."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", FIRST_STEP, str(time.time()), "train", f"run.dir={folder}/run", *overrides]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    return float(told.rsplit("seconds", 1)[1])


if __name__ == "__main__":
    for name, measure in (
        ("--help", lambda: seconds("--help")),
        ("list", lambda: seconds("list")),
        ("first training step", lambda: until_first_step(*sys.argv[1:])),
    ):
        found = [measure() for _ in range(5)]
        print(f"{name}: {median(found):.2f} s ({min(found):.2f} to {max(found):.2f})")
