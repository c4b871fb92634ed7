"""Finding a command; and running a configuration, through Hydra, once or for every run of a sweep."""

import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.cli.hydra_keys import check_hydra, check_launcher
from benchmark.cli.parsers import COMMANDS, Command, Parser
from benchmark.config.groups import add_folder, conf_folder, further_folders
from benchmark.config.resolvers import make_stamp, register_resolvers
from benchmark.distributed.process_group import ProcessGroup, are_many, join
from benchmark.errors import InputError, MachineError, ReportedError, Stopped, did_you_mean, machine_error, writing

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from benchmark.config.failures import Failures

CONFIGURATION_HELP = """\
configuration (Hydra): KEY=VALUE sets a key, GROUP=NAME chooses a file of conf/GROUP; `list` shows the names
  data=isic2018 data.root=PATH data.size=128        what is segmented; images are resized to data.size
  data=folder data.root=PATH                        images and masks of yours: images/ and masks/, names alike
  data=folder data.root=PATH data.labels=predicted  images without masks: the clean prediction counts as the mask
  victim=deeplabv3plus victim.encoder=resnet34      which network; victim.ckpt=PATH takes a trained one
  victim=torchscript victim.program=model.ts        a network of yours; docs/own_models.md has the others
  victim.transform=[jpeg] victim.window=256         what is done around it, in attack and evaluation
  attack=asma attacks.asma.rule.tau=1e-5            which attack and its parameters
  defence=[jpeg,median]                             input transforms applied to the adversarial images
  trainer.max_epochs=60 engine.slots=16             how long, how many images at once
  trainer=ddp sharding=dynamic                      all GPUs of this machine; docs/cluster.md has more
  run.resume=FOLDER                                 go on with a run that has not ended
  logger=wandb seed=1 run.name=mine                 where it is logged, and what it is called
sweeps: -m victim=unet,fpn seed=1,2,3               one run per combination

examples
  python -m benchmark run
  python -m benchmark run data=isic2018 data.root=PATH victim=unet attack=asma
  python -m benchmark attack data=folder data.root=PATH victim.ckpt=runs/.../checkpoints/best.ckpt
"""
"""How a configuration is written on the command line; stands in the help of every command that takes one."""


# The function NAME of each module `benchmark.cli.NAME` is called with the configuration.
_CONFIGURED = {
    "run": "Train a victim (or take the one of victim.ckpt), attack the test images, and show the result.",
    "train": "Train a victim.",
    "attack": "Attack the test images of a trained victim (victim.ckpt=PATH, or a network of yours: victim=python).",
}


def _add_arguments(parser: Parser) -> None:
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="configuration, see below")
    parser.add_argument("-m", "--multirun", action="store_true", help="one run for every combination of listed values")
    parser.add_argument("--show-config", action="store_true", help="print the resulting configuration and stop")
    parser.add_config_dir()


def find_command(name: str) -> Command:
    """The command of this name. Raises InputError if there is none."""
    if name not in COMMANDS:
        raise InputError(f"unknown command {name!r}{did_you_mean(name, COMMANDS)}; see python -m benchmark --help")
    if name in _CONFIGURED:
        text = f"{_CONFIGURED[name]}\n\n{CONFIGURATION_HELP}"
        return Command(text=text, run=partial(launch, name), add_arguments=_add_arguments)
    return import_module(f"benchmark.cli.{name}").COMMAND


def launch(command: str, overrides: Sequence[str], *, multirun: bool, show_config: bool) -> int:
    """Compose the configuration and hand it to the command, once or (`multirun`) for every combination.

    Started as one of several processes, it first finds the others.
    """
    processes = join()
    if not processes.first:
        _silence()
    with _reported_once(processes):
        from benchmark.cli.resume import resumed_overrides
        from benchmark.config.as_typed import as_typed, check_texts
        from benchmark.config.compose import check_no_sweep, hydra_arguments, one_line_errors
        from benchmark.config.failures import Failures
        from benchmark.config.overrides import from_command_line

        given = [from_command_line(text) for text in overrides]
        with as_typed(given):
            check_texts(given)
        check_hydra(given)
        if multirun and any(override.key == "run.resume" for override in given):
            raise InputError("run.resume goes on with one run; leave -m out, and give it once for each run of a sweep")
        given = resumed_overrides(given)
        check_launcher(given, multirun)
        if not multirun:
            check_no_sweep(given)
        import hydra

        register_resolvers(processes.agree("stamp", make_stamp))
        # Hydra then raises its errors instead of printing them with its own advice.
        os.environ["HYDRA_FULL_ERROR"] = "1"
        flags = [flag for flag, wanted in (("--multirun", multirun), ("--cfg=job", show_config)) if wanted]
        failures = Failures(sweep=multirun)
        before, sys.argv = sys.argv, [f"benchmark {command}", *hydra_arguments(given), *flags]
        task = _Task(command, failures, further_folders(), sys.argv, processes)
        try:
            with writing("the run's folder cannot be made", remedy="give another run.dir"), one_line_errors():
                hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="config")(task)()
        finally:
            sys.argv = before
        status = failures.status()
    processes.leave()
    return status


