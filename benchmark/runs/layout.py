"""Where a run's folder has the pictures of an image; whatever characters names hold, they stay in their folders."""

from pathlib import Path
from typing import Literal

from benchmark.runs.tables import file_name

Picture = Literal["clean", "truth", "target", "prediction"]
"""What there is once of an image: as it was, two maps, and the prediction of the clean image."""


def picture_path(run: Path, picture: Picture, image_id: str) -> Path:
    """`pictures/<picture>/<id>.png`, the same for all attacks."""
    return run / "pictures" / picture / f"{file_name(image_id)}.png"


def adversarial_path(run: Path, attack: str, image_id: str) -> Path:
    """`adversarial/<attack>/<id>.png`, what an attack has made of an image."""
    return run / "adversarial" / file_name(attack) / f"{file_name(image_id)}.png"


def prediction_path(run: Path, attack: str, image_id: str) -> Path:
    """`predictions/<attack>/<id>.png`, the prediction of that file."""
    return run / "predictions" / file_name(attack) / f"{file_name(image_id)}.png"
