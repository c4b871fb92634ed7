"""What is logged of an attack epoch and under which keys, all of it computed from rows.

Every logger takes numbers and keys from here, and so does the dashboard. Of each attack, under `attack/<attack>/`:

- `<name>` over `step`: means over images;
- `image/<name>` over `image/index`: one point per image;
- the numbers of the summary, `<column>/mean` and so on, an interval as `.../low` and `.../high`;
- `images`: the table of rows, `iou_by_image`: a chart of single images, `montage`: the picture.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.results.metric_keys import key_of
from benchmark.results.traces import mean_curve, of_attack, per_image
from benchmark.runs.tables import group_rows
from benchmark.tracking.epoch import FinishedEpoch
from benchmark.tracking.wandb.media import finite

IMAGE_COLUMNS = (
    *("steps", "forwards", "backwards", "passes", "seconds", "success", "success8"),
    *("l0", "l1", "l2", "linf", "rms", "psnr", "ssim"),
    *("clean_iou_truth", "adv_iou_target", "adv8_iou_target", "adv_iou_truth", "adv8_iou_truth"),
    *("adv_pixel_acc_target", "adv8_pixel_acc_target"),
)
"""Row columns drawn over the image's index."""

TABLE = "images"


@dataclass(frozen=True)
class Points:
    """Curves over a common axis: the axis' key, and points of key -> value, the axis among them, unknown values not."""

    axis: str
    points: list[dict[str, float]]

    @property
    def keys(self) -> list[str]:
        """Of the curves."""
        return list(dict.fromkeys(key for point in self.points for key in point if key != self.axis))


@dataclass(frozen=True)
class AttackLog:
    """What is logged of one attack.

    Attributes:
        rows: for the table.
        lines: traces by image id, for the chart of single images; empty if there are none.
        over_steps, over_images: curves.
        summary: numbers and labels by key.
        montage: the picture, if one was drawn.
    """

    attack: str
    rows: Sequence[Mapping[str, Any]]
    lines: Mapping[str, Sequence[Mapping[str, Any]]]
    over_steps: Points
    over_images: Points
    summary: Mapping[str, Any]
    montage: Path | None

    @property
    def table_key(self) -> str:
        return key_of(self.attack, TABLE)

    @property
    def lines_key(self) -> str:
        return key_of(self.attack, "iou_by_image")

    @property
    def montage_key(self) -> str:
        return key_of(self.attack, "montage")

    @property
    def keys(self) -> set[str]:
        """All keys there will be something under."""
        keys = {self.table_key, *self.summary}
        for points in (self.over_steps, self.over_images):
            keys |= {points.axis, *points.keys} if points.points else set()
        keys |= {self.lines_key} if self.lines else set()
        return keys | ({self.montage_key} if self.montage else set())


def attack_logs(epoch: FinishedEpoch) -> list[AttackLog]:
    """One for each attack among the rows, in their order."""
    summaries = {summary["attack"]: summary for summary in epoch.summaries}
    logs = []
    for attack, rows in group_rows(epoch.rows.to_pylist(), "attack").items():
        lines = per_image(of_attack(epoch.traces, attack))
        curve = mean_curve(lines, {row["id"]: row["steps"] for row in rows})
        points = [{"index": i, **{name: _number(row[name]) for name in IMAGE_COLUMNS}} for i, row in enumerate(rows)]
        logs.append(
            AttackLog(
                attack,
                rows,
                lines,
                _points(curve, "step", attack),
                _points(points, "index", attack, "image"),
                dict(_flatten(summaries.get(attack, {}), attack)),
                epoch.montages.get(attack),
            )
        )
    return logs


def _points(points: Iterable[Mapping[str, Any]], axis: str, attack: str, *path: str) -> Points:
    named = [{key_of(attack, *path, k): v for k, v in point.items() if v is not None} for point in points]
    return Points(key_of(attack, *path, axis), named)


def _number(value: Any) -> float | None:
    value = finite(value)
    return None if value is None else float(value) if isinstance(value, float) else int(value)


def _flatten(value: Any, attack: str, *path: str) -> Iterable[tuple[str, Any]]:
    """Leaves of a summary by path; an interval becomes .../low and .../high, nulls are left out."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _flatten(item, attack, *path, name)
    elif isinstance(value, list):
        for name, bound in zip(("low", "high"), value, strict=True):
            yield from _flatten(bound, attack, *path, name)
    # The count of images would take the table's place; it is attacked + already_satisfied.
    elif value is not None and path != (TABLE,):
        yield key_of(attack, *path), value
