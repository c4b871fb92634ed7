"""Ends a Trainer between two batches when the process has been asked to stop."""

from typing import Any

import pytorch_lightning as pl

from benchmark.distributed.termination import check_stop, install_handlers


class CooperativeStop(pl.Callback):
    """Raises Stopped at the end of a batch; also takes SIGTERM back from Lightning.

    Lightning's handler waits for the other processes, and forever if they got no signal.
    """

    def on_sanity_check_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        install_handlers()

    on_train_start = on_test_start = on_sanity_check_start

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        check_stop()

    on_validation_batch_end = on_test_batch_end = on_train_batch_end
