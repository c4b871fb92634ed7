"""Transfer matrices as tables: a row for each attacked model, a column for each evaluated model."""

from collections.abc import Iterable, Mapping
from typing import Any

from benchmark.report.tables.table import TextTable
from benchmark.results.budget_sweeps import NORM_NAMES
from benchmark.results.erased_targets import judge_text
from benchmark.results.truth_name import is_predicted, truth_name

_NOTE = (
    "Rows: the attacked model; columns: the evaluated model (*: the same model, white box). Noise is a file with the "
    "norm of the adversarial image. Success, among images that are not satisfied when clean: {judge}."
)

_MEASURES = {"success": "success, 8-bit", "iou_target": "IoU to target", "iou_truth": "IoU to truth"}


def transfer_grids(tables: Iterable[Mapping[str, Any]]) -> list[TextTable]:
    """A `TextTable` for each measure of each of the tables of `summarise_transfer`; the last of each has the note.

    Rows are the adversarial files of every source, then the noise, then clean images.
    """
    grids = []
    for table in tables:
        victims = sorted({victim for cells in table["matrix"].values() for victim in cells})
        for measure, name in _MEASURES.items():
            name = name.replace("truth", truth_name([table]))
            rows = [
                [text.format(source), *(_cell(cells.get(victim), prefix, measure) for victim in victims)]
                for prefix, text in (("adv8", "{}"), ("noise8", "noise like {}"))
                for source, cells in table["matrix"].items()
            ]
            if measure != "success":
                means = (table["clean"][victim][f"clean_{measure}"]["mean"] for victim in victims)
                rows.append(["clean", *(f"{mean:.3f}" for mean in means)])
            notes = [_NOTE.format(judge=judge_text(table)), *_truth_notes(table)] if measure == "iou_truth" else []
            grids.append(TextTable(f"{_title(table)} · {name}", ["", *victims], rows, notes))
    return grids


def _truth_notes(table: Mapping[str, Any]) -> list[str]:
    name = "The truth is the attacked model's own prediction of the clean image (data.labels=predicted)."
    return [name] if is_predicted(table) else []


def _cell(cell: Mapping[str, Any] | None, prefix: str, measure: str) -> str:
    """The text of a cell of the matrix, for the adversarial files ("adv8") or the noise ("noise8")."""
    if cell is None:
        return "-"
    if measure == "success":
        rate = cell["success8_rate" if prefix == "adv8" else "noise8_success_rate"]
        text = f"{round((rate or 0) * cell['attacked'])}/{cell['attacked']}"
    else:
        text = f"{cell[f'{prefix}_{measure}']['mean']:.3f}"
    return f"*{text}" if cell["white_box"] and prefix == "adv8" else text


def _title(table: Mapping[str, Any]) -> str:
    budget = NORM_NAMES.get(table["norm"], "")
    if table["equal_norm"]:
        budget += f" of {table['equal_norm']}"
    elif table["eps"] is not None:
        budget += f" ≤ {table['eps'] * 255:g}/255" if table["norm"] == "inf" else f" ≤ {table['eps']:g}"
    sense = "targeted" if table["targeted"] else "untargeted"
    return " · ".join(part for part in (table["attack"], budget, sense, f"{table['data']} ({table['split']})") if part)
