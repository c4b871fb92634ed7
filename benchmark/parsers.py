"""What each command takes on its command line; imports nothing heavy, so that help is there at once."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from benchmark import __version__
from benchmark.errors import InputError, did_you_mean

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


_VERIFY = """\
One line for each difference, then one for each run. Columns of the float32 result, which no file has, and of what it
cost are held against bounds that the files, the traces and each other imply. Pixels where two classes tie within
float32 rounding may be either. Runs that are not finished are checked as far as they are.

exit status: 0 all as recorded, 1 something differs, 2 a run that cannot be checked; of several runs the worst

example
  python -m benchmark verify runs/unet/... --data-root PATH
"""


class Parser(argparse.ArgumentParser):
    """argparse that raises, and takes no option by its first letters, so that the nearest can be suggested."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **settings)

    def error(self, message: str) -> NoReturn:
        """Raise InputError."""
        raise InputError(f"{message}; see `{self.prog} --help`")


class Command(NamedTuple):
    """`what` it does in a few words; `function`, MODULE:NAME, is called with the options that `add` adds."""

    what: str
    function: str
    add: Callable[[Parser], None]
    usage: str | None = None
    description: str | None = None
    epilog: str | None = None


def top_parser() -> Parser:
    """Of the command line without a command."""
    listing = "\n".join(f"  {name:10}{command.what}" for name, command in COMMANDS.items())
    parser = Parser(
        prog="python -m benchmark",
        usage="python -m benchmark COMMAND [KEY=VALUE ...]",
        description="How easily can a segmentation model be made to paint the wrong mask?",
        epilog=f"commands\n{listing}\n\n{_CONFIGURED}",
    )
    parser.add_argument("--version", action="version", version=__version__)
    return parser


def command_parser(name: str) -> Parser:
    """Of what follows the command `name`, one of `COMMANDS`."""
    command, prog = COMMANDS[name], f"python -m benchmark {name}"
    parser = Parser(
        prog=prog,
        usage=None if command.usage is None else f"{prog} {command.usage}",
        description=command.description or command.what,
        epilog=command.epilog,
    )
    command.add(parser)
    return parser


def parse(parser: Parser, arguments: Sequence[str]) -> argparse.Namespace:
    """The options; raises InputError for what the parser does not know, and SystemExit after help."""
    options, unknown = parser.parse_known_intermixed_args(list(arguments))
    if unknown:
        known = [string for action in parser._actions for string in action.option_strings]
        raise InputError(f"unknown option {unknown[0]}{did_you_mean(unknown[0], known)}; see `{parser.prog} --help`")
    return options


def _add_configured(name: str, parser: Parser) -> None:
    parser.set_defaults(command=name)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="configuration, see below")
    parser.add_argument("-m", "--multirun", action="store_true", help="one run for every combination of listed values")
    parser.add_argument("--show-config", action="store_true", help="print the resulting configuration and stop")
    _add_config_dir(parser)


def _add_transfer(parser: Parser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run that has attacked images")
    parser.add_argument(
        "--victims", nargs="+", required=True, metavar="CKPT", help="checkpoints of the models to judge"
    )
    parser.add_argument("--out", metavar="FOLDER", help="new or empty; by default runs/transfer/<time>_<token>")


def _add_verify(parser: Parser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run that has attacked images")
    parser.add_argument("--ckpt", metavar="PATH", help="the checkpoint that was attacked, if it is elsewhere now")
    parser.add_argument("--data-root", metavar="PATH", help="where the data are now, in place of data.root")
    parser.add_argument("--factory", metavar="MODULE:FUNCTION", help="makes the network, if it is one of your own")


def _add_list(parser: Parser) -> None:
    parser.add_argument("group", nargs="?", help="only this group, such as attack or victim")
    _add_config_dir(parser)


def _add_config_dir(parser: Parser) -> None:
    what = "a folder with files of your own: attack/NAME.yaml and so on, and the Python modules they name"
    parser.add_argument("--config-dir", type=Path, metavar="DIR", help=what)


def _configured(name: str, what: str) -> Command:
    return Command(what, "benchmark.commands.launch:launch", lambda p: _add_configured(name, p), epilog=_CONFIGURED)


COMMANDS = {
    "run": _configured("run", "train a victim (or take victim.ckpt), attack the test images, show the result"),
    "train": _configured("train", "train a victim"),
    "attack": _configured("attack", "attack with a trained victim (victim.ckpt=PATH, or victim=python)"),
    "transfer": Command(
        "what the adversarial images of finished runs do to other victims",
        "benchmark.commands.transfer:transfer",
        _add_transfer,
        usage="RUN [RUN ...] --victims CKPT [CKPT ...] [--out FOLDER]",
        description="Show the saved adversarial images of finished runs to other victims, beside noise of the same\n"
        "norm and the clean images: rows, and for each attack a matrix of models attacked and models judged.",
        epilog=_TRANSFER,
    ),
    "verify": Command(
        "whether a run's numbers can be made again from its saved files",
        "benchmark.commands.verify:verify",
        _add_verify,
        usage="RUN [RUN ...] [--ckpt PATH] [--data-root PATH] [--factory MODULE:FUNCTION]",
        description="Load the checkpoint, the clean images and the saved adversarial files of runs, predict\n"
        "again and compare every column that can be made again, hashes, splits and the summary with what the runs say.",
        epilog=_VERIFY,
    ),
    "list": Command(
        "attacks, victims, data sets, targets and experiments, one line each",
        "benchmark.commands.list:list_names",
        _add_list,
    ),
}
"""What can follow `python -m benchmark`, in the order of the help."""
