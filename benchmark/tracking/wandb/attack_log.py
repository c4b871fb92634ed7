"""Logs an attack epoch to Weights & Biases: curves, a table with pictures, charts, summary and artifacts.

Keys contain the name of the attack (`tracking.points`), so that several attacks share a run. After a resume the same
points are logged again, and the artifacts get new versions.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.images.image_files import open_picture
from benchmark.tracking.epoch import FinishedEpoch
from benchmark.tracking.guard import Guard
from benchmark.tracking.points import LINES, MONTAGE, TABLE, VICTIM_CHECK, AttackLog, Points, attack_logs, victim_doubts
from benchmark.tracking.wandb.media import Media, finite, row_table

if TYPE_CHECKING:
    import wandb

MAX_LINES = 20  # images at most in the chart of single images


def log_attack_epoch(run: Any, epoch: FinishedEpoch, media_limit: int = 50) -> None:
    """Log a finished attack epoch to `run`, a `RunLogger.experiment`.

    A part that fails gives one warning; the other parts are logged. Only the first `media_limit` rows of each attack
    have pictures.
    """
    if not isinstance(getattr(run, "id", None), str):  # other ranks, or no run could be started
        return
    import wandb

    guard = Guard("Weights & Biases")
    for log in attack_logs(epoch):
        with guard("logging curves"):
            _log_points(run, log.over_steps)
            _log_points(run, log.over_images)
            if log.lines:
                _log_lines(run, log)
        with guard("logging the table of images"):
            media = epoch.media and _guarded(epoch.media, guard)
            run.log({log.key(TABLE): row_table(log.rows, media, media_limit)})
        with guard("logging the montage"):
            if log.montage is not None:
                with open_picture(log.montage, inside=log.montage.parent) as picture:
                    run.log({log.key(MONTAGE): wandb.Image(picture)})
        with guard("logging the summary"):
            run.summary.update(dict(log.summary))
    with guard("logging the doubts about the victim"):
        run.summary.update({VICTIM_CHECK: victim_doubts(epoch)})
    with guard("logging artifacts"):
        _log_artifact(run, "rows", "rows", epoch.files)
        _log_artifact(run, "checkpoint", "model", [] if epoch.checkpoint is None else [epoch.checkpoint])


def _guarded(media: Media, guard: Guard) -> Media:
    """`media`, which returns None where it raises: the table does not need every picture."""
    return lambda row: guard.attempt(f"reading the pictures of {row['id']}", lambda: media(row), None)


def _log_points(run: "wandb.Run", curves: Points) -> None:
    # Metrics are defined by their full names, because Lightning ties "*" to its global step. They have no summary,
    # because the last point of a curve is not a result.
    run.define_metric(curves.axis, hidden=True, summary="none")
    for key in curves.keys:
        run.define_metric(key, step_metric=curves.axis, step_sync=False, summary="none")
    for point in curves.points:
        run.log(point)


def _log_lines(run: "wandb.Run", log: AttackLog) -> None:
    import wandb

    shown = dict(list(log.lines.items())[:MAX_LINES])
    title = f"{log.attack}: IoU to the labels attacked, {len(shown)} of {len(log.lines)} images"
    steps = [[row["step"] for row in rows] for rows in shown.values()]
    ious = [[finite(row["iou"]) for row in rows] for rows in shown.values()]
    run.log({log.key(LINES): wandb.plot.line_series(steps, ious, keys=list(shown), title=title, xname="step")})


def _log_artifact(run: "wandb.Run", name: str, kind: str, paths: Sequence[Path]) -> None:
    import wandb

    if paths:
        artifact = wandb.Artifact(re.sub(r"[^\w.-]", "-", f"{name}-attack-{run.id}"), type=kind)
        for path in paths:
            # immutable: the client uploads the file from its place and makes no copy
            artifact.add_file(str(path), name=path.name, policy="immutable")
        run.log_artifact(artifact)
