"""From a command line to configured runs, through Hydra; everything that is wrong with the input becomes one line."""

import logging
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.config.groups import add_folder, conf_folder, groups, names
from benchmark.config.resolvers import make_stamp, register_resolvers
from benchmark.distributed.process_group import ProcessGroup, are_many, join
from benchmark.errors import InputError, ReportedError, Stopped, did_you_mean

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from benchmark.config.failures import Failures
    from benchmark.config.overrides import Override


def launch(
    command: str, overrides: Sequence[str], *, multirun: bool, show_config: bool, config_dir: Path | None = None
) -> int:
    """Compose the configuration and hand it to the command, once or (`multirun`) for every combination.

    `config_dir` is a folder of further groups and of the Python files they name, see `conf.add_folder`. Started as one
    of several processes, it first finds the others.
    """
    processes = join()
    if not processes.first:
        _silence()
    try:
        status = _launch(command, overrides, multirun, show_config, config_dir, processes)
    except InputError as error:
        if processes.first_to_report(str(error)):
            raise
        raise ReportedError(str(error)) from error
    except Stopped as stop:
        stop.reported = stop.reported or not processes.first
        raise
    processes.leave()
    return status


def _launch(
    command: str,
    overrides: Sequence[str],
    multirun: bool,
    show_config: bool,
    config_dir: Path | None,
    processes: ProcessGroup,
) -> int:
    if config_dir is not None:
        add_folder(config_dir)
    from benchmark.cli.resume import resumed_overrides
    from benchmark.config.overrides import parse_all

    given = parse_all(overrides)
    if multirun and any(override.key == "run.resume" for override in given):
        raise InputError("run.resume goes on with one run; leave -m out, and give it once for each run of the sweep")
    given = resumed_overrides(given)
    _refuse_unknown(given)
    _check_launcher(given, multirun)
    import hydra
    from hydra.errors import CompactHydraException
    from omegaconf.errors import OmegaConfBaseException

    from benchmark.config.failures import Failures, one_line

    register_resolvers(processes.agree("stamp", make_stamp))
    # Hydra then raises its errors instead of printing them with its own advice.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    flags = [flag for flag, wanted in (("--multirun", multirun), ("--cfg=job", show_config)) if wanted]
    flags += [] if config_dir is None else [f"--config-dir={config_dir.resolve()}"]

    failures = Failures(sweep=multirun)
    before, sys.argv = sys.argv, [f"benchmark {command}", *map(_for_hydra, given), *flags]
    task = _Task(command, failures, config_dir, sys.argv, processes)
    try:
        hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="config")(task)()
    except (CompactHydraException, OmegaConfBaseException) as error:
        raise InputError(one_line(error)) from error
    except OSError as error:
        raise InputError(f"the run's folder cannot be made ({error}); give another run.dir") from error
    finally:
        sys.argv = before
    return failures.status()


class _Task:
    """What Hydra runs for each configuration; a launcher may pickle it and run it in a process of its own."""

    def __init__(
        self, command: str, failures: "Failures", config_dir: Path | None, arguments: list[str], processes: ProcessGroup
    ) -> None:
        self._command, self._failures = command, failures
        self._config_dir = None if config_dir is None else config_dir.resolve()
        self._arguments, self._processes = arguments, processes

    def __call__(self, cfg: "DictConfig") -> None:
        from hydra.core.hydra_config import HydraConfig

        from benchmark.distributed.termination import stoppable

        if self._failures.elsewhere:
            self._settle_in()
        _quiet()
        if self._failures.sweep:
            print("==", " ".join(HydraConfig.get().overrides.task), flush=True)
        # Also in a job of submitit's, which ignores SIGTERM: nothing would end it before its time.
        with self._failures.collected(), stoppable(watch_parent=are_many()):
            self._run(cfg)

    def _run(self, cfg: "DictConfig") -> None:
        """Run the command in this process, or start as many as the trainer needs."""
        from omegaconf import DictConfig, OmegaConf

        from benchmark.cli.context import run_folder
        from benchmark.distributed.launcher import missing_processes

        trainer = OmegaConf.to_container(cfg.trainer) if isinstance(cfg.get("trainer"), DictConfig) else {}
        try:
            if missing := missing_processes(trainer, self._processes):  # type: ignore[arg-type]
                self._start(missing)
            else:
                _task(self._command)(cfg, self._processes)
        finally:
            # Hydra makes the folder before anything is known to be right.
            folder = run_folder()
            if self._processes.first and folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _start(self, processes: int) -> None:
        from hydra.core.hydra_config import HydraConfig

        from benchmark.cli.context import run_folder
        from benchmark.config.overrides import assignment, parse
        from benchmark.distributed.launcher import start_processes

        overrides = [text for text in HydraConfig.get().overrides.task if parse(text).key != "run.dir"]
        directory = [] if self._config_dir is None else [f"--config-dir={self._config_dir}"]
        start_processes(processes, [self._command, *overrides, assignment("run.dir", run_folder()), *directory])

    def _settle_in(self) -> None:
        """Make up for what `launch` did in the process that started the sweep; Hydra brings its resolvers itself."""
        if self._config_dir is not None:
            add_folder(self._config_dir)
        sys.argv = self._arguments
        self._processes = join()


