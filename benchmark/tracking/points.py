"""What every logger gets of an attack epoch, and under which keys; all of it is computed from rows.

The dashboard reads the same keys. Each attack has, under `attack/<attack>/`:

- `<name>` over `step`: the mean over images;
- `image/<name>` over `image/index`: one point per image;
- the numbers of the summary, such as `<column>/mean`; the bounds of an interval are `.../low` and `.../high`;
- `images`, the table of rows; `iou_by_image`, a chart of single images; `montage`, the picture.
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
"""The columns of a row that are drawn over the index of the image."""

VICTIM_CHECK = "victim_check"
"""The key of the doubts about the victim, a text that is the same for all attacks."""

TABLE, LINES, MONTAGE = "images", "iou_by_image", "montage"


@dataclass(frozen=True)
class Points:
    """Curves over the axis of that key; a point has key -> value, the axis included, without keys that lack a value."""

    axis: str
    points: list[dict[str, float]]

    @property
    def keys(self) -> list[str]:
        """The keys of the curves."""
        return list(dict.fromkeys(key for point in self.points for key in point if key != self.axis))


@dataclass(frozen=True, kw_only=True)
class AttackLog:
    """What is logged of one attack: its rows, their mean over steps, their values over images, and numbers.

    `lines` are the traces by image id, for the chart of single images; `summary` has a number or label for each key.
    """

    attack: str
    rows: Sequence[Mapping[str, Any]]
    lines: Mapping[str, Sequence[Mapping[str, Any]]]
    over_steps: Points
    over_images: Points
    summary: Mapping[str, Any]
    montage: Path | None

    def key(self, name: str) -> str:
        """The key of `TABLE`, `LINES` or `MONTAGE` of this attack."""
        return key_of(self.attack, name)

    @property
    def keys(self) -> set[str]:
        """All keys under which something is logged."""
        keys = {self.key(TABLE), *self.summary}
        for points in (self.over_steps, self.over_images):
            keys |= {points.axis, *points.keys} if points.points else set()
        keys |= {self.key(LINES)} if self.lines else set()
        return keys | ({self.key(MONTAGE)} if self.montage else set())


def victim_doubts(epoch: FinishedEpoch) -> str:
    """What is logged under `VICTIM_CHECK`."""
    return "; ".join(epoch.doubts) or "no doubts"


def attack_logs(epoch: FinishedEpoch) -> list[AttackLog]:
    """One `AttackLog` for each attack among the rows, in the order of the rows."""
    summaries = {summary["attack"]: summary for summary in epoch.summaries}
    logs = []
    for attack, rows in group_rows(epoch.rows.to_pylist(), "attack").items():
        lines = per_image(of_attack(epoch.traces, attack))
        curve = mean_curve(lines, {row["id"]: row["steps"] for row in rows})
        points = [{"index": i, **{name: _number(row[name]) for name in IMAGE_COLUMNS}} for i, row in enumerate(rows)]
        logs.append(
            AttackLog(
                attack=attack,
                rows=rows,
                lines=lines,
                over_steps=_points(curve, "step", attack),
                over_images=_points(points, "index", attack, "image"),
                summary=dict(_flatten(summaries.get(attack, {}), attack)),
                montage=epoch.montages.get(attack),
            )
        )
    return logs


def _points(points: Iterable[Mapping[str, Any]], axis: str, attack: str, *path: str) -> Points:
    named = [{key_of(attack, *path, k): v for k, v in point.items() if v is not None} for point in points]
    return Points(key_of(attack, *path, axis), named)


def _number(value: Any) -> float | None:
    return int(value) if isinstance(value, bool) else finite(value)


def _flatten(value: Any, attack: str, *path: str) -> Iterable[tuple[str, Any]]:
    """(key, leaf) of a nested summary; the bounds of an interval become .../low and .../high, nulls are left out."""
    if isinstance(value, Mapping):
        for name, item in value.items():  # names of classes may have what parts keys
            yield from _flatten(item, attack, *path, str(name).replace("/", "_").replace(".", "_"))
    elif isinstance(value, list):
        for name, bound in zip(("low", "high"), value, strict=True):
            yield from _flatten(bound, attack, *path, name)
    # The key of the count of images belongs to the table. The count is attacked + already_satisfied.
    elif value is not None and path != (TABLE,):
        yield key_of(attack, *path), value
