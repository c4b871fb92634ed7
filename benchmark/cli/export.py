"""`export`: one claim of a run, with its provenance, as a file to hand on."""

import json
from pathlib import Path

from benchmark.atomic_files import save_text
from benchmark.cli.parsers import Command, Parser
from benchmark.errors import InputError, did_you_mean


def export(run: str, card: str, attack: str | None) -> int:
    """Write the card of one attack of a run; without a choice only where there is none to make."""
    from benchmark.results.loaded import read_run
    from benchmark.results.result_card import make_card
    from benchmark.runs.folder import RunFolder

    folder, path = Path(run), Path(card)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder of a run")
    found = read_run(RunFolder(folder))
    summaries = {one["attack"]: one for one in found.summary.attacks}
    if attack is None and len(summaries) > 1:
        raise InputError(f"{folder}: has several attacks; choose one: --attack {' or '.join(summaries)}")
    chosen = next(iter(summaries)) if attack is None else attack
    if chosen not in summaries:
        near = did_you_mean(chosen, summaries)
        raise InputError(f"--attack {chosen}: is not in {folder}{near}; there are {', '.join(summaries)}")
    document = make_card(found, chosen)
    if path.is_dir() or not path.resolve().parent.is_dir():
        raise InputError(f"--card {path}: is no file in a folder that is there; give another")
    save_text(path, json.dumps(document, indent=2, allow_nan=False) + "\n")
    print(f"card     {path}")
    return 0


def _add_arguments(parser: Parser) -> None:
    parser.add_argument("run", metavar="RUN", help="folder of a finished run")
    parser.add_argument("--card", required=True, metavar="FILE", help="the JSON file to write")
    parser.add_argument("--attack", metavar="NAME", help="which one, if the run has several")


COMMAND = Command(
    what="one result of a run with its provenance, as a card to hand on",
    run=export,
    add_arguments=_add_arguments,
    usage="RUN --card FILE [--attack NAME]",
    description="Write a card: success, scores, norms and costs of one attack with intervals and curves, and what\n"
    "they were measured on: victim, data, parameters, versions, machine, hashes. `report` takes cards.",
)
