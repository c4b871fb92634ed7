"""A saved workspace and a report at Weights & Biases that compare attacks and runs."""

import hashlib
import json
from typing import Any, NamedTuple

import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws

from benchmark.tracking.wandb.dashboard_keys import Logged
from benchmark.tracking.wandb.dashboard_sections import Panels, leading_columns, sections

NAME = "Attacks compared"

_ACROSS, _WIDTH, _HEIGHT = 3, 8, 6  # panels in a row of a report, and their size on its grid of 24 columns
_ONLY_IN_THE_WORKSPACE = ("Single images",)

_INTRODUCTION = (
    "How easily segmentation models are fooled: every test image is perturbed until the model paints a chosen mask, "
    "or, in the other sense, no longer the true one. All numbers are computed from one row per attacked image."
)
_MEANINGS = (
    "One judge decides success for all attacks of a run alike; the runs' column judge says which, by default a "
    "foreground IoU to the target of at least .95. Rates of different judges cannot be compared.",
    "The headline is success8_rate: the judge holds on the image as an 8-bit file. Half of the images that just pass "
    "in floating point fail once they are files. Images whose clean prediction passes already are left out.",
    "clean_ is the clean image, adv8_ the 8-bit file; iou_truth is the IoU to the true mask, iou_target to the mask "
    "that was aimed at.",
    "Norms are over successes, because a failed image has none; medians over all images count failures as infinitely "
    "visible and are missing where more than half have failed. A method that fails where it is hard looks good in the "
    "first and not in the second.",
    "Passes are forward and backward passes, those of the judge included.",
    "Intervals are 95 %: Wilson for rates, bootstrap over patients or sequences, images where unknown, for means.",
)


class Dashboard(NamedTuple):
    """Workspace and report, not saved yet."""

    workspace: ws.Workspace
    report: wr.Report

    def specification(self) -> dict[str, Any]:
        """What `save` would send, as JSON data; equal for equal runs.

        Raises:
            wandb.Error: the server does not answer, which is asked if `find_runs` was set.
        """
        # pydantic's own JSON is what is sent
        return {
            name: json.loads(part._to_model().model_dump_json(by_alias=True, exclude_none=True))
            for name, part in self._asdict().items()
        }


def make_dashboard(logged: Logged, project: str, entity: str, find_runs: bool = True) -> Dashboard:
    """Workspace and report for a project of `entity`, with the keys that its runs have logged.

    With `find_runs` the tables of runs in the report name the project, for which the library asks the server; otherwise
    they show the project of the report.
    """
    columns = leading_columns(logged)
    workspace = ws.Workspace(
        entity=entity,
        project=project,
        name=NAME,
        sections=[
            ws.Section(name=name, panels=_named(name, panels), is_open=True)
            for name, panels in sections(logged).items()
        ],
        runset_settings=ws.RunsetSettings(groupby=[ws.Metric("Group")], pinned_columns=columns),
    )
    runs = (entity, project) if find_runs else ("", "")
    blocks: list[Any] = [wr.P(_INTRODUCTION), wr.UnorderedList(items=list(_MEANINGS))]
    for name, panels in sections(logged).items():
        if name not in _ONLY_IN_THE_WORKSPACE:
            runset = wr.Runset(*runs, name="Runs by group", groupby=["run.group"], pinned_columns=list(columns))
            runset._id = _identifier("runs", name)
            blocks += [wr.H2(name), wr.PanelGrid(runsets=[runset], panels=_placed(_named(f"report/{name}", panels)))]
    report = wr.Report(project=project, entity=entity, title=NAME, blocks=blocks, width="fluid")
    return Dashboard(workspace, report)


def _named(where: str, panels: Panels) -> Panels:
    # The library draws identifiers at random; with fixed ones, specifications can be compared.
    for index, panel in enumerate(panels):
        panel._id = _identifier(where, type(panel).__name__, index)
    return panels


def _placed(panels: Panels) -> Panels:
    for index, panel in enumerate(panels):
        row, column = divmod(index, _ACROSS)
        panel.layout = wr.Layout(x=column * _WIDTH, y=row * _HEIGHT, w=_WIDTH, h=_HEIGHT)
    return panels


def _identifier(*parts: Any) -> str:
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:12]
