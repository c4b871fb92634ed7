"""Whether a run has recorded what the check of its victim finds."""

from typing import NamedTuple

from torch import nn

from benchmark.engine.precision import normalise_precision
from benchmark.errors import InputError
from benchmark.evaluation.check_before_attack import run_check
from benchmark.evaluation.victim_findings import REFUSING
from benchmark.past_runs.mismatch import Mismatch
from benchmark.past_runs.past_run import PastRun
from benchmark.runs import layout
from benchmark.runs.victim_doubts import doubt_names

_BATCH = 8  # images of a pass, at most


_UNREPEATABLE = ("batch_dependence", "randomness", "drift")  # findings with which a prediction cannot be repeated


class CheckedAgain(NamedTuple):
    """What the check of a run's victim has found, made again.

    Attributes:
        mismatches: findings that refuse a victim and that the run has not recorded.
        explaining: recorded findings that explain why predictions differ from the recorded ones; empty unless such a
            finding is found again, because anybody can write one into a run's folder.
    """

    mismatches: list[Mismatch]
    explaining: list[str]


def checked_again(past_run: PastRun, model: nn.Module) -> CheckedAgain:
    """Check the victim of a run again; doubts that do not recur are no mismatches: they depend on machines and images.

    Args:
        past_run: the run, whose data can be read.
        model: its victim, on the device that is to predict.
    """
    recorded = past_run.victim_check
    if recorded is None:
        what = "says nothing of the check of its victim"
        return CheckedAgain([Mismatch(layout.ENVIRONMENT, what, column="victim_check")], [])
    engine = past_run.config["engine"]
    precision = normalise_precision(engine.get("precision"))
    settings = {"slots": min(_BATCH, engine["slots"]), "precision": 64 if precision == 64 else 32}
    try:
        check, _ = run_check(settings, model, past_run.data)
    except InputError:  # such as too little memory
        return CheckedAgain([], [])
    # Less precise passes may hide how an image depends on the others.
    compared = [name for name in REFUSING if name != "batch_dependence" or precision in (64, 32)]
    found, names = [finding.name for finding in check.findings], doubt_names(recorded)
    mismatches = []
    if missing := [name for name in found if name in compared and name not in names]:
        what = f"recorded {', '.join(names) or 'none'}, found {', '.join(missing)}"
        mismatches.append(Mismatch(layout.ENVIRONMENT, what, column="victim_check"))
    explaining = [name for name in names if name in _UNREPEATABLE]
    return CheckedAgain(mismatches, explaining if any(name in _UNREPEATABLE for name in found) else [])
