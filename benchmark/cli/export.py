"""`export`: one claim of a run, with its provenance, as a file to hand on."""

import json
from pathlib import Path

from benchmark.atomic_files import save_text
from benchmark.errors import InputError, did_you_mean
from benchmark.results.loaded import read_run
from benchmark.results.result_card import make_card
from benchmark.runs.folder import RunFolder


def export(run: str, card: str, attack: str | None) -> int:
    """Write the card of one attack of a run; without a choice only where there is none to make."""
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
