"""The panels of the dashboard by section; their keys are those that runs have logged.

Runs are grouped, so that each bar and line stands for one group.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import wandb_workspaces.reports.v2 as wr

from benchmark.tracking.wandb.dashboard_keys import GLOBAL_STEP, Logged

Panels = list[Any]
_Limits = tuple[float | None, float | None]

_BARS, _RUNS = 100, 50  # shown in a panel at most; the default limits of the library hide attacks
_UNIT = (0, 1)
_NORMS = {"l2": "L2", "linf": "L∞", "psnr": "PSNR"}


def sections(logged: Logged) -> dict[str, Panels]:
    """Name of a section -> its panels; sections without panels are left out."""
    by_section = {
        "Leaderboard": _leaderboard(logged),
        "Success over the budget": _budgets(logged),
        "Clean and adversarial IoU": _scores(logged),
        "Perturbation": _perturbation(logged),
        "Cost": _cost(logged),
        "Curves over steps": _over_steps(logged),
        "Single images": _over_images(logged),
        "Pictures": _pictures(logged),
        "Training": _training(logged),
    }
    return {name: panels for name, panels in by_section.items() if panels}


def leading_columns(logged: Logged) -> list[str]:
    """The first columns of the table of runs: success and IoU of each attack."""
    columns = []
    for attack in logged.names:
        score = "adv8_iou_target/mean" if attack in logged.targeted else "adv8_iou_truth/mean"
        columns += logged.keys([attack], "success8_rate", score)
    return [f"summary:{key}" for key in columns]


def _leaderboard(logged: Logged) -> Panels:
    title = "Success on the 8-bit file"
    titles = {
        "success8_rate": title,
        "success8_rate_ci95/low": f"{title}: lower end of the 95 % interval",
        "success8_rate_ci95/high": f"{title}: upper end of the 95 % interval",
    }
    return _bars_of_all(logged, titles, _UNIT) + [
        wr.ScalarChart(title=f"{attack}: success", metric=key, groupby_aggfunc="mean")
        for attack in logged.names
        for key in logged.key(attack, "success8_rate")
    ]


def _budgets(logged: Logged) -> Panels:
    panels: Panels = []
    for sweep in logged.sweeps:
        if len(sweep.budgets) > 1:
            names = list(sweep.budgets)
            reference = "target" if names[0] in logged.targeted else "truth"
            panels += _bars(f"{sweep.name}: success by rising budget", logged.keys(names, "success8_rate"), _UNIT)
            scores = logged.keys(names, f"adv8_iou_{reference}/mean")
            panels += _bars(f"{sweep.name}: IoU to the {reference} by rising budget", scores, _UNIT)
    return panels


def _scores(logged: Logged) -> Panels:
    panels: Panels = []
    for reference, attacks in (("truth", logged.names), ("target", logged.targeted)):
        clean, adversarial = f"clean_iou_{reference}/mean", f"adv8_iou_{reference}/mean"
        both = logged.keys(attacks, clean, adversarial)
        panels += _bars(f"IoU to the {reference}: clean image, then 8-bit file", both, _UNIT)
        for attack in attacks:
            for x, y in zip(logged.keys([attack], clean), logged.keys([attack], adversarial), strict=False):
                title = f"{attack}: IoU to the {reference}, 8-bit file over clean image"
                over, up = wr.SummaryMetric(x), wr.SummaryMetric(y)
                panels.append(wr.ScatterPlot(title=title, x=over, y=up, range_x=_UNIT, range_y=_UNIT))
    whole = logged.keys(logged.names, "dataset/clean_miou", "dataset/adv8_miou_truth")
    return panels + _bars("Mean IoU over all pixels: clean image, then 8-bit file", whole, _UNIT)


def _perturbation(logged: Logged) -> Panels:
    titles = {f"{column}/median": f"{name}: median over successes" for column, name in _NORMS.items()}
    for column, name in _NORMS.items():
        everything = "median_all" if column == "psnr" else "median_all8"
        titles[f"{column}/{everything}"] = f"{name}: median, failures as infinitely visible"
    return _bars_of_all(logged, titles)


def _cost(logged: Logged) -> Panels:
    titles = {
        "success_passes/median": "Passes to the first success: median over successes",
        "success_passes/median_all": "Passes to the first success: median, failures as infinite",
        "passes/mean": "Passes spent on an image: mean",
        "seconds/mean": "Seconds spent on an image: mean",
    }
    return _bars_of_all(logged, titles)


def _over_steps(logged: Logged) -> Panels:
    panels: dict[str, Panels] = {"iou": [], "l2": [], "linf": []}  # these first
    for attack in logged.names:
        for key in logged.curves(attack, "step"):
            name = key.rpartition("/")[2]
            title = f"{attack}: {_NORMS.get(name, name)} over steps, mean over images"
            panels.setdefault(name, []).extend(_lines(title, logged.key(attack, "step"), [key], "step"))
    return [panel for group in panels.values() for panel in group]


def _over_images(logged: Logged) -> Panels:
    panels: Panels = []
    for attack in logged.names:
        known = {key.rpartition("/")[2]: key for key in logged.curves(attack, "image/index")}
        scores = ("clean_iou_truth", "adv8_iou_truth", "adv8_iou_target")
        for title, names in {"IoU": scores, "L2": ("l2",), "PSNR": ("psnr",), "passes": ("passes",)}.items():
            keys = [known[name] for name in names if name in known]
            panels += _lines(f"{attack}: {title} by image", logged.key(attack, "image", "index"), keys, "image")
        # wandb.plot.line_series logs its table under this key.
        panels += [
            wr.CustomChart(
                query={"summaryTable": {"tableKey": f"{key}_table"}},
                chart_name="wandb/lineseries/v0",
                chart_fields={"step": "step", "lineKey": "lineKey", "lineVal": "lineVal"},
                chart_strings={"title": f"{attack}: IoU of single images over steps", "xname": "step"},
            )
            for key in logged.key(attack, "iou_by_image")
        ]
    return panels


def _pictures(logged: Logged) -> Panels:
    montages, panels = logged.keys(logged.names, "montage"), []
    if montages:
        panels.append(wr.MediaBrowser(title="Montages", media_keys=montages, num_columns=1))
    return panels + [wr.WeavePanelSummaryTable(table_name=key) for key in logged.keys(logged.names, "images")]


def _training(logged: Logged) -> Panels:
    by_name: dict[str, list[str]] = {}
    for key in sorted(logged.training):
        kind, _, name = key.rpartition("/")
        by_name.setdefault(f"{name}, attack on validation images" if "/" in kind else name, []).append(key)
    return [panel for name, keys in by_name.items() for panel in _lines(name, [GLOBAL_STEP], keys, "optimizer step")]


def _bars_of_all(logged: Logged, titles: Mapping[str, str], limits: _Limits = (None, None)) -> Panels:
    """A bar chart over all attacks for each path in a summary -> title."""
    return [panel for path, title in titles.items() for panel in _bars(title, logged.keys(logged.names, path), limits)]


def _bars(title: str, keys: Sequence[str], limits: _Limits = (None, None)) -> Panels:
    bars = wr.BarPlot(title=title, metrics=list(keys), range_x=limits, max_bars_to_show=_BARS, max_runs_to_show=_RUNS)
    return [bars] if keys else []


def _lines(title: str, axis: Sequence[str], keys: Sequence[str], title_x: str) -> Panels:
    if not axis or not keys:
        return []
    return [wr.LinePlot(title=title, x=axis[0], y=list(keys), title_x=title_x, max_runs_to_show=_RUNS)]
