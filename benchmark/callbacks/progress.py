"""What one sees of an attack epoch while it is going on."""

import sys
from collections.abc import Mapping
from typing import Any

from pytorch_lightning.callbacks import TQDMProgressBar
from pytorch_lightning.callbacks.progress.tqdm_progress import Tqdm
from tqdm import tqdm

from benchmark.engine import Measurements


class AttackProgress:
    """Images done of all, slots in use, mean IoU to the labels of the images in them, image-steps per second.

    Of several processes only the first has one: the images are everybody's, the rest is its own.

    Args:
        total: images times attacks.
        disable: show nothing.
    """

    def __init__(self, total: int, disable: bool = False) -> None:
        # Without a terminal every refresh is a new line of a log file.
        interval = 0.2 if sys.stderr.isatty() else 10
        self._bar = tqdm(
            total=total, desc="attack", unit="image", disable=disable, mininterval=interval, dynamic_ncols=True
        )
        self._image_steps = self._successes = self._done = 0
        self._working = "starting"

    def watch(self, attack: str, measurements: Measurements) -> None:
        """Take in one step."""
        active = len(measurements["ids"])
        self._image_steps += active
        rate = self._image_steps / max(self._bar.format_dict["elapsed"], 1e-9)
        self._working = f"{attack}: {active} slots, IoU {float(measurements['iou'].mean()):.3f}, {rate:.1f} steps/s"
        self._show(0)

    def done(self, row: Mapping[str, Any], everybodys: int = 1) -> None:
        """Take in one finished row; `everybodys` is how many there are of all processes, or 1 if there is only one."""
        self._done += 1
        self._successes += bool(row["success8"])
        self._show(max(1, everybodys - self._bar.n))

    def close(self) -> None:
        self._bar.close()

    def _show(self, finished: int) -> None:
        self._bar.set_postfix_str(f"{self._working}, success {self._successes}/{self._done}", refresh=False)
        self._bar.update(finished)


class TrainingProgress(TQDMProgressBar):
    """Lightning's bar for training; the test loop has the attack epoch's own."""

    def __init__(self) -> None:
        super().__init__(refresh_rate=1 if sys.stderr.isatty() else 0, leave=False)

    def init_test_tqdm(self) -> Tqdm:
        return Tqdm(disable=True)
