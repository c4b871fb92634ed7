"""Cards: the result of one attack on one victim with its provenance, as a JSON file to hand on."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import __version__
from benchmark.errors import InputError
from benchmark.results.column_arrays import attacked_rows, cost_of_success
from benchmark.results.run_settings import settings_of
from benchmark.results.success_curves import curve
from benchmark.runs.limited_text import read_json
from benchmark.runs.tables import RECORDS
from benchmark.runs.victim_check_entry import is_victim_check

if TYPE_CHECKING:
    from benchmark.results.loaded_runs import Run

_TEXTS = ("attack", "victim", "data")
_RATES = ("success_rate", "success8_rate")
_DESCRIBED = (
    *("clean_iou_truth", "adv8_iou_truth", "adv8_iou_target", "adv8_pixel_acc_target"),
    *("l1", "l2", "linf", "psnr", "passes", "success_passes"),
)
_CURVES = ("l1", "l2", "linf", "success_passes")
_PROVENANCE = (
    *("seed", "data", "data_fingerprint", "weights_sha256", "checkpoint_sha256", "program_sha256", "victim_check"),
    *("python", "packages", "platform", "processor", "cpus", "gpus", "processes", "machines", "benchmark"),
)

KIND = "segmentation-attack-benchmark/card"
VERSION = 1
_LARGEST = 2**24  # bytes


@dataclass(frozen=True)
class Card:
    """The content of a card file, with the name of the card in a report as `label`.

    Attributes:
        summary: the summary of the attack, with the keys of summary.json.
        curves: "l1", "l2", "linf", "success_passes" -> {"x": [...], "share": [...], "images": N}.
        provenance: settings, versions, machine, and hashes of data, weights and rows.
    """

    label: str
    summary: Mapping[str, Any]
    curves: Mapping[str, Mapping[str, Any]]
    provenance: Mapping[str, Any]


def read_card(path: Path) -> Card:
    """Read a card. Raises InputError if the file is no card, has another version, or holds values of a wrong kind."""
    try:
        document = read_json(path, _LARGEST)
    except ValueError as error:
        raise InputError(f"{path}: cannot be read as a card ({error}); give one that `export` wrote") from error
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise InputError(f"{path}: is no card; give one that `export` wrote")
    if document.get("version") != VERSION:
        raise InputError(f"{path}: is a card of version {document.get('version')}, not {VERSION}; export it again")
    claim, curves, provenance = (document.get(part) for part in ("claim", "curves", "provenance"))
    if not (isinstance(claim, dict) and isinstance(curves, dict) and isinstance(provenance, dict)):
        raise InputError(f"{path}: lacks its claim, curves or provenance; give the card as `export` wrote it")
    if "victim_check" in provenance and not is_victim_check(provenance["victim_check"]):
        raise InputError(f"{path}: its victim_check is not what a check finds; give the card as `export` wrote it")
    if wrong := _wrong_value(claim, curves):
        raise InputError(f"{path}: {wrong}; give the card as `export` wrote it")
    return Card(f"{claim['victim']} ({path.stem})", claim, curves, provenance)


def _wrong_value(claim: Mapping[str, Any], curves: Mapping[str, Any]) -> str | None:
    """The first value that a page could not show, as a clause; a card may come from a stranger."""
    for name in _TEXTS:
        if not isinstance(claim.get(name), str):
            return f"the claim's {name} is {claim.get(name)!r} and no text"
    for name in _RATES:
        if not (claim.get(name) is None or _is_number(claim[name])):
            return f"the claim's {name} is {claim[name]!r} and no number"
    if not (_is_number(claim.get("images")) and _is_number(claim.get("attacked"))):
        return "the claim does not say how many images were attacked"
    for name in _DESCRIBED:
        described = claim.get(name)
        if not isinstance(described, dict) or not all(_is_statistic(value) for value in described.values()):
            return f"the claim's {name} holds no mean, median and so on"
    for name, one in curves.items():
        x, share = (one.get("x"), one.get("share")) if isinstance(one, dict) else (None, None)
        if not (isinstance(x, list) and isinstance(share, list) and len(x) == len(share)):
            return f"the curve {name} holds no x and share of equal length"
        if not (all(map(_is_number, [*x, *share])) and _is_number(one.get("images"))):
            return f"the curve {name} holds something that is no number"
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_statistic(value: Any) -> bool:
    """Whether the value is a number, null, or the two bounds of an interval."""
    if isinstance(value, list):
        return len(value) == 2 and all(bound is None or _is_number(bound) for bound in value)
    return value is None or _is_number(value)


def make_card(run: "Run", attack: str) -> dict[str, Any]:
    """The card of one attack of a run. It names no folder, because folders mean nothing on another machine.

    Raises:
        InputError: the run has not finished.
    """
    folder, merged = run.folder.path, RECORDS.merged(run.folder.path)
    if not (run.finished and merged.exists()):
        raise InputError(f"{folder}: has not finished; resume it (run.resume={folder}) before you export a card")
    (summary,) = [one for one in run.summary.attacks if one["attack"] == attack]
    rows = [row for row in run.rows if row["attack"] == attack]
    curves = {name: curve(cost_of_success(attacked_rows(rows), name)) for name in _CURVES}
    return {
        "kind": KIND,
        "version": VERSION,
        "claim": dict(summary),
        "curves": {
            name: {"x": one.x.tolist(), "share": one.share.tolist(), "images": one.images}
            for name, one in curves.items()
        },
        "provenance": {
            "written_by": __version__,
            **{name: run.environment[name] for name in _PROVENANCE if name in run.environment},
            "rows_sha256": hashlib.sha256(merged.read_bytes()).hexdigest(),
            "seconds": sum(float(row["seconds"]) for row in rows),
            "passes": sum(int(row["passes"]) for row in rows),
            "settings": settings_of(run.config, attack, summary["family"]),
        },
    }
