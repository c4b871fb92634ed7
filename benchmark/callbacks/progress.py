"""Lightning's progress bar, for training only."""

import sys

from pytorch_lightning.callbacks import TQDMProgressBar
from pytorch_lightning.callbacks.progress.tqdm_progress import Tqdm


class TrainingProgress(TQDMProgressBar):
    """Shows no bar in the test loop, where the attack epoch has its own (`evaluation.progress.AttackProgress`)."""

    def __init__(self) -> None:
        super().__init__(refresh_rate=1 if sys.stderr.isatty() else 0, leave=False)

    def init_test_tqdm(self) -> Tqdm:
        return Tqdm(disable=True)
