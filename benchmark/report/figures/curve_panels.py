"""The panels of the curves: success over a norm, over passes, and success or score over the budget."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.results.columns import NORM_COLUMNS
from benchmark.results.success_curves import Curve, Family, by_budget, success_by_norm, success_by_passes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, PALE = "#222222", "#777777"
_NAMES = {"l1": "L1", "l2": "L2", "linf": "L∞ · 255"}


@dataclass(frozen=True)
class Line:
    """How a family is drawn in all panels: colour, line style and label, and the marker of its budgets."""

    family: Family
    look: Mapping[str, Any]
    marker: str


def draw_norm(axes: "Axes", lines: Sequence[Line], norm: str) -> None:
    """Success over the norm "1", "2" or "inf" of the perturbation; thin where it is not the attack's own.

    Of a sweep, an image's best over all budgets.
    """
    name = NORM_COLUMNS[norm]
    curves = [success_by_norm(line.family, name) for line in lines]
    own = [line.family.norm in (norm, None) for line in lines]
    _draw_steps(axes, lines, curves, own, 255 if name == "linf" else 1)
    others = "" if all(own) else " (thin: attacks on other norms)"
    _name(axes, f"success by {_NAMES[name].split()[0]}{others}", f"{_NAMES[name]} of the perturbation")
    _as_percentage(axes)


def draw_passes(axes: "Axes", lines: Sequence[Line]) -> None:
    """Success over passes, of a sweep with the largest budget."""
    curves = [success_by_passes(list(line.family.attacks.values())[-1]) for line in lines]
    _draw_steps(axes, lines, curves, [True] * len(lines), 1)
    largest = " (at the largest budget)" if any(line.family.swept for line in lines) else ""
    _name(axes, f"success by passes{largest}", "forward + backward passes")
    _as_percentage(axes)


def draw_budgets(axes: "Axes", lines: Sequence[Line], norm: str, what: str) -> None:
    """`what` ("success_rate" or "median_iou") over the budgets of the sweeps in that norm."""
    scale = 255 if norm == "inf" else 1
    ticks: set[float] = set()
    targeted = set()
    for line in lines:
        if line.family.norm == norm:
            points = by_budget(line.family)
            values = [math.nan if getattr(point, what) is None else getattr(point, what) for point in points]
            axes.plot([p.eps * scale for p in points], values, marker=line.marker, markersize=4.5, lw=1.6, **line.look)
            ticks |= {point.eps * scale for point in points}
            targeted.add(points[0].targeted)
    axes.set_xscale("log")
    axes.set_xticks(sorted(ticks), [f"{tick:g}" for tick in sorted(ticks)])
    axes.set_xticks([], minor=True)
    budget = f"budget {_NAMES[NORM_COLUMNS[norm]]}"
    if what == "success_rate":
        _name(axes, "success by budget (float)", budget)
        _as_percentage(axes)
    elif what == "median_iou":
        reference = "/".join({True: "target", False: "truth"}[one] for one in sorted(targeted))
        _name(axes, f"median IoU to {reference} by budget (float)", budget)
        axes.set_ylim(-0.03, 1.03)
    else:
        raise ValueError(f"curves: no panel of {what!r}")


def _draw_steps(
    axes: "Axes", lines: Sequence[Line], curves: Sequence[Curve], own: Sequence[bool], scale: float
) -> None:
    reached = np.concatenate([curve.x[curve.x > 0] for curve in curves]) * scale
    low, high = (reached.min() / 1.25, reached.max() * 1.25) if len(reached) else (0.1, 10.0)
    # Each line is a little thinner than the one below it, so that none hides another that is the same.
    widths = np.linspace(2.7, 1.5, len(lines))
    for line, curve, its_own, wide in zip(lines, curves, own, widths, strict=True):
        if curve.images:
            # From the left edge at what is free of charge to the right edge, past which nothing more is known.
            x = np.concatenate([[low], np.maximum(curve.x * scale, low), [high]])
            y = np.concatenate([[curve.at(0)], curve.share, [curve.at(math.inf)]])
            width, alpha = (wide, 1.0) if its_own else (wide / 2, 0.75)
            axes.step(x, y, where="post", linewidth=width, alpha=alpha, **line.look)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    _label_decades(axes, high / low)


def _label_decades(axes: "Axes", span: float) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5) if span < 500 else (1,)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _as_percentage(axes: "Axes") -> None:
    axes.set_ylim(-0.03, 1.03)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])


def _name(axes: "Axes", title: str, x: str) -> None:
    axes.set_title(title, fontsize=10, color=INK, loc="left")
    axes.set_xlabel(x, fontsize=9, color=INK)
