"""Small victims that were fitted, and their checkpoints."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from benchmark.victims.loading import build_victim

SMALL: dict[str, Any] = {
    "architecture": "unet",
    "encoder": "resnet18",
    "options": {"encoder_depth": 2, "decoder_channels": [8, 4]},
    "classes": 2,
    "background": 0,
    "channels": 3,
}


def fitted(folder: Path, **config: Any) -> tuple[pl.LightningModule, Path]:
    """A victim after one epoch on four images, and its checkpoint."""
    torch.manual_seed(0)
    victim = build_victim(**(SMALL | config))
    masks = torch.randint(2, (4, 20, 20))
    data = [
        {"image": torch.rand(3, 20, 20), "mask": mask, "valid": torch.ones_like(mask, dtype=torch.bool), "id": "x"}
        for mask in masks
    ]
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(victim, DataLoader(data, 2), DataLoader(data, 2))
    trainer.save_checkpoint(folder / "victim.ckpt")
    return victim, folder / "victim.ckpt"


def altered(path: Path, **entries: Any) -> Path:
    """The checkpoint with top-level entries replaced; a dict is merged into the one that is there."""
    checkpoint = torch.load(path, weights_only=True)
    for name, value in entries.items():
        checkpoint[name] = {**checkpoint[name], **value} if isinstance(value, dict) else value
    torch.save(checkpoint, path)
    return path
