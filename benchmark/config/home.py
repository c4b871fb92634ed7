"""The one place that expands `~`: for paths on the command line, and for those in a configuration."""

import os
import re
from typing import Any

from benchmark.errors import InputError

_HOME = re.compile(r"~([^/~]*)(/.*)?", re.DOTALL)


def expand_home(text: str) -> str:
    """`~/x` and `~user/x` with the home folder; any other text as it is.

    Raises InputError for a path in the home of somebody who is not there: a folder of that name would be made.
    """
    match = _HOME.fullmatch(text)
    if match is None:
        return text
    expanded = os.path.expanduser(text)
    if expanded == text:
        if match[2] is None and match[1]:
            return text  # a word such as ~draft, which is no path
        raise InputError(f"{text}: there is no home of {match[1] or 'this user'}; write the path out, or ./{text}")
    return expanded


def expand_homes(section: Any) -> None:
    """Expand `~` in every text of a configuration (an OmegaConf node) and of its sections, in place."""
    from omegaconf import DictConfig, ListConfig, OmegaConf

    if isinstance(section, DictConfig | ListConfig) and not (section._is_none() or section._is_missing()):
        plain: Any = OmegaConf.to_container(section, resolve=False)
        for key, value in plain.items() if isinstance(plain, dict) else enumerate(plain):
            if isinstance(value, str) and value.startswith("~") and (expanded := expand_home(value)) != value:
                section[key] = expanded
            elif isinstance(value, dict | list):
                expand_homes(section._get_node(key))
