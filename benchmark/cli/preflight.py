"""Checks that find, before anything is computed or written, what would stop a run later."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import Dataset

from benchmark.callbacks.attack_epoch import check_precision
from benchmark.cli.context import Context
from benchmark.config.build import build_adversarial_training, build_trainer
from benchmark.data.datamodule import SegmentationData
from benchmark.engine.kept_state import kept_state
from benchmark.errors import InputError
from benchmark.evaluation.case import split_of
from benchmark.evaluation.predicted_labels import predict_labels
from benchmark.evaluation.session import Session
from benchmark.images.quantisation import Quantizer
from benchmark.model_errors import as_model_error
from benchmark.victims.task import Victim


def rehearse(context: Context, victim: Victim, *, fits: bool, attacks: bool) -> torch.device:
    """Read the images, draw the targets, build trainer and engines, and predict one image.

    `fits` says whether the victim will be trained, `attacks` whether the test images will be attacked. Returns the
    device that this process will work on. Raises InputError for whatever would stop the run.
    """
    trainer = build_trainer(context.cfg, context.folder.path, [], [], context.processes)
    check_precision(trainer)
    device = trainer.strategy.root_device
    if fits:
        build_adversarial_training(context.cfg)
        _rehearse_training(context, trainer)
        _rehearse_lone_images(victim, context.data)
        if context.training.attack_every:
            _rehearse_attack(context, victim, "val")
    if attacks:
        context.data.setup("test")
        if context.data.is_predicted:
            saved = context.folder if context.resumed else None
            predict_labels(context.data, victim, precision=context.cfg.engine.precision, device=device, saved=saved)
        _rehearse_attack(context, victim, "test")
    return device


def _rehearse_training(context: Context, trainer: pl.Trainer) -> None:
    for name in ("max_epochs", "limit_train_batches", "limit_val_batches"):
        if getattr(trainer, name) == 0:
            raise InputError(f"trainer.{name}=0: no victim would be trained and chosen by validation; give at least 1")
    if trainer.max_epochs == -1 and trainer.max_steps == -1 and context.cfg.victim.schedule != "none":
        raise InputError(
            f"trainer.max_epochs=-1: victim.schedule={context.cfg.victim.schedule} needs an end; "
            "give trainer.max_epochs or victim.schedule=none"
        )
    context.data.setup("fit")
    context.data.train_dataloader()


def _rehearse_lone_images(victim: Victim, data: SegmentationData) -> None:
    """Raise InputError if batches have one image, and the victim's batch norms cannot normalise its features.

    They cannot where pooling leaves one value of a feature: its variance would be that of one number.
    """
    if data.batch_size > 1:
        return
    dataset: Any = data.train_dataloader().dataset
    image = dataset[0]["image"][None]
    modes = [(module, module.training) for module in victim.modules()]
    try:
        with (
            kept_state(victim),
            torch.no_grad(),
            torch.random.fork_rng(devices=[]),
            as_model_error(victim.train(), image, act="fails in training"),
        ):
            victim(image)
    finally:
        for module, mode in modes:
            module.training = mode


def _rehearse_attack(context: Context, victim: Victim, split: str) -> None:
    data = context.data
    dataset: Dataset = (data.test_dataloader() if split == "test" else data.val_dataloader()).dataset
    images = split_of(data, split)
    quantizer = Quantizer(data.bits)
    if quantizer.bits > 8 and (context.plan.defences or victim.deployment.transform):
        raise InputError(f"data.bits={quantizer.bits}: input transforms are of 8-bit images; leave them out")
    session = Session(context.plan, victim, images, quantizer=quantizer, class_pixels=data.class_pixels)
    with kept_state(victim), session:
        session.check(dataset[index] for index in range(len(images.ids)))
