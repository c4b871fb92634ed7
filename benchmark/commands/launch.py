"""From a command line to configured runs, through Hydra; everything that is wrong with the input becomes one line."""

import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmark.commands.conf import add_folder, conf_folder, groups, names
from benchmark.commands.resolvers import register_resolvers
from benchmark.errors import InputError, did_you_mean


def launch(
    command: str, overrides: Sequence[str], *, multirun: bool, show_config: bool, config_dir: Path | None = None
) -> int:
    """Compose the configuration and hand it to the command, once or (`multirun`) for every combination.

    `config_dir` is a folder of further groups and of the Python files they name, see `conf.add_folder`.
    """
    if config_dir is not None:
        add_folder(config_dir)
    _refuse_unknown(overrides)
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import CompactHydraException
    from omegaconf import DictConfig
    from omegaconf.errors import OmegaConfBaseException

    from benchmark.commands.failures import Failures, one_line

    register_resolvers()
    # Hydra then raises its errors instead of printing them with its own advice.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    flags = [flag for flag, wanted in (("--multirun", multirun), ("--cfg=job", show_config)) if wanted]
    flags += [] if config_dir is None else [f"--config-dir={config_dir.resolve()}"]

    @hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="config")
    def task(cfg: DictConfig) -> None:
        _quiet()
        if multirun:
            print("==", " ".join(HydraConfig.get().overrides.task), flush=True)
        with failures.collected():
            _task(command)(cfg)

    failures = Failures(sweep=multirun)
    # conf/trainer names a few of the Trainer's arguments; all others can be given just like them.
    given = [f"++{override}" if override.startswith("trainer.") else override for override in overrides]
    before, sys.argv = sys.argv, [f"benchmark {command}", *given, *flags]
    try:
        task()
    except (CompactHydraException, OmegaConfBaseException) as error:
        raise InputError(one_line(error)) from error
    except OSError as error:
        raise InputError(f"the run's folder cannot be made ({error}); give another run.dir") from error
    finally:
        sys.argv = before
    return failures.status()


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
    ):
        warnings.filterwarnings("ignore", message=message)


def _task(command: str) -> Callable[..., None]:
    from benchmark.commands import attack, run, train

    return {"run": run.run, "train": train.train, "attack": attack.attack}[command]


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
