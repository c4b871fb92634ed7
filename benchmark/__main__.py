"""python -m benchmark COMMAND ...; imports nothing heavy until a command needs it."""

import sys
from collections.abc import Sequence

from benchmark import __version__
from benchmark.cli.launch import CONFIGURATION_HELP, find_command
from benchmark.cli.parsers import COMMANDS, Parser, command_line
from benchmark.config.groups import add_folder
from benchmark.distributed.process_group import are_many
from benchmark.distributed.termination import end_process, stoppable
from benchmark.errors import InputError, ProcessError, ReportedError, Stopped, machine_error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 1 for a failure, 2 for bad input, 130 for Ctrl-C, 143 for TERM."""
    arguments = command_line() if arguments is None else list(arguments)
    try:
        with stoppable(watch_parent=are_many()):
            status = _dispatch(arguments)
            sys.stdout.flush()
            return status
    except Stopped as stop:
        if not stop.reported:
            print(stop, file=sys.stderr)
        return stop.status
    except BrokenPipeError:
        # The reader of a pipe such as `| head` has gone; keep Python from complaining when it flushes at exit.
        sys.stdout = None
        return 0
    except Exception as error:
        error = machine_error(error) or error
        if not isinstance(error, InputError | ProcessError):
            raise
        if not isinstance(error, ReportedError) and not getattr(error, "reported", False):
            print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1


def _dispatch(arguments: list[str]) -> int:
    if arguments and not arguments[0].startswith("-"):
        name, *rest = arguments
        command = find_command(name)
        options = vars(command.parser(name).parse(rest))
        for folder in options.pop("config_dir", []):
            add_folder(folder)
        return command.run(**options)
    listing = "\n".join(f"  {name:10}{find_command(name).summary}" for name in COMMANDS)
    parser = Parser(
        prog="python -m benchmark",
        usage="python -m benchmark COMMAND [KEY=VALUE ...]",
        description="How easily can a segmentation model be made to paint the wrong mask?",
        epilog=f"commands\n{listing}\n\n{CONFIGURATION_HELP}",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.parse(arguments)  # ends here after --help and --version
    parser.print_help()
    return 2


if __name__ == "__main__":
    status = main()
    if status in (Stopped.INTERRUPTED, Stopped.TERMINATED):
        end_process(status)
    sys.exit(status)