def _silence() -> None:
    """What all processes would say alike, the first one says; errors are said by whoever has one."""
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # until the process ends
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)


def _quiet() -> None:
    """Keep the libraries' advice and notes about themselves out of the output; warnings about the run stay."""
    import pytorch_lightning  # noqa: F401  # sets its own level when it is imported

    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for message in (
        r"(Experiment logs|Checkpoint) directory .* exists and is not empty",  # it is the run's own folder
        r".*isinstance\(treespec, LeafSpec\)",
        r".*does not have many workers",
        r"The number of training batches .* is smaller than the logging interval",
        r"GPU available but not used",
        r"It is recommended to use `self.log\('val/.*sync_dist=True",  # torchmetrics has added them up already
        r"The `srun` command is available on your system but is not used",  # a login node may train too
    ):
        warnings.filterwarnings("ignore", message=message)


def _task(command: str) -> Callable[["DictConfig", ProcessGroup], None]:
    from benchmark.cli import attack, run, train

    return {"run": run.run, "train": train.train, "attack": attack.attack}[command]


def _for_hydra(override: "Override") -> str:
    # conf/trainer names a few of the Trainer's arguments; all others can be given just like them.
    existing = override.key.startswith("trainer.") and not (override.append or override.delete)
    return f"++{override.text}" if existing else override.text


def _check_launcher(overrides: "Sequence[Override]", multirun: bool) -> None:
    """Raise InputError if the runs cannot go where hydra/launcher=NAME sends them; Hydra says it with a traceback."""
    for override in overrides:
        if override.key != "hydra/launcher":
            continue
        if not multirun:
            raise InputError(f"{override.text}: says where the runs of a sweep go; give -m too")
        if override.value == "slurm":
            if find_spec("submitit") is None:
                raise InputError(f"{override.text}: needs hydra-submitit-launcher; pip install hydra-submitit-launcher")
            if shutil.which("srun") is None:
                raise InputError(f"{override.text}: there is no srun here; start the sweep where jobs can be submitted")


def _refuse_unknown(overrides: "Sequence[Override]") -> None:
    """Name the nearest of what exists for a mistyped GROUP=NAME; Hydra's own messages do not."""
    for override in overrides:
        group = override.group
        if group not in groups() or override.delete:
            continue
        known = names(group)
        if override.value in ("", None):
            raise InputError(f"{override.text}: names no {group}; {group} is one of {', '.join(known)}")
        for name in override.choices:
            if name in known or name.startswith("${"):
                continue
            if group == "defence" and name in names("adversarial_training"):
                raise InputError(
                    f"{override.text}: a victim is trained against attacks by adversarial_training={name}; defence= "
                    "names input transforms the files are also shown through"
                )
            near = did_you_mean(name, known)
            raise InputError(
                f"{override.text}: there is no {group} {name!r}{near}; {group} is one of {', '.join(known)}"
            )
