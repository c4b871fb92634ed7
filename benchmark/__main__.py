"""python -m benchmark COMMAND ...; imports nothing heavy until a command needs it."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from benchmark import __version__
from benchmark.errors import InputError, RankError, Terminated, ToldError, ToldInterrupt, did_you_mean

COMMANDS = {
    "run": "train a victim (or take victim.ckpt), attack the test images, show the result",
    "train": "train a victim",
    "attack": "attack with a trained victim (victim.ckpt=PATH, or victim=python)",
    "transfer": "what the adversarial images of finished runs do to other victims",
    "list": "attacks, victims, data sets, targets and experiments, one line each",
}

_CONFIGURED = """\
configuration (Hydra): KEY=VALUE sets a key, GROUP=NAME chooses a file of conf/GROUP; `list` shows the names
  data=isic2018 data.root=PATH data.size=128        what is segmented
  victim=deeplabv3plus victim.encoder=resnet34      which network; victim.ckpt=PATH takes a trained one
  attack=asma attacks.asma.rule.tau=1e-5            which attack and its parameters
  defence=[jpeg,median]                             input transforms the files are also shown through
  trainer.max_epochs=60 engine.slots=16             how long, how many images at once
  trainer=ddp sharding=dynamic                      all GPUs of this machine; docs/cluster.md has more
  run.resume=FOLDER                                 go on with a run that has not ended
  logger=wandb seed=1 run.name=mine                 where it is told, and what it is called
sweeps: -m victim=unet,fpn seed=1,2,3               one run per combination

examples
  python -m benchmark run
  python -m benchmark run data=isic2018 data.root=PATH victim=unet attack=asma
  python -m benchmark attack data=folder data.root=PATH victim.ckpt=runs/.../checkpoints/best.ckpt
"""

_TRANSFER = """\
The data have to be those of the run, and the victims have to tell its classes apart. A run's own model is judged too
if its checkpoint is found; its numbers have to be those of the run. Written are rows, transfer.parquet, and what is
computed from them, summary.json and transfer.md.

example
  python -m benchmark transfer runs/unet/... runs/fpn/... --victims runs/pspnet/.../checkpoints/best.ckpt
"""


class _Parser(argparse.ArgumentParser):
    """argparse that raises, and takes no option by its first letters, so that the nearest can be suggested."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see `{self.prog} --help`")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 1 for a failure, 2 for bad input, 130 for Ctrl-C, 143 for TERM."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _dispatch(arguments)
    except InputError as error:
        if not isinstance(error, ToldError):
            print(f"error: {error}", file=sys.stderr)
        return 2
    except RankError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as error:
        if not isinstance(error, ToldInterrupt):
            print(f"interrupted: {error}" if str(error) else "interrupted", file=sys.stderr)
        return 130
    except Terminated as error:
        if not error.told:
            print("terminated: nothing had been finished", file=sys.stderr)
        return Terminated.STATUS
    except BrokenPipeError:
        # The reader of a pipe such as `| head` has gone; keep Python from complaining when it flushes at exit.
        sys.stdout = None
        return 0


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0].startswith("-"):
        return _top_level(arguments)
    command, rest = arguments[0], arguments[1:]
    if command not in COMMANDS:
        raise InputError(
            f"unknown command {command!r}{did_you_mean(command, COMMANDS)}; see python -m benchmark --help"
        )
    if command == "list":
        from benchmark.commands.list import list_names

        options = _parse(_list_parser(), rest)
        return list_names(options.group, options.config_dir)
    if command == "transfer":
        from benchmark.commands.transfer import transfer

        options = _parse(_transfer_parser(), rest)
        return transfer(options.runs, options.victims, options.out)
    options = _parse(_configured_parser(command), rest)
    from benchmark.commands.launch import launch

    shown = {"multirun": options.multirun, "show_config": options.show_config}
    return launch(command, options.overrides, **shown, config_dir=options.config_dir)


def _top_level(arguments: list[str]) -> int:
    listing = "\n".join(f"  {name:10}{what}" for name, what in COMMANDS.items())
    parser = _Parser(
        prog="python -m benchmark",
        usage="python -m benchmark COMMAND [KEY=VALUE ...]",
        description="How easily can a segmentation model be made to paint the wrong mask?",
        epilog=f"commands\n{listing}\n\n{_CONFIGURED}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    _parse(parser, arguments)
    parser.print_help()
    return 2


def _configured_parser(command: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=f"python -m benchmark {command}",
        description=COMMANDS[command],
        epilog=_CONFIGURED,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="configuration, see below")
    parser.add_argument("-m", "--multirun", action="store_true", help="one run for every combination of listed values")
    parser.add_argument("--show-config", action="store_true", help="print the resulting configuration and stop")
    _add_config_dir(parser)
    return parser


def _transfer_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m benchmark transfer",
        usage="python -m benchmark transfer RUN [RUN ...] --victims CKPT [CKPT ...] [--out FOLDER]",
        description="Show the saved adversarial images of finished runs to other victims, beside noise of the same\n"
        "norm and the clean images: rows, and for each attack a matrix of models attacked and models judged.",
        epilog=_TRANSFER,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run that has attacked images")
    parser.add_argument(
        "--victims", nargs="+", required=True, metavar="CKPT", help="checkpoints of the models to judge"
    )
    parser.add_argument("--out", metavar="FOLDER", help="new or empty; by default runs/transfer/<time>_<token>")
    return parser


def _list_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m benchmark list", description=COMMANDS["list"])
    parser.add_argument("group", nargs="?", help="only this group, such as attack or victim")
    _add_config_dir(parser)
    return parser


def _add_config_dir(parser: argparse.ArgumentParser) -> None:
    what = "a folder with files of your own: attack/NAME.yaml and so on, and the Python modules they name"
    parser.add_argument("--config-dir", type=Path, metavar="DIR", help=what)


def _parse(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    options, unknown = parser.parse_known_intermixed_args(arguments)
    if unknown:
        known = [string for action in parser._actions for string in action.option_strings]
        raise InputError(f"unknown option {unknown[0]}{did_you_mean(unknown[0], known)}; see `{parser.prog} --help`")
    return options


if __name__ == "__main__":
    sys.exit(main())
