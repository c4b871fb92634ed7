"""The work whose speed is measured: an attack epoch, from the items of a data set to rows on disk."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import Any

from torch import nn

from benchmark.attacks.asma import ASMA
from benchmark.data.datamodule import SegmentationData
from benchmark.engine import Engine, Finished, Job, Measurements
from benchmark.evaluation.case import Case, split_of
from benchmark.evaluation.plan import Attack, Plan
from benchmark.evaluation.row_writer import RowWriter, RunInfo
from benchmark.evaluation.session import Session
from benchmark.images.quantisation import EIGHT_BIT
from benchmark.runs.folder import RunFolder

Item = dict[str, Any]
"""One image as data sets give it."""

STEADY = ASMA(tau=1e-9, beta=0)
"""ASMA with steps so small that no image ends before its last step; each costs what a step of ASMA costs."""


def steady(plan: Plan, steps: int) -> Plan:
    """The plan with one attack that makes so many steps on every image."""
    return replace(plan, attacks={"asma": Attack(STEADY, max_steps=steps, stop=False)})


def attacked(
    plan: Plan, model: nn.Module, data: SegmentationData, items: Sequence[Item] | Iterator[Item]
) -> Iterator[tuple[str, Finished, Case]]:
    """Attack the items as an attack epoch does, telemetry and rows included, in a folder that does not stay."""
    info = RunInfo(plan=plan, data=data, run="bench", victim="victim")
    split, counts, quantizer = split_of(data, "test"), data.class_pixels, info.quantizer
    with (
        TemporaryDirectory() as folder,
        Session(plan, model, split, quantizer=quantizer, watch=_watch, class_pixels=counts) as session,
    ):
        writer = RowWriter(RunFolder(folder), info, session.network)
        with closing(writer):
            for item in items:
                session.submit(item)
                for attack, finished, case in session.run(drain=False):
                    writer.write(attack, finished, case)
                    yield attack, finished, case
            for attack, finished, case in session.run(drain=True):
                writer.write(attack, finished, case)
                yield attack, finished, case
            writer.flush()


def image_steps(plan: Plan, model: nn.Module, data: SegmentationData, items: Sequence[Item]) -> int:
    """Attack the items; how many steps that were, over all of them."""
    return sum(finished.steps for _, finished, _ in attacked(plan, model, data, items))


def engine_steps(plan: Plan, model: nn.Module, data: SegmentationData, items: Sequence[Item], slots: int) -> int:
    """As many copies of items as there are slots, a dozen steps each, nothing written; returns image-steps."""
    options = {**plan.engine, "slots": slots, "max_passes": None}
    with Engine(model, STEADY, quantizer=EIGHT_BIT, max_steps=12, stop=False, **options) as engine:
        for place in range(slots):
            item = items[place % len(items)]
            labels = item["mask"].roll(item["mask"].shape[0] // 2, 0)
            engine.submit(Job(id=str(place), image=item["image"], labels=labels, valid=item["valid"]))
        return sum(finished.steps for finished in engine.run())


def _watch(name: str, measurements: Measurements) -> None:
    """Telemetry is read as for a progress bar."""
