"""The parser of command lines and the list of commands; imports nothing heavy, so that help appears at once."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from benchmark.config.home import expand_home
from benchmark.errors import InputError, did_you_mean, first_line, printable

COMMANDS = (
    *("run", "train", "attack", "transfer", "league", "report", "export", "convert"),
    *("dashboard", "data", "verify", "victims", "bench", "list"),
)
"""What can follow `python -m benchmark`, in the order of the help. Each is a module of `benchmark.cli`; those that do
not run a configuration define COMMAND and import nothing heavy before it runs."""


class Parser(argparse.ArgumentParser):
    """argparse that raises, and takes no option by its first letters, so that the nearest can be suggested."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **settings)

    def add_argument(self, *names: Any, **settings: Any) -> argparse.Action:
        """As argparse's; in arguments of type Path `~` is the home folder."""
        if settings.get("type") is Path:
            settings["type"] = path_argument
        return super().add_argument(*names, **settings)

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
        """Add --config-dir, for commands that choose from the configuration's groups; `main` handles it for them."""
        what = "a folder with files of your own: attack/NAME.yaml and so on, and the Python modules they name"
        self.add_argument("--config-dir", type=Path, action="append", default=[], metavar="DIR", help=what)


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command and its help.

    Attributes:
        text: the help, usually the docstring of the command's module. Its first paragraph stands in the list of
            commands and above the options, the rest below them.
        run: takes the options as keyword arguments and returns the exit status.
        add_arguments: adds the options to a parser.
    """

    text: str | None
    run: Callable[..., int]
    add_arguments: Callable[[Parser], None]

    @property
    def summary(self) -> str:
        """The first paragraph of the help."""
        return (self.text or "").partition("\n\n")[0]

    def parser(self, name: str) -> Parser:
        """Of what follows the command, which is called `name`."""
        epilog = (self.text or "").partition("\n\n")[2]
        parser = Parser(prog=f"python -m benchmark {name}", description=self.summary, epilog=epilog)
        self.add_arguments(parser)
        return parser


def path_text(text: str) -> str:
    """The type of arguments that are paths and go into a configuration, as text."""
    try:
        return expand_home(text)
    except InputError as error:  # argparse would replace the message
        raise argparse.ArgumentTypeError(str(error)) from error


def path_argument(text: str) -> Path:
    """The type of arguments that are paths."""
    return Path(path_text(text))


def whole_number(text: str) -> int:
    """The type of arguments that count something: an integer of at least 1."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} must be at least 1")
    return int(text)


def check_target(option: str, file: Path) -> None:
    """Raise InputError if the file that an option names cannot be written."""
    if file.is_dir() or not file.resolve().parent.is_dir():
        raise InputError(f"{option} {file}: must be a file in a folder that exists; give another")


@contextmanager
def reading(*paths: object) -> Iterator[None]:
    """Turn what values of files can cause, where each alone is one that a run may write, into one line of bad input."""
    kinds = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError, MemoryError)
    try:
        yield
    except (InputError, BrokenPipeError):
        raise
    except kinds as error:
        where = ", ".join(map(str, paths))
        what = f"holds values that do not fit together ({first_line(error)})"
        raise InputError(f"{where}: {what}; restore what the run wrote") from error


def say(*lines: object, error: bool = False) -> None:
    """Print lines, at once, on the standard output or (`error`) on standard error.

    Commands print with this and with nothing else: text that a file holds cannot steer the terminal.
    """
    text = "".join(f"{printable(line)}\n" for line in lines)
    print(text, end="", file=sys.stderr if error else sys.stdout, flush=True)


def progress_bar(what: str, total: int, unit: str) -> Any:
    """A bar on standard error, to be updated by hand; without a terminal, where each refresh is a line, it is slow."""
    from tqdm import tqdm

    interval = 0.2 if sys.stderr.isatty() else 10
    return tqdm(total=total, desc=what, unit=unit, mininterval=interval, dynamic_ncols=True)


def command_line() -> list[str]:
    """What the user has typed after `python -m benchmark`."""
    return sys.argv[1:]
