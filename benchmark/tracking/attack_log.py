"""What an attack epoch leaves at Weights & Biases, all of it computed from rows.

Under `<prefix>/<attack>/`: curves over `step` (means over images) and over `image/index` (one point per image), a
chart of single images, the table of rows with pictures, and the numbers of the summary. Rows, traces, summary and
checkpoint are artifacts. Keys carry the attack's name, so several attacks share a run; writing the same attack again,
after a resume, repeats the same points and makes new versions of the artifacts.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from benchmark.records import group_rows
from benchmark.report.figures import MontageItem
from benchmark.report.traces import mean_curve, of_attack, per_image
from benchmark.tracking.connection import Guard
from benchmark.tracking.media import Media, finite, row_table

if TYPE_CHECKING:
    import wandb

IMAGE_COLUMNS = (
    *("steps", "forwards", "backwards", "passes", "seconds", "success", "success8"),
    *("l0", "l1", "l2", "linf", "rms", "psnr", "ssim"),
    *("clean_iou_truth", "adv_iou_target", "adv8_iou_target", "adv_iou_truth", "adv8_iou_truth"),
    *("adv_pixel_acc_target", "adv8_pixel_acc_target"),
)
"""Row columns drawn over the image's index."""

MAX_LINES = 20  # images in the chart of single images


def log_attack_epoch(
    run: Any,
    rows: pa.Table,
    traces: pa.Table,
    summaries: Iterable[Mapping[str, Any]],
    media: Media | None = None,
    files: Sequence[Path] = (),
    checkpoint: Path | None = None,
    prefix: str = "attack",
    media_limit: int = 50,
) -> None:
    """Log a finished epoch to `run`, a `RunLogger.experiment`; failures end in one warning.

    Args:
        rows, traces: as `records.RECORDS` and `records.TRACES` read them, of any number of attacks.
        summaries: from `report.aggregate.summarise`.
        media: gives a row's pictures; asked for the first `media_limit` rows of each attack only.
        files: records.parquet, traces.parquet, summary.json, …: one artifact together.
        checkpoint: the victim's weights, an artifact of its own.
        prefix: of all keys, to keep epochs of one run apart.
    """
    if not isinstance(getattr(run, "id", None), str):  # other ranks, or no run could be started
        return
    guard = Guard()
    traces_of = {attack: of_attack(traces, attack) for attack in set(traces["attack"].to_pylist())}
    for attack, attacked in group_rows(rows.to_pylist(), "attack").items():
        key = f"{prefix}/{attack}"
        with guard("logging curves"):
            _log_curves(run, key, attacked, traces_of.get(attack, traces.slice(0, 0)))
        with guard("logging the table of images"):
            run.log({f"{key}/images": row_table(attacked, media and _guarded(media, guard), media_limit)})
    with guard("logging the summary"):
        for summary in summaries:
            run.summary.update(dict(_flatten(summary, f"{prefix}/{summary['attack']}")))
    with guard("logging artifacts"):
        _log_artifacts(run, files, checkpoint, prefix)


def _guarded(media: Media, guard: Guard) -> Media:
    """The same, None where it fails: a picture that cannot be read must not cost the table."""

    def pictures(row: Mapping[str, Any]) -> MontageItem | None:
        with guard(f"reading the pictures of {row['id']}"):
            return media(row)
        return None  # type: ignore[unreachable]  # the guard swallows what media raises

    return pictures


def _log_curves(run: "wandb.Run", key: str, rows: Sequence[Mapping[str, Any]], traces: pa.Table) -> None:
    lines = per_image(traces)
    _log_points(run, key, "step", mean_curve(lines, {row["id"]: row["steps"] for row in rows}))
    points = [{"index": i, **{name: _number(row[name]) for name in IMAGE_COLUMNS}} for i, row in enumerate(rows)]
    _log_points(run, f"{key}/image", "index", points)
    if lines:
        _log_lines(run, key, lines)


def _log_points(run: "wandb.Run", key: str, axis: str, points: Sequence[Mapping[str, Any]]) -> None:
    # Each metric by its full name, because Lightning ties "*" to its global step; no summary, because the last
    # point of a curve is not a result.
    run.define_metric(f"{key}/{axis}", hidden=True, summary="none")
    for name in dict.fromkeys(name for point in points for name in point if name != axis):
        run.define_metric(f"{key}/{name}", step_metric=f"{key}/{axis}", step_sync=False, summary="none")
    for point in points:
        run.log({f"{key}/{name}": value for name, value in point.items() if value is not None})


def _log_lines(run: "wandb.Run", key: str, lines: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    import wandb

    shown = dict(list(lines.items())[:MAX_LINES])
    title = f"{key}: IoU to the labels attacked, {len(shown)} of {len(lines)} images"
    steps = [[row["step"] for row in rows] for rows in shown.values()]
    ious = [[finite(row["iou"]) for row in rows] for rows in shown.values()]
    chart = wandb.plot.line_series(steps, ious, keys=list(shown), title=title, xname="step")
    run.log({f"{key}/iou_by_image": chart})


def _number(value: Any) -> float | None:
    value = finite(value)
    return None if value is None else float(value) if isinstance(value, float) else int(value)


def _flatten(value: Any, key: str) -> Iterable[tuple[str, Any]]:
    """Leaves of a summary by path; an interval becomes …/low and …/high, nulls are left out."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _flatten(item, f"{key}/{name}")
    elif isinstance(value, list):
        for name, bound in zip(("low", "high"), value, strict=True):
            yield from _flatten(bound, f"{key}/{name}")
    elif value is not None:
        yield key, value


def _log_artifacts(run: "wandb.Run", files: Sequence[Path], checkpoint: Path | None, prefix: str) -> None:
    import wandb

    label = re.sub(r"[^\w.-]", "-", f"{prefix}-{run.id}")
    for name, kind, paths in (
        (f"rows-{label}", "rows", list(files)),
        (f"checkpoint-{label}", "model", [] if checkpoint is None else [checkpoint]),
    ):
        if paths:
            artifact = wandb.Artifact(name, type=kind)
            for path in paths:
                # immutable: the client reads the file where it lies and makes no copy
                artifact.add_file(str(path), name=path.name, policy="immutable")
            run.log_artifact(artifact)
