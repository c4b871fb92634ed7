"""From a command line to configured runs, through Hydra; everything that is wrong with the input becomes one line."""

import logging
import os
import re
import shutil
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.commands.conf import add_folder, conf_folder, groups, names
from benchmark.commands.resolvers import register_resolvers
from benchmark.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from benchmark.commands.failures import Failures


def launch(
    command: str, overrides: Sequence[str], *, multirun: bool, show_config: bool, config_dir: Path | None = None
) -> int:
    """Compose the configuration and hand it to the command, once or (`multirun`) for every combination.

    `config_dir` is a folder of further groups and of the Python files they name, see `conf.add_folder`.
    """
    if config_dir is not None:
        add_folder(config_dir)
    _refuse_unknown(overrides)
    _check_launcher(overrides, multirun)
    import hydra
    from hydra.errors import CompactHydraException
    from omegaconf.errors import OmegaConfBaseException

    from benchmark.commands.failures import Failures, one_line

    register_resolvers()
    # Hydra then raises its errors instead of printing them with its own advice.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    flags = [flag for flag, wanted in (("--multirun", multirun), ("--cfg=job", show_config)) if wanted]
    flags += [] if config_dir is None else [f"--config-dir={config_dir.resolve()}"]

    failures = Failures(sweep=multirun)
    # conf/trainer names a few of the Trainer's arguments; all others can be given just like them.
    given = [f"++{override}" if override.startswith("trainer.") else override for override in overrides]
    before, sys.argv = sys.argv, [f"benchmark {command}", *given, *flags]
    task = _Task(command, failures, config_dir, sys.argv)
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

    def __init__(self, command: str, failures: "Failures", config_dir: Path | None, arguments: list[str]) -> None:
        self._command, self._failures = command, failures
        self._config_dir = None if config_dir is None else config_dir.resolve()
        self._arguments = arguments

    def __call__(self, cfg: "DictConfig") -> None:
        from hydra.core.hydra_config import HydraConfig

        if self._failures.elsewhere:
            self._settle_in()
        _quiet()
        if self._failures.sweep:
            print("==", " ".join(HydraConfig.get().overrides.task), flush=True)
        with self._failures.collected():
            _task(self._command)(cfg)

    def _settle_in(self) -> None:
        """Make up for what `launch` did in the process that started the sweep; Hydra brings its resolvers itself."""
        if self._config_dir is not None:
            add_folder(self._config_dir)
        sys.argv = self._arguments
        # submitit ignores it, so that nothing would end a job before its time.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _quiet() -> None:
    """Keep the libraries' advice and notes about themselves out of the output; warnings about the run stay."""
    import pytorch_lightning  # noqa: F401  # sets its own level when it is imported

    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for message in (
        r"Experiment logs directory .* exists and is not empty",  # it is the run's own folder
        r".*isinstance\(treespec, LeafSpec\)",
        r".*does not have many workers",
        r"The number of training batches .* is smaller than the logging interval",
        r"GPU available but not used",
        r"The `srun` command is available on your system but is not used",  # a login node may train too
    ):
        warnings.filterwarnings("ignore", message=message)


def _task(command: str) -> Callable[..., None]:
    from benchmark.commands import attack, run, train

    return {"run": run.run, "train": train.train, "attack": attack.attack}[command]


def _check_launcher(overrides: Sequence[str], multirun: bool) -> None:
    """Raise InputError if the runs cannot go where hydra/launcher=NAME sends them; Hydra says it with a traceback."""
    chosen = [override for override in overrides if override.startswith("hydra/launcher=")]
    if not chosen:
        return
    if not multirun:
        raise InputError(f"{chosen[-1]}: says where the runs of a sweep go; give -m too")
    if chosen[-1] == "hydra/launcher=slurm":
        if find_spec("submitit") is None:
            raise InputError(f"{chosen[-1]}: needs hydra-submitit-launcher; pip install hydra-submitit-launcher")
        if shutil.which("srun") is None:
            raise InputError(f"{chosen[-1]}: there is no srun here; start the sweep where jobs can be submitted")


def _refuse_unknown(overrides: Sequence[str]) -> None:
    """Name the nearest of what exists for a mistyped GROUP=NAME; Hydra's own messages do not."""
    for override in overrides:
        key, separator, value = override.partition("=")
        if not separator and not override.startswith("~"):
            raise InputError(f"{override!r} is not KEY=VALUE; write e.g. seed=1, see --help")
        if not key:
            raise InputError(f"{override!r} has no key; write e.g. seed=1, see --help")
        if key not in groups() or value.startswith("$"):
            continue
        if value in ("", "null"):
            raise InputError(f"{override}: names no {key}; {key} is one of {', '.join(names(key))}")
        for name in re.findall(r"[\w.-]+", value):
            if name not in names(key):
                near = did_you_mean(name, names(key))
                raise InputError(
                    f"{override}: there is no {key} {name!r}{near}; {key} is one of {', '.join(names(key))}"
                )
