"""The first numbers of the page, and the facts about each run."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from benchmark.report.tables.table import interval, missing_median, number
from benchmark.results.column_arrays import joined
from benchmark.results.erased_targets import judge_text
from benchmark.results.loaded_runs import Run
from benchmark.results.split_overlap_line import overlap_line
from benchmark.results.truth_name import BY_DEFINITION, data_notes, is_predicted, truth_name


class Tile(NamedTuple):
    """One number: `key` is its path in the summary, `note` says what it is taken over."""

    key: str
    label: str
    text: str
    note: str


def tiles(summary: Mapping[str, Any]) -> list[Tile]:
    """The tiles of one attack, from its summary."""
    attacked, rate = summary.get("attacked", summary["images"]), summary["success8_rate"]
    reference = "truth" if summary.get("targeted") is False else "target"
    hits = "-" if rate is None else f"{round(rate * attacked)} of {attacked}"
    bounds = interval(summary.get("success8_rate_ci95"), 100, 0)
    passes = number(summary.get("success_passes", {}).get("median_all"), 1, 0, missing_median(summary))
    truth = truth_name([summary])
    clean = _mean(summary, "clean_iou_truth", "IoU to truth, clean")
    if is_predicted(summary):
        clean = Tile("clean_iou_truth", f"IoU to {truth}, clean", BY_DEFINITION, "says nothing about quality")
    return [
        Tile("success8_rate", "success on the 8-bit file", f"{number(rate, 100, 1)} %", f"{hits}; 95 %: {bounds}"),
        clean,
        _mean(summary, f"adv8_iou_{reference}", f"IoU to {reference.replace('truth', truth)}, 8-bit"),
        _median(summary, "l2", "L2", 1, 3),
        _median(summary, "linf", "L∞ · 255", 255, 2),
        Tile("psnr.median", "PSNR, dB", number(summary.get("psnr", {}).get("median"), 1, 1), "median over successes"),
        Tile("success_passes.median_all", "passes to success", passes, "median, failures as infinite"),
    ]


def facts(run: Run) -> list[tuple[str, str]]:
    """(name, text) of the facts that the run has recorded of its command, data, victim and machine."""
    recorded, first = run.environment, run.rows[0]
    command, versions, shares = recorded.get("command_line"), recorded.get("packages"), recorded.get("shares") or []
    noted = recorded.get("data_notes", [])
    known = [
        ("folder", str(run.folder.path)),
        ("state", "finished" if run.finished else f"not finished: {len(run.rows)} rows so far"),
        ("command", " ".join(map(str, command)) if isinstance(command, list) else ""),
        ("victim", str(first["victim"])),
        ("data", f"{first['data']}, split {joined(run.rows, 'split')}"),
        ("data notes", " ".join([*(f"{note}." for note in noted), *data_notes(run.summary.attacks)])),
        ("warning", overlap_line(recorded.get("split_overlap")) or ""),
        ("judge", ", ".join(dict.fromkeys(map(judge_text, run.summary.attacks)))),
        ("seed", str(recorded.get("seed", ""))),
        ("machine", _machine(recorded)),
        ("versions", ", ".join(f"{k} {v}" for k, v in versions.items()) if isinstance(versions, dict) else ""),
        ("seconds attacking", ", ".join(f"{share.get('seconds', 0):.0f}" for share in shares)),
        ("data fingerprint", str(recorded.get("data_fingerprint", ""))),
        ("weights, SHA-256", str(recorded.get("weights_sha256", ""))),
    ]
    return [(name, text) for name, text in known if text]


def _machine(recorded: Mapping[str, Any]) -> str:
    gpus = recorded.get("gpus") or []
    processes = recorded.get("processes") if recorded.get("processes") != 1 else None
    counted = ((recorded.get("cpus"), "CPUs"), (processes, "processes"))
    parts = [str(recorded.get("platform", "")), *(f"{n} {what}" for n, what in counted if n), ", ".join(map(str, gpus))]
    return " · ".join(part for part in parts if part)


def _mean(summary: Mapping[str, Any], key: str, label: str) -> Tile:
    described = summary.get(key, {})
    return Tile(key, label, number(described.get("mean"), 1, 3), f"mean; 95 %: {interval(described.get('ci95'), 1, 3)}")


def _median(summary: Mapping[str, Any], key: str, label: str, factor: float, decimals: int) -> Tile:
    described = summary.get(key, {})
    text = number(described.get("median_all8"), factor, decimals, missing_median(summary))
    bounds = interval(described.get("median_all8_ci95"), factor, decimals)
    return Tile(f"{key}.median_all8", label, text, f"median, failures as infinite; 95 %: {bounds}")
