"""List attacks, victims, data sets, targets and experiments, one line each."""

from benchmark.cli.parsers import Command, Parser, say
from benchmark.config.groups import groups, headline, names
from benchmark.errors import InputError, did_you_mean

_FIRST = ("attack", "victim", "data", "target", "experiment")


def list_names(group: str | None = None) -> int:
    """Print each name of a group, or of all, with the first comment of its file."""
    if group is not None and group not in groups():
        raise InputError(f"unknown group {group!r}{did_you_mean(group, groups())}; groups are {', '.join(groups())}")
    ordered = sorted(groups(), key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name))
    for shown in [group] if group else ordered:
        say(f"{shown}=")
        for name, path in names(shown).items():
            say(f"  {name:24}{headline(path)}")
    return 0


def _add_arguments(parser: Parser) -> None:
    parser.add_argument("group", nargs="?", help="only this group, such as attack or victim")
    parser.add_config_dir()


COMMAND = Command(text=__doc__, run=list_names, add_arguments=_add_arguments)
