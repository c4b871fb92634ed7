"""One way from overrides to a configuration, for commands that run it and for those that only read it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import CompactHydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from benchmark.config.as_typed import as_typed
from benchmark.config.failures import one_line
from benchmark.config.groups import conf_folder, further_folders, groups, names
from benchmark.config.home import expand_homes
from benchmark.config.overrides import Override, from_command_line, in_quotes, quoted
from benchmark.config.plain import plain
from benchmark.config.resolvers import make_stamp, register_resolvers
from benchmark.errors import InputError, did_you_mean


def compose(overrides: Iterable[str]) -> DictConfig:
    """The configuration that overrides of `conf/config.yaml` give, KEY=VALUE and GROUP=NAME.

    Raises:
        InputError: an override that cannot be read, a key or a name that is not there, a value that `check_config`
            refuses.
    """
    from benchmark.config.schema import check_config

    register_resolvers(make_stamp())
    given = [from_command_line(text) for text in overrides]
    check_no_sweep(given)
    arguments = hydra_arguments(given)
    GlobalHydra.instance().clear()
    with one_line_errors(), hydra.initialize_config_dir(str(conf_folder()), version_base="1.3"):
        cfg = hydra.compose("config", arguments)
        expand_homes(cfg)
        config = plain(cfg, complete=True)
    with as_typed(given):
        check_config(config)
    return cfg


def check_no_sweep(overrides: Iterable[Override]) -> None:
    """Raise InputError for several values of a key, which without -m are no runs of a sweep."""
    for override in overrides:
        if override.sweep:
            key, _, value = override.text.partition("=")
            remedy = f"for a list write '{key}=[{value}]', for a text {in_quotes(key, value)}"
            raise InputError(f"{override.text}: these are the values of a sweep, which needs -m; {remedy}")


def hydra_arguments(overrides: Iterable[Override]) -> list[str]:
    """The overrides as Hydra is given them. Raises InputError, with the nearest, for a name that a group lacks."""
    arguments = []
    for override in overrides:
        _check_choices(override)
        # conf/trainer names a few of the Trainer's arguments; all others can be given just like them.
        changes = override.key.startswith("trainer.") and not (override.append or override.delete)
        arguments.append(f"++{override.text}" if changes else override.text)
    folders = [quoted(f"file://{folder}") for folder in further_folders()]
    return [*arguments, f"hydra.searchpath=[{','.join(folders)}]"] if folders else arguments


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn what Hydra and OmegaConf raise into an InputError of one line."""
    try:
        yield
    except (CompactHydraException, OmegaConfBaseException) as error:
        raise InputError(one_line(error)) from error


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
            remedy = f"give adversarial_training={name} to train a victim against attacks"
            raise InputError(f"{override.text}: defence= names transforms applied to adversarial images; {remedy}")
        near = did_you_mean(name, known)
        raise InputError(f"{override.text}: there is no {group} {name!r}{near}; {group} is one of {', '.join(known)}")
