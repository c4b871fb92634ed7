"""Write one result of a run with its provenance as a card to hand on.

A card holds success, scores, norms and costs of one attack with intervals and curves, and what they were measured on:
victim, data, parameters, versions, machine, hashes. `report` takes cards.
"""

import json
from pathlib import Path

from benchmark.atomic_files import save_text
from benchmark.cli.parsers import Command, Parser, check_target, reading, say
from benchmark.errors import InputError, did_you_mean


def export(run: Path, card: Path, attack: str | None) -> int:
    """Write the card of one attack of a run; `attack` may be None if the run has only one.

    Raises InputError for a folder without results, an attack that is not there, and a file that cannot be written.
    """
    from benchmark.results.loaded_runs import read_run
    from benchmark.results.result_card import make_card
    from benchmark.runs.folder import RunFolder

    if not run.is_dir():
        raise InputError(f"{run}: no such folder; give the folder of a run")
    with reading(run):
        results = read_run(RunFolder(run))
    attacks = [summary["attack"] for summary in results.summary.attacks]
    if attack is None and len(attacks) > 1:
        raise InputError(f"{run}: has several attacks; choose one: --attack {' or '.join(attacks)}")
    attack = attacks[0] if attack is None else attack
    if attack not in attacks:
        near = did_you_mean(attack, attacks)
        raise InputError(f"--attack {attack}: is not in {run}{near}; there are {', '.join(attacks)}")
    with reading(run):
        text = json.dumps(make_card(results, attack), indent=2, allow_nan=False) + "\n"
    check_target("--card", card)
    save_text(card, text)
    say(f"card     {card}")
    return 0


def _add_arguments(parser: Parser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a finished run")
    parser.add_argument("--card", type=Path, required=True, metavar="FILE", help="the JSON file to write")
    parser.add_argument("--attack", metavar="NAME", help="which one, if the run has several")


COMMAND = Command(text=__doc__, run=export, add_arguments=_add_arguments)
