"""From a command line to configured runs, through Hydra; everything that is wrong with the input becomes one line."""

import logging
import os
import re
import secrets
import sys
import warnings
from collections.abc import Callable, Sequence

from benchmark.commands.conf import conf_folder, groups, names
from benchmark.errors import InputError, did_you_mean


def launch(command: str, overrides: Sequence[str], *, multirun: bool, show_config: bool) -> int:
    """Compose the configuration and hand it to the command, once or (`multirun`) for every combination."""
    _refuse_unknown(overrides)
    import hydra
    from hydra.errors import CompactHydraException
    from omegaconf import DictConfig, OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    OmegaConf.register_new_resolver("nonce", lambda: secrets.token_hex(2), use_cache=True, replace=True)
    # Hydra then raises its errors instead of printing them with its own advice.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    flags = [flag for flag, wanted in (("--multirun", multirun), ("--cfg=job", show_config)) if wanted]

    @hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="config")
    def task(cfg: DictConfig) -> None:
        _quiet()
        _task(command)(cfg)

    before, sys.argv = sys.argv, [f"benchmark {command}", *overrides, *flags]
    try:
        task()
    except (CompactHydraException, OmegaConfBaseException) as error:
        raise InputError(_one_line(error)) from error
    finally:
        sys.argv = before
    return 0


def _quiet() -> None:
    """Keep the libraries' advice and notes about themselves out of the output; warnings about the run stay."""
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
        if key not in groups() or value.startswith("$"):
            continue
        for name in re.findall(r"[\w.-]+", value):
            if name not in names(key) and name != "null":
                near = did_you_mean(name, names(key))
                raise InputError(
                    f"{override}: there is no {key} {name!r}{near}; {key} is one of {', '.join(names(key))}"
                )


def _one_line(error: Exception) -> str:
    """Hydra's and OmegaConf's messages with their cause, on one line, and the nearest key for an unknown one."""
    text = " ".join(str(error).split("\nfull_key")[0].split())
    unknown = re.search(r"Could not override '([^']+)'", text) or re.search(r"Key '([^']+)' is not in struct", text)
    if unknown:
        key = unknown.group(1)
        return f"unknown key {key!r}{did_you_mean(key, _known_keys())}; see --show-config for all keys"
    missing = re.search(r"Missing mandatory value: (\S+)", text)
    if missing:
        return f"{missing.group(1)} is missing; give {missing.group(1)}=VALUE"
    return text


def _known_keys() -> list[str]:
    """All keys of the default configuration and of every file of its groups."""
    from omegaconf import DictConfig, OmegaConf

    def walk(prefix: str, node: object) -> list[str]:
        if not isinstance(node, DictConfig):
            return []
        found = []
        for key in node:
            found += [prefix + str(key), *walk(f"{prefix}{key!s}.", node._get_node(key))]
        return found

    keys = [*groups(), *walk("", OmegaConf.load(conf_folder() / "config.yaml"))]
    for group in groups():
        for name, path in {**names(group), "_base": conf_folder() / group / "_base.yaml"}.items():
            if path.exists():
                prefix = {"attack": f"attacks.{name}.", "logger": f"loggers.{name}."}.get(group, f"{group}.")
                keys += walk(prefix, OmegaConf.load(path))
    return [key for key in keys if "defaults" not in key]
