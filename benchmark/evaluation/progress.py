"""The progress bar of an attack epoch."""

import sys
from collections.abc import Mapping
from typing import Any

from tqdm import tqdm

from benchmark.engine import Measurements


class AttackProgress(tqdm):
    """Shows finished images, slots in use, mean IoU to the labels of the images in them, and image-steps per second.

    Of several processes only the first shows a bar. It counts the images of all processes; slots, IoU and speed are
    those of the first.

    Args:
        total: images times attacks.
        disable: show nothing.
    """

    def __init__(self, total: int, disable: bool = False) -> None:
        # Without a terminal every refresh is a new line of a log file.
        interval = 0.2 if sys.stderr.isatty() else 10
        super().__init__(
            total=total, desc="attack", unit="image", disable=disable, mininterval=interval, dynamic_ncols=True
        )
        self._image_steps = self._successes = self._done = 0
        self._status = "starting"

    def watch(self, attack: str, measurements: Measurements) -> None:
        """Show the measurements of one step."""
        active = len(measurements["ids"])
        self._image_steps += active
        rate = self._image_steps / max(self.format_dict["elapsed"], 1e-9)
        self._status = f"{attack}: {active} slots, IoU {float(measurements['iou'].mean()):.3f}, {rate:.1f} steps/s"
        self._show(0)

    def done(self, row: Mapping[str, Any], rows_of_all: int = 1) -> None:
        """Count one row; `rows_of_all` is the number of rows that all processes have written, if there are several."""
        self._done += 1
        self._successes += bool(row["success8"])
        self._show(max(1, rows_of_all - self.n))

    def _show(self, new: int) -> None:
        self.set_postfix_str(f"{self._status}, success {self._successes}/{self._done}", refresh=False)
        self.update(new)
