"""TensorBoard: Lightning's metrics, and the curves, summary numbers and montages of an attack epoch."""

import os
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.loggers.logger import rank_zero_experiment

from benchmark.images.image_files import open_picture
from benchmark.runs import layout
from benchmark.tracking.epoch import FinishedEpoch
from benchmark.tracking.guard import Guard
from benchmark.tracking.points import MONTAGE, VICTIM_CHECK, attack_logs, victim_doubts
from benchmark.tracking.wandb.logger import without_secrets

_SUFFIX = ".attacks"  # of the event file of an attack epoch


class TensorBoardRun(TensorBoardLogger):
    """Writes event files to `save_dir`/tensorboard; a resumed run adds further files.

    An attack epoch has its own file, `events.*.attacks`, which the next attack epoch of the run replaces: TensorBoard
    draws repeated points as curves that run backwards. `config` is shown as text, without entries that are named like
    keys or passwords.
    """

    def __init__(self, save_dir: str | os.PathLike[str], config: Mapping[str, Any] | None = None) -> None:
        super().__init__(os.fspath(save_dir), name=layout.TENSORBOARD, version="", default_hp_metric=False)
        self._config = without_secrets(config or {})

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The `SummaryWriter`."""
        begins = self._experiment is None
        writer = super().experiment
        if begins and self._config:
            text = OmegaConf.to_yaml(OmegaConf.create(self._config))
            writer.add_text("config", textwrap.indent(text, "    "), 0)
        return writer

    def save(self) -> None:
        """Write buffered events. Lightning's own method would write hyper-parameters, which config.yaml has."""
        if self._experiment is not None:
            self._experiment.flush()

    def log_attack_epoch(self, epoch: FinishedEpoch) -> None:
        """Log curves, the numbers of the summary (at step 0) and montages, under the keys of `tracking.points`."""
        from torch.utils.tensorboard import SummaryWriter

        folder = Path(self.log_dir)
        for previous in folder.glob(f"events.*{_SUFFIX}"):
            previous.unlink()
        guard = Guard("TensorBoard")
        with SummaryWriter(str(folder), filename_suffix=_SUFFIX) as writer:
            with guard("logging the doubts about the victim"):
                writer.add_text(VICTIM_CHECK, victim_doubts(epoch), 0)
            for log in attack_logs(epoch):
                axis = log.over_steps.axis
                with guard("logging curves"):
                    for point in log.over_steps.points:
                        for key in point.keys() - {axis}:
                            writer.add_scalar(key, point[key], int(point[axis]))
                with guard("logging the summary"):
                    for key, value in log.summary.items():
                        if isinstance(value, int | float) and not isinstance(value, bool):
                            writer.add_scalar(key, value, 0)
                with guard("logging the montage"):
                    if log.montage is not None:
                        with open_picture(log.montage, inside=log.montage.parent) as picture:
                            pixels = np.asarray(picture.convert("RGB"))
                        writer.add_image(log.key(MONTAGE), pixels, 0, dataformats="HWC")

    def finish(self, exit_code: int = 0) -> None:
        """Close the files."""
        if self._experiment is not None:
            self._experiment.close()
