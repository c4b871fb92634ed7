"""The commands that open a folder, and the copy of a run that they are given."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.cli.hostile.planting import edit_config

SECRET_VALUE = "the-value-of-a-planted-variable"
COMMANDS: dict[str, Callable[[Path, Path], list[str]]] = {
    "resume": lambda run, out: ["run", f"run.resume={run}"],
    "verify": lambda run, out: ["verify", str(run)],
    "report": lambda run, out: [
        "report", str(run), *map(str, run.glob("card.json")), "--out", str(out / "page.html")
    ],
    "league": lambda run, out: ["league", str(run), "--out", str(out / "league")],
    "transfer": lambda run, out: [
        "transfer", str(run), "--victims", str(run / "checkpoints" / "best.ckpt"), "--out", str(out / "transfer")
    ],
    "export": lambda run, out: ["export", str(run), "--attack", "asma", "--card", str(out / "card.json")],
    "victims import": lambda run, out: ["victims", "import", str(run / "hub"), "--out", str(out / "imported.ckpt")],
    "convert": lambda run, out: [
        "convert", str(run / ("released.pt" if os.path.lexists(run / "released.pt") else "checkpoints/best.ckpt")),
        "--out", str(out / "converted.ckpt"),
    ],
    "dashboard": lambda run, out: ["dashboard", str(run), "--dry-run", "--out", str(out / "dashboard.json")],
}  # fmt: skip


def copy_of(small_run: Path, folder: Path) -> Path:
    """A copy of a finished run that has logged to Weights & Biases, as somebody hands it over."""

    def copy(source: str, target: str) -> None:
        # What is planted replaces a checkpoint and does not write into it.
        (os.link if source.endswith(".ckpt") else shutil.copy)(source, target)

    run = Path(shutil.copytree(small_run, folder, copy_function=copy, ignore=shutil.ignore_patterns("report.html")))
    edit_config(run, lambda config: config.update(loggers={"wandb": {"project": "theirs"}}))
    (run / "wandb").mkdir()
    return run
