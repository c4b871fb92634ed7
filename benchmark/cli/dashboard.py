"""Save a workspace and a report at Weights & Biases that compare attacks and runs.

They show a leaderboard, clean and adversarial IoU, perturbation, cost, curves, pictures and training. The folders of
the runs say which attacks and metrics there are, and panels name only those. The workspace can be changed by hand
afterwards; each call makes a new one.

examples
  python -m benchmark dashboard
  python -m benchmark dashboard runs/fixed_budget/... --entity team
  python -m benchmark dashboard --dry-run --out dashboard.json
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.atomic_files import save_text
from benchmark.cli.parsers import Command, Parser, path_text, reading, say
from benchmark.config.groups import conf_folder
from benchmark.errors import InputError, as_input_error, writing

if TYPE_CHECKING:
    from benchmark.runs.folder import RunFolder
    from benchmark.tracking.wandb.dashboard_keys import Logged

_RUNS = Path("runs")


def dashboard(runs: Sequence[str], project: str | None, entity: str | None, dry_run: bool, out: Path | None) -> int:
    """Save both and print their addresses, or (`dry_run`) write their specification without a network.

    Raises InputError if there are no such runs, or none in that project, and if nothing can be saved there.
    """
    from omegaconf import OmegaConf

    from benchmark.runs.folder import RunFolder
    from benchmark.tracking.wandb.connection import connect
    from benchmark.tracking.wandb.dashboard import make_dashboard
    from benchmark.tracking.wandb.dashboard_keys import Logged
    from benchmark.tracking.wandb.logged_runs import logged_by

    if out is not None and not dry_run:
        raise InputError("--out says where the specification goes; give it with --dry-run")
    if not dry_run and (connection := connect()).mode != "online":
        reason = connection.reason or f"WANDB_MODE is {connection.mode}"
        remedy = "set WANDB_API_KEY where there is a network, or give --dry-run for the specification"
        raise InputError(f"dashboard: no connection to Weights & Biases ({reason}); {remedy}")
    folders = [RunFolder(run) for run in runs]
    if folders:
        with reading(*runs):
            project = _project_of_all(folders, project)
    else:
        project = project or str(OmegaConf.load(conf_folder() / "logger" / "wandb.yaml").project)
        folders = _runs_of(project)
    with reading(*runs):
        logged = Logged.union(logged_by(folder) for folder in folders)
    if not logged.training and not logged.attacks:
        raise InputError(f"{folders[0].path}: has neither trained nor attacked yet; wait for it, or give another run")
    if not dry_run:
        _save(logged, project, entity)
        return 0
    with reading(*runs):
        specification = make_dashboard(logged, project, entity or "", find_runs=False).specification()
    text = json.dumps(specification, indent=2)
    if out is not None:
        with writing(f"--out {out}: cannot be written", remedy="choose another file"):
            save_text(out, text + "\n")
    say(*(text.split("\n") if out is None else [f"specification {out}"]))
    return 0


def _project_of_all(folders: "Sequence[RunFolder]", expected: str | None) -> str:
    from benchmark.tracking.wandb.logged_runs import project_of

    for folder in folders:
        if not folder.has_begun:
            raise InputError(f"{folder.path}: is no run's folder, it has no config.yaml; give the folder of a run")
        project = project_of(folder)
        if project is None:
            raise InputError(f"{folder.path}: logs nothing to Weights & Biases; give a run made with logger=wandb")
        expected = expected or project
        if project != expected:
            raise InputError(f"{folder.path}: logs to project {project}, not {expected}; give runs of one project")
    return str(expected)


def _runs_of(project: str) -> "list[RunFolder]":
    from benchmark.tracking.wandb.logged_runs import project_of, runs_below

    if folders := [folder for folder in runs_below(_RUNS) if project_of(folder) == project]:
        return folders
    remedy = "make one with logger=wandb, give the folders of runs, or --project"
    raise InputError(f"no run below {_RUNS}/ logs to project {project}; {remedy}")


def _save(logged: "Logged", project: str, entity: str | None) -> None:
    import wandb

    from benchmark.tracking.wandb.dashboard import make_dashboard

    where = f"dashboard: cannot be saved in project {project} of {entity or 'the default entity'}"
    remedy = "upload a run first (wandb sync), and check --project, --entity and the key"
    with as_input_error(where, Exception, remedy=remedy):  # the client raises anything
        dashboard = make_dashboard(logged, project, entity or str(wandb.Api().default_entity))
        dashboard.report.save()  # first, because it finds out whether the project is there
        dashboard.workspace.save()
        addresses = {name: part.url for name, part in dashboard._asdict().items()}
    for name, address in addresses.items():
        say(f"{name:10}{address}")


def _add_arguments(parser: Parser) -> None:
    what = "folder of a run that has logged to Weights & Biases; by default all below runs/"
    parser.add_argument("runs", nargs="*", type=path_text, metavar="RUN", help=what)
    parser.add_argument("--project", help="by default that of the runs, or of conf/logger/wandb.yaml")
    parser.add_argument("--entity", help="user or team; by default the key's own")
    parser.add_argument("--dry-run", action="store_true", help="write the specification as JSON; needs no network")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="where --dry-run writes; by default to the standard output"
    )


COMMAND = Command(text=__doc__, run=dashboard, add_arguments=_add_arguments)
