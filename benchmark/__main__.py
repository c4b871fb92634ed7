"""python -m benchmark COMMAND ...; imports nothing heavy until a command needs it."""

import sys
from collections.abc import Sequence
from importlib import import_module

from benchmark.cli.parsers import COMMANDS, command_parser, parse, top_parser
from benchmark.distributed.process_group import are_many
from benchmark.distributed.termination import stoppable
from benchmark.errors import InputError, ProcessError, ReportedError, Stopped, did_you_mean


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 1 for a failure, 2 for bad input, 130 for Ctrl-C, 143 for TERM."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with stoppable(watch_parent=are_many()):
            return _dispatch(arguments)
    except InputError as error:
        if not isinstance(error, ReportedError):
            print(f"error: {error}", file=sys.stderr)
        return 2
    except ProcessError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except Stopped as stop:
        if not stop.reported:
            print(stop, file=sys.stderr)
        return stop.status
    except BrokenPipeError:
        # The reader of a pipe such as `| head` has gone; keep Python from complaining when it flushes at exit.
        sys.stdout = None
        return 0


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0].startswith("-"):
        parser = top_parser()
        parse(parser, arguments)
        parser.print_help()
        return 2
    name, rest = arguments[0], arguments[1:]
    if name not in COMMANDS:
        raise InputError(f"unknown command {name!r}{did_you_mean(name, COMMANDS)}; see python -m benchmark --help")
    options = vars(parse(command_parser(name), rest))
    module, _, function = COMMANDS[name].function.partition(":")
    return getattr(import_module(module), function)(**options)


if __name__ == "__main__":
    sys.exit(main())
