"""Whether a run has recorded what the check of its victim finds."""

from collections.abc import Iterator

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


def check_mismatches(past_run: PastRun, model: nn.Module) -> Iterator[Mismatch]:
    """The findings that refuse a victim and that the run has not recorded; doubts depend on machines and images.

    Args:
        past_run: the run, whose data can be read.
        model: its victim, on the device that is to predict.
    """
    recorded = past_run.victim_check
    if recorded is None:
        yield Mismatch(layout.ENVIRONMENT, "says nothing of the check of its victim", column="victim_check")
        return
    engine = past_run.config["engine"]
    precision = normalise_precision(engine.get("precision"))
    settings = {"slots": min(_BATCH, engine["slots"]), "precision": 64 if precision == 64 else 32}
    try:
        check, _ = run_check(settings, model, past_run.data)
    except InputError:  # such as too little memory
        return
    # Less precise passes may hide how an image depends on the others.
    compared = [name for name in REFUSING if name != "batch_dependence" or precision in (64, 32)]
    found = [finding.name for finding in check.findings if finding.name in compared]
    if missing := [name for name in found if name not in doubt_names(recorded)]:
        listed = ", ".join(doubt_names(recorded)) or "none"
        yield Mismatch(layout.ENVIRONMENT, f"recorded {listed}, found {', '.join(missing)}", column="victim_check")
