"""`dashboard`: a saved workspace and a report at Weights & Biases, so that nobody clicks them together."""

import json
from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf

from benchmark.atomic_files import save_text
from benchmark.config.groups import conf_folder
from benchmark.errors import InputError
from benchmark.runs.folder import RunFolder
from benchmark.tracking.guard import in_one_line
from benchmark.tracking.wandb.connection import connect
from benchmark.tracking.wandb.dashboard import Dashboard, make_dashboard
from benchmark.tracking.wandb.dashboard_keys import Logged
from benchmark.tracking.wandb.logged_runs import logged_by, project_of, runs_below

_RUNS = Path("runs")


def dashboard(runs: Sequence[str], project: str | None, entity: str | None, dry_run: bool, out: str | None) -> int:
    """Save both and print their addresses, or write their specification.

    Args:
        runs: folders whose attacks are compared; empty: all below runs/ that have logged to the project.
        project: None: the one the runs have logged to, without runs that of conf/logger/wandb.yaml.
        entity: None: the key's own.
        dry_run: write the specification only, without a network.
        out: where to; None: to the standard output.

    Raises:
        InputError: no such runs, or none in that project, or they cannot be saved there.
    """
    if out is not None and not dry_run:
        raise InputError("--out says where the specification goes; give it with --dry-run")
    if not dry_run:
        _check_connection()
    folders = [RunFolder(run) for run in runs]
    project = _project_of_all(folders, project) if folders else project or _default_project()
    folders = folders or _found(project)
    logged = Logged.union(logged_by(folder) for folder in folders)
    if not logged.training and not logged.attacks:
        raise InputError(f"{folders[0].path}: has neither trained nor attacked yet; wait for it, or give another run")
    if dry_run:
        _write(make_dashboard(logged, project, entity or "", find_runs=False), out)
    else:
        _save(logged, project, entity)
    return 0


def _project_of_all(folders: Sequence[RunFolder], expected: str | None) -> str:
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


def _found(project: str) -> list[RunFolder]:
    folders = [folder for folder in runs_below(_RUNS) if project_of(folder) == project]
    if not folders:
        raise InputError(
            f"no run below {_RUNS}/ logs to project {project}; make one with logger=wandb, give the folders of "
            "runs, or --project"
        )
    return folders


def _default_project() -> str:
    return str(OmegaConf.load(conf_folder() / "logger" / "wandb.yaml").project)


def _check_connection() -> None:
    connection = connect()
    if connection.mode != "online":
        reason = connection.reason or f"WANDB_MODE is {connection.mode}"
        raise InputError(
            f"dashboard: Weights & Biases cannot be asked ({reason}); set WANDB_API_KEY where there is a network, or "
            "give --dry-run for the specification"
        )


def _write(made: Dashboard, out: str | None) -> None:
    text = json.dumps(made.specification(), indent=2, ensure_ascii=False)
    if out is None:
        print(text)
        return
    try:
        save_text(Path(out), text + "\n")
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written ({error.strerror}); choose another file") from error
    print(f"specification {out}")


def _save(logged: Logged, project: str, entity: str | None) -> None:
    import wandb

    try:
        made = make_dashboard(logged, project, entity or str(wandb.Api().default_entity))
        made.report.save()  # first, because it finds out whether the project is there
        made.workspace.save()
        addresses = {name: part.url for name, part in made._asdict().items()}
    except Exception as error:  # the client raises anything
        raise InputError(
            f"dashboard: cannot be saved in project {project} of {entity or 'the default entity'} "
            f"({in_one_line(error)}); upload a run first (wandb sync), and check --project, --entity and the key"
        ) from error
    for name, address in addresses.items():
        print(f"{name:10}{address}")
