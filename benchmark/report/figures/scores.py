"""Figures of the IoU: its mean over the steps of an attack, and its distribution over images."""

import math

import numpy as np

from benchmark.report.figures.description import Axis, Box, Figure, Line
from benchmark.report.figures.looks import FamilyOfRun, families_of
from benchmark.report.figures.success import UNIT, note_of_sweeps
from benchmark.report.tables.table import TextTable
from benchmark.results.column_arrays import column
from benchmark.results.loaded_runs import Results
from benchmark.results.traces import mean_curve, of_attack, per_image
from benchmark.results.truth_name import truth_name


def iou_over_steps(results: Results) -> list[Figure]:
    """The mean IoU to the labels that the attack was given, over steps; empty without traces."""
    drawn = families_of(results.runs)
    lines = [line for one in drawn if (line := _over_steps(one)) is not None]
    title = "IoU over steps"
    truth = truth_name(row for run in results.runs for row in run.rows)
    rows = [
        [line.look.label, *(f"{line.y[k]:.3f}" for k in (0, len(line.y) // 4, len(line.y) // 2, -1)), f"{line.x[-1]}"]
        for line in lines
    ]
    figure = Figure(
        key="steps",
        title=title,
        caption=f"Mean over images of the IoU to the map the attack was given (target, or {truth} if untargeted), in "
        "float; an image that has ended keeps its last value.",
        note=note_of_sweeps(drawn),
        x=Axis(title="step"),
        y=Axis(title="IoU", limits=UNIT),
        lines=lines,
        table=TextTable(title, ["", "first", "after a quarter", "after half", "last", "steps"], rows),
    )
    return [figure] if lines else []


def _over_steps(one: FamilyOfRun) -> Line | None:
    if one.run.traces is None:
        return None
    attack, rows = list(one.family.attacks.items())[-1]
    points = mean_curve(per_image(of_attack(one.run.traces, attack)), {row["id"]: row["steps"] for row in rows})
    if not points:
        return None
    return Line(look=one.look, x=[p["step"] for p in points], y=[p.get("iou", math.nan) for p in points])


def iou_by_image(results: Results) -> list[Figure]:
    """The distribution of the IoU of the 8-bit files over images; of a sweep of budgets, that of the largest."""
    boxes, references = [], set()
    drawn = families_of(results.runs)
    for one in drawn:
        attacked = list(one.family.attacks.values())[-1]
        references.add("target" if attacked[0]["targeted"] else truth_name(attacked))
        values = column(attacked, "adv8_iou_target" if attacked[0]["targeted"] else "adv8_iou_truth")
        boxes.append(Box(one.look, values.tolist(), [str(row["id"]) for row in attacked]))
    title = f"IoU to {' or '.join(sorted(references))}, image by image"
    rows = [
        [box.look.label, *(f"{value:.3f}" for value in np.quantile(box.values, [0, 0.25, 0.5, 0.75, 1]))]
        for box in boxes
    ]
    figure = Figure(
        key="distribution",
        title=title,
        caption="Of the 8-bit files; each point is an image.",
        note=note_of_sweeps(drawn),
        x=Axis(title=title.replace("image by image", "8-bit"), limits=UNIT),
        y=Axis(title=""),
        boxes=boxes,
        table=TextTable(title, ["", "lowest", "quartile", "median", "quartile", "highest"], rows),
    )
    return [figure] if boxes else []
