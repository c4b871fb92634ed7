"""Training whose backward pass, like all other passes of a network, fails in one line."""

from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from benchmark.model_errors import as_call_error


class BackwardPass(pl.LightningModule):
    """A Lightning module that names itself where its backward pass fails."""

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """The gradients of the loss. Raises InputError for whatever the network raises there."""
        with as_call_error(self, "trained, in its backward pass"):
            super().backward(loss, *args, **kwargs)
