"""How command lines are read, and which commands there are; imports nothing heavy, so that help is there at once."""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from benchmark.errors import InputError, did_you_mean

COMMANDS = (
    *("run", "train", "attack", "transfer", "report", "export", "convert"),
    *("dashboard", "data", "verify", "victims", "bench", "list"),
)
"""What can follow `python -m benchmark`, in the order of the help. Each is a module of `benchmark.cli` that defines
COMMAND and imports nothing heavy before the command runs."""


class Parser(argparse.ArgumentParser):
    """argparse that raises, and takes no option by its first letters, so that the nearest can be suggested."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **settings)

    def error(self, message: str) -> NoReturn:
        """Raise InputError."""
        raise InputError(f"{message}; see `{self.prog} --help`")

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """The options; raises InputError for what the parser does not know, and SystemExit after help."""
        options, unknown = self.parse_known_intermixed_args(list(arguments))
        if unknown:
            known = [string for action in self._actions for string in action.option_strings]
            raise InputError(f"unknown option {unknown[0]}{did_you_mean(unknown[0], known)}; see `{self.prog} --help`")
        return options

    def add_config_dir(self) -> None:
        """Add --config-dir, for commands that choose from the configuration's groups."""
        what = "a folder with files of your own: attack/NAME.yaml and so on, and the Python modules they name"
        self.add_argument("--config-dir", type=Path, metavar="DIR", help=what)


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command and its help.

    Attributes:
        what: the command in a few words.
        run: is called with the options as keyword arguments and returns the exit status.
        add_arguments: adds the options to a parser.
        usage: what follows the command's name; None: as argparse composes it.
        description: of the help; None: `what`.
        epilog: the last part of the help: further explanation and examples.
    """

    what: str
    run: Callable[..., int]
    add_arguments: Callable[[Parser], None]
    usage: str | None = None
    description: str | None = None
    epilog: str | None = None

    def parser(self, name: str) -> Parser:
        """Of what follows the command, which is called `name`."""
        prog = f"python -m benchmark {name}"
        parser = Parser(
            prog=prog,
            usage=None if self.usage is None else f"{prog} {self.usage}",
            description=self.description or self.what,
            epilog=self.epilog,
        )
        self.add_arguments(parser)
        return parser


def command_line() -> list[str]:
    """What the user has typed after `python -m benchmark`."""
    return sys.argv[1:]


def find_command(name: str) -> Command:
    """The command of this name. Raises InputError if there is none."""
    if name not in COMMANDS:
        raise InputError(f"unknown command {name!r}{did_you_mean(name, COMMANDS)}; see python -m benchmark --help")
    return import_module(f"benchmark.cli.{name}").COMMAND
