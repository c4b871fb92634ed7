"""Attacking some images of a run again, with its own configuration, and comparing every column.

In float64 the rows come out the same on any machine. In less, an attack amplifies the rounding of kernels, which
depends on the machine and on the images that share a batch: the same machine usually gives the same rows, and where it
does not, only what a user would call another result counts as a difference.
"""

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from torch import nn

from benchmark.errors import InputError
from benchmark.evaluation.case import split_of
from benchmark.evaluation.plan import Attack, Plan
from benchmark.evaluation.row_writer import RunInfo, make_row
from benchmark.evaluation.session import Session
from benchmark.past_runs.mismatch import Mismatch, row_place
from benchmark.past_runs.past_run import PastRun
from benchmark.verify.recorded import RecordedCode

_IDENTITY = frozenset(("run", "victim", "data", "seconds", "weights_sha256", "data_fingerprint"))  # not measured
_EXACT = 1e-6  # relative, in float64
# In less than float64: absolute, of scores, and relative, of everything else.
_SCORE, _SHARE = 0.05, 0.1
_LEAST = 4.0  # steps and passes that always may differ there
# Not compared there.
_LOOSE = ("success", "nonfinite_gradient", "success_passes", "at_floor", "point_sha256", "start_sha256")


class Rerun:
    """Some images of a run, chosen by a seed.

    Args:
        past_run: the run.
        code: its attacks and input transforms.
        victim: on the device that is to attack.
        count: of images.
        seed: of the choice.

    Attributes:
        ids: of the images.
        rows: how many rows are computed again.

    Raises:
        InputError: the run has attacks or input transforms of the user's own.
    """

    def __init__(self, past_run: PastRun, code: RecordedCode, victim: nn.Module, *, count: int, seed: int) -> None:
        if code.attacks is None:
            raise InputError(f"--rerun: {past_run.folder} has attacks of your own, which are not run from its folder")
        self._past_run, self._victim, self._attacks = past_run, victim, code.attacks
        self._recorded = {(row["attack"], row["id"]): row for row in past_run.rows}
        known = sorted({row["id"] for row in past_run.rows} & set(past_run.data.test_ids()))
        self.ids = random.Random(seed).sample(known, min(count, len(known)))
        self.rows = len(self.ids) * len(self._attacks)

    def mismatches(self, advance: Callable[[], object]) -> Iterator[Mismatch]:
        """The columns of rows that come out otherwise; `advance` is called after each row."""
        past_run = self._past_run
        plan = self._plan(past_run, self._attacks)
        info = RunInfo(plan=plan, data=past_run.data)
        past_run.read_data()
        session = Session(
            plan,
            self._victim,
            split_of(past_run.data, "test"),
            quantizer=info.quantizer,
            class_pixels=past_run.data.class_pixels,
        )
        with session:
            for image_id in self.ids:
                session.submit(past_run.item(image_id))
            for attack, finished, case in session.run(drain=True):
                adv8 = info.quantizer.round(finished.adv).float()
                again = make_row(info, attack, finished, case, adv8)
                if (row := self._recorded.get((attack, case.id))) is not None:
                    yield from self._compare(row, again)
                advance()

    @staticmethod
    def _plan(past_run: PastRun, attacks: Mapping[str, Attack]) -> Plan:
        options = {name: value for name, value in past_run.config["engine"].items() if name != "background_writer"}
        return Plan(
            attacks=attacks,
            target=past_run.target,
            judge=past_run.judge,
            engine=options,
            seed=int(past_run.config["seed"]),
            perturb=past_run.config.get("perturb", "image"),
            cold_images=int(past_run.config["cold_images"]),
            background_writer=False,
        )

    def _compare(self, row: Mapping[str, Any], again: Mapping[str, Any]) -> Iterator[Mismatch]:
        for name, value in again.items():
            if name not in _IDENTITY and name in row and not self._agree(name, row[name], value):
                what = f"row says {row[name]!r}, attacked again {value!r}"
                yield Mismatch(row_place(row), what, "attack the image again", name, predicted=True)

    def _agree(self, name: str, recorded: Any, again: Any) -> bool:
        if isinstance(again, list) and isinstance(recorded, list) and len(again) == len(recorded):
            if self._past_run.exact:
                return recorded == again
            return _pixels_that_differ(recorded, again) <= _SCORE * max(1, sum(again))
        if not (_is_number(recorded) and _is_number(again)):
            # Whether a float32 result succeeds may hang on its last bit; its file does less.
            loose = not self._past_run.exact and name in _LOOSE
            return recorded == again or loose
        if math.isclose(recorded, again, rel_tol=_EXACT, abs_tol=1e-9):
            return True
        if self._past_run.exact or math.isnan(recorded) or math.isnan(again):
            return self._past_run.exact is False and math.isnan(recorded) and math.isnan(again)
        if isinstance(again, int):
            return abs(recorded - again) <= max(_LEAST, _SHARE * abs(again))
        scored = "iou" in name or "acc" in name or "dice" in name or name == "ssim"
        return abs(recorded - again) <= (_SCORE if scored else _SHARE * abs(again) + 1e-6)


def _pixels_that_differ(counts: Sequence[int], others: Sequence[int]) -> float:
    return sum(abs(one - other) for one, other in zip(counts, others, strict=True)) / 2


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
