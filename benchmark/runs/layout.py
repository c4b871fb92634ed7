"""The name of every file in the folder of a run, and file names for ids that hold any characters."""

import hashlib
import re
from typing import Literal
from urllib.parse import quote

LOCK = "run.lock"
CONFIG = "config.yaml"
ENVIRONMENT = "environment.json"
SPLITS = "splits.json"
SUMMARY = "summary.json"
METRICS = "metrics.csv"
REPORT = "report.html"
COMPARISON = "comparison.md"
CURVES = "curves.png"
MONTAGE = "montage.png"
MONTAGE_OF_ATTACK = "montage_{attack}.png"
TRANSFER_REPORT = "transfer.md"
LEAGUE_TABLES = "league.md"
LEAGUE_NUMBERS = "league.csv"
LEAGUE_FIGURES = "league.png"

CHECKPOINTS = "checkpoints"
BEST_CHECKPOINT = "best.ckpt"
LAST_CHECKPOINT = "last.ckpt"

RECORDS = "records"
TRACES = "traces"
TRANSFER = "transfer"
TABLE = "{name}.parquet"
PARTS = "part-*.parquet"
PART = "part-{writer}-{number:08d}.parquet"

PICTURES = "pictures"
ADVERSARIAL_IMAGES = "adversarial"
PREDICTION_MAPS = "predictions"
POINTS = "points"
PREDICTED_LABELS = "labels"
SET_ASIDE = "set_aside"
WANDB = "wandb"
TENSORBOARD = "tensorboard"

BEFORE_THE_RUN = re.compile(rf"{re.escape(LOCK)}|\.{re.escape(LOCK)}\..*")
"""Names of what stands in a folder before anything is written there: the lock, and files that are becoming a lock."""

WRITTEN_FIRST = (CONFIG, SPLITS, ENVIRONMENT, METRICS)
"""What a run writes before it has computed anything."""

UNFINISHED = (CHECKPOINTS, PICTURES, PREDICTED_LABELS, ADVERSARIAL_IMAGES, PREDICTION_MAPS, POINTS, TRACES, RECORDS)
"""Folders that mean nothing without a row or a best checkpoint."""

Picture = Literal["clean", "truth", "target", "prediction"]
"""The pictures that all attacks on an image share: the clean image, two label maps, and the prediction of the clean
image."""

_LONGEST_NAME = 160  # file systems take 255 bytes, temporary names and endings included


def file_name(image_id: str) -> str:
    """A file name that is one-to-one with the id and cannot leave its folder, whatever the id holds."""
    if not image_id:
        return "%"
    name = quote(image_id, safe=" ()+,=@")
    if len(name) > _LONGEST_NAME:
        # quote writes capital hexadecimal digits, so "%x" marks what no short id can become.
        name = f"{name[:_LONGEST_NAME]}%x{hashlib.sha256(image_id.encode()).hexdigest()[:32]}"
    return name.replace(".", "%2E") if name.strip(".") == "" else name
