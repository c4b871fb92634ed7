"""One way from overrides to a configuration, for commands that run it and for those that only read it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import CompactHydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from benchmark.config.failures import one_line
from benchmark.config.groups import add_folder, conf_folder, groups, names
from benchmark.config.overrides import Override, parse_all, quoted
from benchmark.config.resolvers import make_stamp, register_resolvers
from benchmark.config.schema import check_config
from benchmark.errors import InputError, did_you_mean


def compose(overrides: Sequence[str], config_dir: Path | None = None) -> DictConfig:
    """The configuration that overrides of `conf/config.yaml` give.

    Args:
        overrides: KEY=VALUE and GROUP=NAME.
        config_dir: a folder of further groups and of the Python modules they name, see `groups.add_folder`.

    Raises:
        InputError: an override that cannot be read, a key or a name that is not there, a value that `check_config`
            refuses.
    """
    if config_dir is not None:
        add_folder(config_dir)
    register_resolvers(make_stamp())
    arguments = hydra_arguments(parse_all(overrides), config_dir)
    GlobalHydra.instance().clear()
    with one_line_errors(), hydra.initialize_config_dir(str(conf_folder()), version_base="1.3"):
        cfg = hydra.compose("config", arguments)
        config: Any = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    check_config(config)
    return cfg


def hydra_arguments(overrides: Sequence[Override], config_dir: Path | None) -> list[str]:
    """The overrides as Hydra is given them. Raises InputError, with the nearest, for a name that a group lacks."""
    for override in overrides:
        _check_choices(override)
    arguments = [_with_new_keys(override) for override in overrides]
    if config_dir is not None:
        arguments.append(f"hydra.searchpath=[{quoted(f'file://{config_dir.resolve()}')}]")
    return arguments


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn what Hydra and OmegaConf raise into an InputError of one line."""
    try:
        yield
    except (CompactHydraException, OmegaConfBaseException) as error:
        raise InputError(one_line(error)) from error


def _with_new_keys(override: Override) -> str:
    # conf/trainer names a few of the Trainer's arguments; all others can be given just like them.
    changes = override.key.startswith("trainer.") and not (override.append or override.delete)
    return f"++{override.text}" if changes else override.text


def _check_choices(override: Override) -> None:
    group = override.group
    if group not in groups() or override.delete:
        return
    known = names(group)
    if override.value in ("", None):
        raise InputError(f"{override.text}: names no {group}; {group} is one of {', '.join(known)}")
    for name in override.choices:
        if name in known or name.startswith("${"):
            continue
        if group == "defence" and name in names("adversarial_training"):
            raise InputError(
                f"{override.text}: a victim is trained against attacks by adversarial_training={name}; defence= "
                "names input transforms that the adversarial images are also put through"
            )
        near = did_you_mean(name, known)
        raise InputError(f"{override.text}: there is no {group} {name!r}{near}; {group} is one of {', '.join(known)}")
