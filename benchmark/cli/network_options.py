"""The options by which a network of the user's own is given again, to commands that open runs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark.cli.parsers import Parser

if TYPE_CHECKING:
    from benchmark.past_runs.given_network import GivenNetwork


def add_network_options(parser: Parser) -> None:
    """Add --network and its short form --factory."""
    parser.add_argument(
        "--network",
        nargs="+",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a network of your own, as `attack` took it: victim=torchscript victim.program=model.ts; once for each",
    )
    parser.add_argument(
        "--factory",
        action="append",
        default=[],
        metavar="MODULE:FUNCTION",
        help="short for --network victim=python victim.factory=MODULE:FUNCTION",
    )


def given_networks(network: Sequence[Sequence[str]], factory: Sequence[str]) -> "list[GivenNetwork]":
    """The networks that the options give. Raises InputError for an override that is none of the victim's."""
    from benchmark.config.overrides import assignment
    from benchmark.past_runs.given_network import GivenNetwork

    short = [("victim=python", assignment("victim.factory", one)) for one in factory]
    return [GivenNetwork(tuple(one)) for one in [*network, *short]]
