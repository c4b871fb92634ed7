"""What `victims check` prints of a victim."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark.cli.parsers import say

if TYPE_CHECKING:
    from benchmark.evaluation.victim_check import VictimCheck
    from benchmark.report.tables.table import TextTable

_NOTHING, _REFUSED, _DOUBTS = 0, 2, 3  # exit statuses


def check(overrides: Sequence[str]) -> int:
    """Check the victim that the overrides choose, as `attack` would, print what was found, and return the exit status.

    Raises InputError for bad input and for a victim that fails.
    """
    from benchmark.cli.bench import data_and_victim
    from benchmark.config.build import build_plan
    from benchmark.config.compose import compose
    from benchmark.config.victim import victim_name
    from benchmark.data.notes import data_set_notes
    from benchmark.evaluation.case import split_of
    from benchmark.evaluation.check_before_attack import run_check
    from benchmark.report.tables.table import print_tables
    from benchmark.victims import adapters
    from benchmark.victims.checkpoint_io import validation_iou

    cfg = compose(overrides)
    plan = build_plan(cfg)  # finds what is wrong with the other settings of an attack
    data, victim = data_and_victim(cfg)
    plan.for_data(data)
    plan.target.prepare(split_of(data, "test"))  # refuses a target that no image of the split can have
    for note in data_set_notes(data):
        say(f"note: {note}", error=True)
    remembered = None if cfg.victim.ckpt is None else validation_iou(cfg.victim.ckpt)
    found, seconds = run_check(plan.engine, victim, data, validation_iou=remembered)
    name = victim_name(cfg.victim, victim)
    if found.class_iou:
        print_tables([_scores(found, name, str(data.name), str(data.test_split))])
    else:
        say(f"{name} · {data.name} · {found.images} images without masks")
    say(f"The victim is read as: {found.reading}.")
    say(f"{found.passes} passes of up to {found.batch} images, {seconds:.1f} s")
    if cfg.victim.ckpt is None and victim.hparams["architecture"] not in adapters.names():
        say("The victim is untrained, so its scores say nothing; victim.ckpt=PATH takes a trained one.")
    allowed = list(cfg.victim.allow)
    for finding in found.findings:
        kind = "doubt" if not finding.refused else "allowed" if finding.name in allowed else "refused"
        say(f"{kind:8} {finding.name}: {finding.what}", f"         {finding.cure}")
        if kind == "refused":
            say(f"         victim.allow=[{finding.name}] attacks it as it is")
    if not found.findings:
        say("nothing is wrong with the victim")
    refused = any(finding.refused and finding.name not in allowed for finding in found.findings)
    return _REFUSED if refused else _DOUBTS if found.findings else _NOTHING


def _scores(found: "VictimCheck", name: str, data: str, split: str) -> "TextTable":
    """Clean IoU of each class, beside the names that the data and, where it has any, the network give to it."""
    from benchmark.report.tables.table import TextTable, number

    header = ["class", "in the data", *(["in the network"] if found.victim_classes else []), "clean IoU"]
    rows: list[Sequence[str]] = []
    for index, iou in enumerate(found.class_iou):
        named = [found.data_classes, *([found.victim_classes] if found.victim_classes else [])]
        rows.append([str(index), *(_entry(names, index) for names in named), number(iou, 1, 3)])
    title = f"{name} · {data} · {found.images} {split} image{'s' * (found.images != 1)}"
    notes = [] if found.iou is None else [f"Mean over foreground classes: {found.iou:.3f}."]
    if found.validation_iou is not None:
        notes.append(f"In validation, by the checkpoint: {found.validation_iou:.3f}.")
    return TextTable(title, header, rows, notes)


def _entry(names: Sequence[str], index: int) -> str:
    return names[index] if index < len(names) else "-"