@contextmanager
def _reported_once(processes: ProcessGroup) -> Iterator[None]:
    """Mark errors that another process reports, so that the user reads each once."""
    try:
        yield
    except InputError as error:
        if processes.first_to_report(str(error)):
            raise
        raise ReportedError(str(error)) from error
    except MachineError as error:
        error.reported = not processes.first_to_report("a failure of the machine")
        raise
    except Stopped as stop:
        stop.reported = stop.reported or not processes.first
        raise


@dataclass
class _Task:
    """What Hydra runs for each configuration; a launcher may pickle it and run it in a process of its own."""

    command: str
    failures: "Failures"
    folders: list[Path]
    arguments: list[str]
    processes: ProcessGroup

    def __call__(self, cfg: "DictConfig") -> None:
        from hydra.core.hydra_config import HydraConfig

        from benchmark.config.as_typed import as_typed
        from benchmark.config.home import expand_homes
        from benchmark.config.overrides import parse
        from benchmark.distributed.termination import stoppable

        if self.failures.elsewhere:
            # Make up for what `launch` did in the process that started the sweep; Hydra brings its resolvers itself.
            for folder in self.folders:
                add_folder(folder)
            sys.argv = self.arguments
            self.processes = join()
        if self.failures.sweep:
            print("==", " ".join(HydraConfig.get().overrides.task), flush=True)
        # A job of submitit needs this too: it ignores SIGTERM, and would run until its time is over.
        given = [parse(text) for text in HydraConfig.get().overrides.task]
        with self.failures.collected(), as_typed(given), stoppable(watch_parent=are_many()):
            _quiet()
            expand_homes(cfg)
            self._run(cfg)

    def _run(self, cfg: "DictConfig") -> None:
        """Run the command in this process, or start as many as the trainer needs."""
        from hydra.core.hydra_config import HydraConfig
        from omegaconf import DictConfig, OmegaConf

        from benchmark.cli.context import run_folder
        from benchmark.cli.owner import owned, remove_lock_left_behind
        from benchmark.config.overrides import assignment, parse
        from benchmark.distributed.launcher import missing_processes, start_processes

        folder = run_folder(cfg)
        trainer: Any = OmegaConf.to_container(cfg.trainer) if isinstance(cfg.get("trainer"), DictConfig) else {}
        try:
            if missing := missing_processes(trainer, self.processes):
                overrides = [text for text in HydraConfig.get().overrides.task if parse(text).key != "run.dir"]
                further = [f"--config-dir={folder}" for folder in self.folders]
                try:
                    start_processes(missing, [self.command, *overrides, assignment("run.dir", folder), *further])
                finally:
                    remove_lock_left_behind(folder)
            else:
                with owned(folder, self.command, self.processes):
                    getattr(import_module(f"benchmark.cli.{self.command}"), self.command)(cfg, self.processes)
        finally:
            # Hydra makes the folder of a sweep's run before anything is known to be right.
            if self.processes.first:
                with suppress(OSError):  # it is not empty
                    folder.rmdir()


def _silence() -> None:
    """Keep this process from printing what the first one prints; errors are printed by the process that meets them."""
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # until the process ends
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)


def _quiet() -> None:
    """Keep the libraries' advice and notes about themselves out of the output; warnings about the run stay."""
    import pytorch_lightning  # noqa: F401  # sets its own level when it is imported

    threading.excepthook = _thread_failed
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


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    """Print no traceback for a full disk: TensorBoard's thread also hands its errors to the one that logs."""
    if failed.exc_value is None or machine_error(failed.exc_value) is None:
        threading.__excepthook__(failed)
