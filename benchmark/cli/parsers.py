"""What each command takes on its command line; imports nothing heavy, so that help is there at once."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from benchmark import __version__
from benchmark.cli import help_texts
from benchmark.errors import InputError, did_you_mean


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
        epilog=f"commands\n{listing}\n\n{help_texts.CONFIGURED}",
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


def _add_report(parser: Parser) -> None:
    what = "folder of a run or of transfer, or a card that `export` wrote"
    parser.add_argument("paths", nargs="+", metavar="RUN", help=what)
    parser.add_argument("--out", metavar="FILE", help="by default report.html, in a single run's folder or else here")
    parser.add_argument("--title", metavar="TEXT", help="of the page")


def _add_convert(parser: Parser) -> None:
    parser.add_argument("file", metavar="FILE", help="what torch.save has written of the network, or its state dict")
    parser.add_argument("--out", required=True, metavar="CKPT", help="the checkpoint to write, for victim.ckpt")


def _add_export(parser: Parser) -> None:
    parser.add_argument("run", metavar="RUN", help="folder of a finished run")
    parser.add_argument("--card", required=True, metavar="FILE", help="the JSON file to write")
    parser.add_argument("--attack", metavar="NAME", help="which one, if the run has several")


def _add_dashboard(parser: Parser) -> None:
    what = "folder of a run that has logged to Weights & Biases; by default all below runs/"
    parser.add_argument("runs", nargs="*", metavar="RUN", help=what)
    parser.add_argument("--project", help="by default that of the runs, or of conf/logger/wandb.yaml")
    parser.add_argument("--entity", help="user or team; by default the key's own")
    parser.add_argument("--dry-run", action="store_true", help="write the specification as JSON; needs no network")
    parser.add_argument("--out", metavar="FILE", help="where --dry-run writes; by default to the standard output")


def _add_data(parser: Parser) -> None:
    parser.add_argument("action", metavar="check", help="read everything once and report")
    parser.add_argument("name", metavar="NAME", help="a file of conf/data, see `list data`")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="its keys: root=PATH, or data.root=PATH")
    parser.add_argument("--out", metavar="FOLDER", help="where the report goes; by default data_check_NAME")
    _add_config_dir(parser)


def _add_verify(parser: Parser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run that has attacked images")
    parser.add_argument("--ckpt", metavar="PATH", help="the checkpoint that was attacked, if it is elsewhere now")
    parser.add_argument("--data-root", metavar="PATH", help="where the data are now, in place of data.root")
    parser.add_argument("--factory", metavar="MODULE:FUNCTION", help="makes the network, if it is one of your own")


def _add_victims(parser: Parser) -> None:
    parser.add_argument("action", metavar="export|import", help="to safetensors, or from them")
    parser.add_argument("path", metavar="PATH", help="what to export or import, see below")
    parser.add_argument("target", nargs="?", metavar="TARGET", help="of export: a folder, or FILE.safetensors")
    parser.add_argument("--out", metavar="CKPT", help="of import: the checkpoint to write")
    parser.add_argument("--licence", metavar="TEXT", help="of export: the licence of the weights, for the card")


def _add_bench(parser: Parser) -> None:
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="configuration, as of `run`")
    parser.add_argument("--json", action="store_true", help="print everything as one JSON object")
    parser.add_argument("--steps", type=int, default=30, metavar="N", help="steps of every image (30)")
    what = "how many; by default all slots are filled once or twice"
    parser.add_argument("--images", type=int, metavar="N", help=what)
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="(5)")
    what = "wall, or cpu: processor time, for one thread on a busy machine (wall)"
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help=what)
    what = "how long the attacks take until the judge holds; ASMA as commonly written is stopped by an oracle"
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--until", action="store_true", help=what)
    what = "images per second of training as `train` does it, beside a loop written by hand"
    instead.add_argument("--training", action="store_true", help=what)
    what = "peak memory of attacking N images, for each"
    instead.add_argument("--memory", type=int, nargs="+", metavar="N", help=what)
    _add_config_dir(parser)


def _add_list(parser: Parser) -> None:
    parser.add_argument("group", nargs="?", help="only this group, such as attack or victim")
    _add_config_dir(parser)


def _add_config_dir(parser: Parser) -> None:
    what = "a folder with files of your own: attack/NAME.yaml and so on, and the Python modules they name"
    parser.add_argument("--config-dir", type=Path, metavar="DIR", help=what)


def _configured(name: str, what: str) -> Command:
    return Command(
        what, "benchmark.cli.launch:launch", lambda p: _add_configured(name, p), epilog=help_texts.CONFIGURED
    )


COMMANDS = {
    "run": _configured("run", "train a victim (or take victim.ckpt), attack the test images, show the result"),
    "train": _configured("train", "train a victim"),
    "attack": _configured("attack", "attack with a trained victim (victim.ckpt=PATH, or victim=python)"),
    "transfer": Command(
        "what the adversarial images of finished runs do to other victims",
        "benchmark.cli.transfer:transfer",
        _add_transfer,
        usage="RUN [RUN ...] --victims CKPT [CKPT ...] [--out FOLDER]",
        description="Show the saved adversarial images of finished runs to other victims, beside noise of the same\n"
        "norm and the clean images: rows, and for each attack a matrix of models attacked and models judged.",
        epilog=help_texts.TRANSFER,
    ),
    "report": Command(
        "runs side by side as one page to look at, which opens anywhere",
        "benchmark.cli.report:report",
        _add_report,
        usage="RUN [RUN ...] [--out FILE]",
        epilog=help_texts.REPORT,
    ),
    "export": Command(
        "one result of a run with its provenance, as a card to hand on",
        "benchmark.cli.export:export",
        _add_export,
        usage="RUN --card FILE [--attack NAME]",
        description="Write a card: success, scores, norms and costs of one attack with intervals and curves, and what\n"
        "they were measured on: victim, data, parameters, versions, machine, hashes. `report` takes cards.",
    ),
    "convert": Command(
        "the ASMA authors' released checkpoint as one that victim.ckpt takes",
        "benchmark.cli.convert:convert",
        _add_convert,
        usage="FILE --out CKPT",
        description="Read the pickled network of github.com/utkuozbulak/adaptive-segmentation-mask-attack without\n"
        "executing anything that the file says, and write it as a victim's checkpoint.",
    ),
    "dashboard": Command(
        "a workspace and a report at Weights & Biases that compare attacks and runs",
        "benchmark.cli.dashboard:dashboard",
        _add_dashboard,
        usage="[RUN ...] [--project P] [--entity E] [--dry-run [--out FILE]]",
        description="Save a workspace and a report for a project at Weights & Biases, and print their addresses:\n"
        "leaderboard, clean and adversarial IoU, perturbation, cost, curves, pictures, training.",
        epilog=help_texts.DASHBOARD,
    ),
    "data": Command(
        "data check NAME root=PATH: what is in a data set, and what is wrong with it",
        "benchmark.cli.data:data",
        _add_data,
        usage="check NAME [KEY=VALUE ...] [--out FOLDER]",
        epilog=help_texts.DATA,
    ),
    "verify": Command(
        "whether a run's numbers can be made again from its saved files",
        "benchmark.cli.verify:verify",
        _add_verify,
        usage="RUN [RUN ...] [--ckpt PATH] [--data-root PATH] [--factory MODULE:FUNCTION]",
        description="Load the checkpoint, the clean images and the saved adversarial files of runs, predict\n"
        "again and compare every column that can be made again, hashes, splits and the summary with what the runs say.",
        epilog=help_texts.VERIFY,
    ),
    "victims": Command(
        "victims export CKPT FOLDER, victims import FILE --out CKPT: trained victims to hand on",
        "benchmark.cli.victims:victims",
        _add_victims,
        usage="export CKPT FOLDER [--licence TEXT] | import FILE --out CKPT",
        epilog=help_texts.VICTIMS,
    ),
    "bench": Command(
        "how fast attacks are on this machine, where the time goes, how many slots suit it",
        "benchmark.cli.bench:bench",
        _add_bench,
        usage="[KEY=VALUE ...] [--json] [--until | --training | --memory N ...]",
        epilog=help_texts.BENCH,
    ),
    "list": Command(
        "attacks, victims, data sets, targets and experiments, one line each",
        "benchmark.cli.list:list_names",
        _add_list,
    ),
}
"""What can follow `python -m benchmark`, in the order of the help."""
