"""Frauds that warm starts make possible, planted in copies of a run that has them."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.runs import tables
from benchmark.runs.folder import RunFolder
from benchmark.runs.points import load_point, point_sha256, save_point
from benchmark.runs.tables import TRACES
from tests.cli.frauds import Fraud, Row, configured, publish_again
from tests.fixtures.spoilt import rewrite, sha256_of

LOW, MIDDLE, HIGH = "pgd@0.5", "pgd@1", "pgd@2"
NOT_COLD = dict.fromkeys(f"cold_start_{name}" for name in ("steps", "passes", "success8", "iou_target", "iou_truth"))
IDLE = {"steps": 0, "kept_step": 0, "forwards": 3, "backwards": 0, "passes": 3, "zero_gradients": 0}
OWN = ("attack", "eps", "start_from", "start_sha256", "point_sha256", "passes_saved", *NOT_COLD)


def picked(folder: Path, attack: str, cold: bool = True) -> Row:
    """The row of the attack on the image that was, or was not, started cold, too."""
    rows = tables.read(folder).to_pylist()
    chosen = next(row["id"] for row in rows if row["attack"] == HIGH and (row["cold_start_steps"] is not None) == cold)
    return next(row for row in rows if (row["attack"], row["id"]) == (attack, chosen))


def changed(folder: Path, row: Row, values: Mapping[str, Any]) -> None:
    rewrite(folder, lambda rows: [one | values if one == row else one for one in rows])
    publish_again(folder)


def column(name: str, change: Callable[[Row], Any], attack: str = MIDDLE, cold: bool = True) -> Callable[[Path], None]:
    """Change one column of a row, and publish again."""

    def plant(folder: Path) -> None:
        row = picked(folder, attack, cold)
        changed(folder, row, {name: change(row)})

    return plant


def point_removed(folder: Path) -> None:
    RunFolder(folder).point(LOW, picked(folder, LOW)["id"]).unlink()


def points_exchanged(folder: Path) -> None:
    first, second = sorted((folder / "points" / LOW).iterdir())
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)


def point_moved(by: float, *, hashed: bool = True, above: bool = False) -> Callable[[Path], None]:
    """Move a value of a point, by default with its hash, and with that in the row that starts from it if asked to."""

    def plant(folder: Path) -> None:
        row, path = picked(folder, LOW), RunFolder(folder).point(LOW, picked(folder, LOW)["id"])
        point = load_point(path, inside=folder)
        place = np.unravel_index(np.abs(point - 0.5).argmin(), point.shape)
        point[place] += by
        save_point(point, path)
        hashes = {"point_sha256": point_sha256(point)} if hashed else {}
        starts = {"start_sha256": point_sha256(point)} if above else {}
        following = picked(folder, MIDDLE)
        rewrite(folder, lambda rows: [r | hashes if r == row else r | starts if r == following else r for r in rows])
        publish_again(folder)

    return plant


def said_to_be_at_its_floor(folder: Path) -> None:
    """The result of the budget below in place of an attack that found a better one, with all that follows from it."""
    row, below = picked(folder, HIGH, cold=False), picked(folder, MIDDLE, cold=False)
    run, image = RunFolder(folder), row["id"]
    for place in (run.adversarial, run.prediction):
        shutil.copy(place(MIDDLE, image), place(HIGH, image))
    table = TRACES.read(folder)
    left = [one for one in table.to_pylist() if (one["attack"], one["id"]) != (HIGH, image)]
    pq.write_table(pa.Table.from_pylist(left, schema=table.schema), folder / "traces.parquet")
    own = {name: row[name] for name in OWN}
    saved = {"passes_saved": row["passes_saved"] + row["passes"] - IDLE["passes"]}
    changed(folder, row, below | own | IDLE | saved | {"at_floor": True, "success_passes": None})


def given_up(folder: Path) -> None:
    """The clean image in place of what an attack has found, as if it had failed at the larger budget."""
    row = picked(folder, HIGH, cold=False)
    run, image = RunFolder(folder), row["id"]
    shutil.copy(run.picture("clean", image), run.adversarial(HIGH, image))
    shutil.copy(run.picture("prediction", image), run.prediction(HIGH, image))
    values: Row = {"kept_step": 0, "success": False, "success8": False, "success_passes": None}
    for prefix in ("adv_", "adv8_"):
        scores = [name for name in row if name.startswith("clean_") and name.replace("clean_", prefix) in row]
        values |= {name.replace("clean_", prefix): row[name] for name in scores}
    values |= dict.fromkeys(("l0", "l1", "l2", "linf", "rms", "adv8_l1", "adv8_l2", "adv8_linf"), 0.0)
    values |= {"psnr": float("inf"), "adv8_psnr": float("inf"), "ssim": 1.0}
    values["adv8_sha256"] = sha256_of(run.adversarial(HIGH, image))
    shown = sha256_of(run.prediction(HIGH, image))[:16]
    changed(folder, row, values | {"pictures_sha256": row["pictures_sha256"][:-16] + shown})


WARM_FRAUDS = [
    Fraud("an image that started from another attack", column("start_from", lambda r: LOW, HIGH), "start_from"),
    Fraud("an image that started from nothing", column("start_from", lambda r: None), "start_from"),
    Fraud("another start", column("start_sha256", lambda r: "0" * 64), "start_sha256"),
    Fraud("a start that is not said", column("start_sha256", lambda r: None), "start_sha256"),
    Fraud("a start of the smallest budget", column("start_sha256", lambda r: "0" * 64, LOW), "start_sha256"),
    Fraud("another hash of a point", column("point_sha256", lambda r: "0" * 64, LOW), "point_sha256"),
    Fraud("a point that is not said", column("point_sha256", lambda r: None, LOW), "an attack starts from it"),
    Fraud("a point from which nothing starts", column("point_sha256", lambda r: "0" * 64, HIGH), "no attack starts"),
    Fraud("an attacked image is at its floor", column("at_floor", lambda r: True), "is not attacked"),
    Fraud("a result below is a floor, with all that follows", said_to_be_at_its_floor, "at_floor"),
    Fraud("a larger budget is said to have failed, with all that follows", given_up, "and its start"),
    Fraud("more passes saved", column("passes_saved", lambda r: r["passes_saved"] + 5), "passes_saved"),
    Fraud(
        "a cold start left out",
        lambda folder: changed(folder, picked(folder, HIGH), NOT_COLD),
        "is one of those that start cold",
    ),
    Fraud(
        "a cold start of an image that was not chosen",
        lambda folder: changed(
            folder, picked(folder, HIGH, cold=False), {name: picked(folder, HIGH)[name] for name in NOT_COLD}
        ),
        "is none of those that start cold",
    ),
    Fraud("a cold start with an IoU above 1", column("cold_start_iou_truth", lambda r: 1.5), "cold_start_iou_truth"),
    Fraud(
        "a cold start's success",
        column("cold_start_success8", lambda r: not r["cold_start_success8"]),
        "cold_start_success8",
    ),
    Fraud("a cold start in fewer passes", column("cold_start_passes", lambda r: 3), "cold_start_passes"),
    Fraud("a cold start of more steps", column("cold_start_steps", lambda r: 99), "cold_start_"),
    Fraud("a point removed", point_removed, "point_sha256"),
    Fraud("points exchanged", points_exchanged, "is not the point that was kept"),
    Fraud("a value of a point", point_moved(1e-12, hashed=False), "is not the point that was kept"),
    Fraud("a value of a point, with its hash", point_moved(1e-3, above=True), "its point gives"),
    Fraud("a point beyond its picture, with its hash", point_moved(0.1, above=True), "is not the saved image"),
    Fraud("a point with its hash, but another start", point_moved(1e-12), "start_sha256"),
    Fraud("cold starts in place of warm ones", configured("warm_start", False), "start_from"),
    Fraud("more passes for warm starts", configured("warm_passes", 1.0), "the attack makes 6"),
    Fraud("no images that start cold", configured("cold_images", 0), "is none of those that start cold"),
    # What a folder alone cannot show: `--rerun` can.
    Fraud(
        "a cold start that came out worse",
        column("cold_start_iou_truth", lambda r: r["cold_start_iou_truth"] + 1e-3),
        None,
    ),
    Fraud("a point moved by less than norms show, with its hash and start", point_moved(1e-12, above=True), None),
]
