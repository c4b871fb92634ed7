"""The victim: a segmentation network with its normalisation inside, and how it is trained."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassConfusionMatrix

from benchmark import metrics
from benchmark.errors import InputError
from benchmark.images.output_window import InputFrame, OutputWindow
from benchmark.victims import adapters
from benchmark.victims.deployment import Deployment
from benchmark.victims.losses import VOID, SegmentationLoss
from benchmark.victims.smp_networks import build_network, network_stride

HEADS = ("softmax", "sigmoid")
SCHEDULES = ("one_cycle", "cosine", "none")

_IMAGENET_MEAN, _IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


class Victim(pl.LightningModule):
    """Segmentation network that takes images in [0, 1] of any size.

    Args:
        architecture: name of an smp architecture, or of an adapter ("python", ...) for the module given as `network`.
        encoder: name of an smp encoder; unused for adapters.
        encoder_weights: None or the name of pretrained weights, such as "imagenet".
        classes: number of classes of the data, at least 2.
        head: "softmax", one logit per class, or "sigmoid", one logit, positive for class 1 (two classes only).
        channels: of the images.
        background: the class that is not foreground in validation IoU and Dice; None: all are foreground.
        mean, std: per channel, on the [0, 1] scale. None: ImageNet's for three channels, .5 for other numbers;
            0 and 1 for adapters, whose modules are taken as they are.
        stride: images are padded to multiples of it. None: what the network declares (smp's do), else 1.
        input_size: smaller images are first padded to that many pixels, evenly on all sides. None: not.
        options: further keyword arguments of the smp architecture.
        learning_rate, weight_decay: AdamW's; the rate is the highest of the schedule.
        schedule: "one_cycle", "cosine" or "none", over the optimizer's steps.
        deployment: what is done around the network, as keywords of `Deployment`; None: nothing.
        network: the module for the architecture of an adapter. Given as an object and not saved as a hyper-parameter,
            so that no checkpoint can name code to import.

    Raises:
        InputError: a value out of range, an unknown name, or pretrained weights that cannot be had.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        architecture: str,
        encoder: str | None = "resnet18",
        encoder_weights: str | None = None,
        classes: int = 2,
        head: str = "softmax",
        channels: int = 3,
        background: int | None = 0,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        stride: int | None = None,
        input_size: int | None = None,
        options: Mapping[str, Any] | None = None,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-4,
        schedule: str = "one_cycle",
        deployment: Mapping[str, Any] | None = None,
        network: nn.Module | None = None,
    ) -> None:
        super().__init__()
        mean, std = _statistics(mean, std, channels, taken_as_is=architecture in adapters.names())
        options = dict(options or {})
        around = Deployment.of(deployment or {})
        around.check_against(classes, background)
        deployment = around.plain()
        _check_outputs(classes, head, background)
        for name, value in (("stride", stride), ("input_size", input_size)):
            if value is not None and value < 1:
                raise InputError(f"victim.{name}={value} must be at least 1, or null")
        _check_training(learning_rate, weight_decay, schedule)
        # Reads this frame's locals, so what is saved are the resolved, plain values. The logger gets the run's whole
        # configuration elsewhere.
        self.save_hyperparameters(ignore=["network"], logger=False)
        self.outputs = classes if head == "softmax" else 1
        self.deployment = around
        self.configure_network(network)
        self.stride = stride or network_stride(self.network)
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(values).view(-1, 1, 1), persistent=False)
        self.loss = SegmentationLoss(self.outputs)
        # One table of counts; the scores are computed from it as they are for the rows of an attack.
        self.confusion = MulticlassConfusionMatrix(classes, ignore_index=VOID, validate_args=False)
        self.val_loss = MeanMetric()

    @property
    def label(self) -> str:
        """Architecture and encoder, and what is around them: what rows call it."""
        found = (self.hparams[key] for key in ("architecture", "encoder"))
        return "_".join(str(value) for value in found if value) + self.deployment.label()

    def configure_network(self, network: nn.Module | None) -> None:
        """Build the smp network the hyper-parameters name, or take the module given for an adapter's architecture."""
        own = self.hparams
        if own["architecture"] in adapters.names():
            if network is None:
                key = adapters.needed(own["architecture"])[0]
                raise InputError(f"victim of architecture {own['architecture']} has no network; give victim.{key}")
            self.network = network
            return
        if network is not None:
            raise InputError(
                f"a module of your own needs architecture 'python', found {own['architecture']!r}; use victim=python"
            )
        self.network = build_network(
            own["architecture"],
            encoder=str(own["encoder"]),
            encoder_weights=own["encoder_weights"],
            channels=own["channels"],
            outputs=self.outputs,
            options=own["options"],
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, K, H, W) of images (B, C, H, W) in [0, 1], as deployed; K = 1 for a sigmoid head.

        Raises:
            InputError: the images' channels or the network's output do not fit the hyper-parameters.
        """
        return self.deployment.logits(self.network_logits, images)

    def postprocess(self, preds: Tensor) -> Tensor:
        """The maps (B, H, W) of predicted classes as they are handed on, after post-processing."""
        own = self.hparams
        return self.deployment.predictions(preds, own["classes"], own["background"])

    def frame(self, height: int, width: int) -> InputFrame:
        """How an image H × W is padded for the network, and which part of that the network's output is of.

        Padded evenly up to `input_size`, then at the bottom and right to multiples of the stride: what is padded
        already is not padded again. The output is the input's centre where the network is a module with a method
        `output_size(H, W)` that says (h, w); of others it has the input's size.

        Raises:
            InputError: the network takes no input of that size, or returns less than it on one side only.
        """
        lacking = [max((self.hparams["input_size"] or 0) - side, 0) for side in (height, width)]
        (top, bottom), (left, right) = ((each // 2, each - each // 2) for each in lacking)
        bottom += -(height + lacking[0]) % self.stride
        right += -(width + lacking[1]) % self.stride
        inputs = (height + top + bottom, width + left + right)
        said = getattr(self.network, "output_size", None)
        outputs = inputs if said is None else said(*inputs)
        margins = [have - shown for have, shown in zip(inputs, outputs, strict=True)]
        if any(margin < 0 or margin % 2 for margin in margins):
            raise InputError(f"the victim's network has an output {outputs} that is no centre of its input {inputs}")
        return InputFrame((left, right, top, bottom), OutputWindow(margins[0] // 2, margins[1] // 2, *outputs))

    def window(self, height: int, width: int) -> OutputWindow:
        """The part of an image H × W that the logits are of."""
        return self.frame(height, width).shown(height, width)

    def pad(self, images: Tensor) -> Tensor:
        """What the network is given for images (..., C, H, W): their border repeated. Padded ones come back as such."""
        padding = self.frame(*images.shape[-2:]).padding
        return F.pad(images, padding, mode="replicate") if any(padding) else images

    def network_logits(self, images: Tensor) -> Tensor:
        """The network's logits (B, K, h, w) of images (B, C, H, W) in [0, 1]; K = 1 for a sigmoid head.

        Padded, normalised, and of the logits those that are of the image itself: (h, w) = (H, W) for all networks but
        those whose output is smaller than their input, see `window`.

        Raises:
            InputError: the images' channels or the network's output do not fit the hyper-parameters.
        """
        channels = self.hparams["channels"]
        if images.ndim != 4 or images.shape[1] != channels:
            raise InputError(
                f"the victim takes images (B, {channels}, H, W), found shape {tuple(images.shape)}; "
                "use data of that many channels or train a victim for these"
            )
        size = images.shape[-2:]
        frame = self.frame(*size)
        logits = self.network((self.pad(images) - self.mean) / self.std)
        if isinstance(logits, Mapping):  # as torchvision's segmentation networks return them
            logits = logits.get("out")
        expected = (images.shape[0], self.outputs, frame.output.height, frame.output.width)
        if not isinstance(logits, Tensor) or logits.shape != expected:
            found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise InputError(
                f"the victim's network returned {found}, expected logits of shape {expected}; "
                "set data.classes, victim.head and victim.stride to match it or wrap it so that it does"
            )
        return frame.cut(logits, *size)

    def _windowed(self, batch: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
        """Mask and valid (B, h, w) where there are logits."""
        window = self.window(*batch["image"].shape[-2:])
        return window.crop(batch["mask"]), window.crop(batch["valid"])

    def training_step(self, batch: Mapping[str, Any], batch_idx: int) -> Tensor:
        """Cross-entropy plus Dice loss of {"image", "mask", "valid"}."""
        loss = self.loss(self(batch["image"]), *self._windowed(batch))
        size = len(batch["image"])
        self.log("train/loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=size, sync_dist=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Empty both sums: at the start, so that their tensors are made in the (inference) mode they are updated in."""
        self.confusion.reset()
        self.val_loss.reset()

    def validation_step(self, batch: Mapping[str, Any], batch_idx: int) -> None:
        """Add the batch to the validation loss and to the table of counts."""
        logits, (mask, valid) = self(batch["image"]), self._windowed(batch)
        # Weighted by images: the shares of several processes differ.
        self.val_loss.update(self.loss(logits, mask, valid), len(batch["image"]))
        preds = (logits > 0)[:, 0].long() if self.outputs == 1 else metrics.predicted(logits)
        self.confusion.update(self.postprocess(preds), mask.masked_fill(~valid, VOID))

    def on_validation_epoch_end(self) -> None:
        """Log IoU and Dice of the foreground and pixel accuracy over all validation pixels."""
        self.log("val/loss", self.val_loss.compute())
        counts = self.confusion.compute()
        background = self.hparams["background"]
        self.log("val/iou", metrics.iou(counts, background).float(), prog_bar=True)
        self.log("val/dice", metrics.dice(counts, background).float())
        self.log("val/accuracy", metrics.pixel_accuracy(counts).float())

    def test_step(self, batch: Mapping[str, Any], batch_idx: int) -> None:
        """Nothing: the attack epoch's callback predicts, measures and attacks, and all results come from its rows."""

    def configure_optimizers(self) -> Any:
        """AdamW, and the schedule stepped once per optimizer step."""
        own = self.hparams
        optimizer = torch.optim.AdamW(self.parameters(), lr=own["learning_rate"], weight_decay=own["weight_decay"])
        schedule = own["schedule"]
        if schedule == "none":
            return optimizer
        steps = self.trainer.estimated_stepping_batches
        if steps == float("inf"):
            raise InputError(f"victim.schedule={schedule} needs an end; set trainer.max_epochs or victim.schedule=none")
        scheduler: torch.optim.lr_scheduler.LRScheduler
        if schedule == "one_cycle":
            scheduler = torch.optim.lr_scheduler.OneCycleLR(
                optimizer, own["learning_rate"], total_steps=max(int(steps), 2)
            )
        else:
            scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=max(int(steps), 1))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def _statistics(
    mean: Sequence[float] | None, std: Sequence[float] | None, channels: int, *, taken_as_is: bool
) -> tuple[list[float], list[float]]:
    if taken_as_is:
        default = [0.0] * channels, [1.0] * channels
    elif channels == 3:
        default = _IMAGENET_MEAN, _IMAGENET_STD
    else:
        default = [0.5] * channels, [0.5] * channels
    chosen = tuple(
        [float(v) for v in (d if given is None else given)] for given, d in zip((mean, std), default, strict=True)
    )
    for name, values in zip(("mean", "std"), chosen, strict=True):
        if len(values) != channels:
            raise InputError(
                f"victim.{name} has {len(values)} values, the images {channels} channels; give one per channel"
            )
    if not all(value > 0 for value in chosen[1]):
        raise InputError(f"victim.std={chosen[1]} must be positive")
    return chosen[0], chosen[1]


def _check_outputs(classes: int, head: str, background: int | None) -> None:
    if classes < 2:
        raise InputError(f"a victim needs at least 2 classes, found {classes}; count the background as one")
    if head not in HEADS:
        raise InputError(f"victim.head={head!r} is unknown; use one of {', '.join(HEADS)}")
    if head == "sigmoid" and classes != 2:
        raise InputError(f"victim.head=sigmoid tells 2 classes apart, the data have {classes}; use victim.head=softmax")
    if background is not None and not 0 <= background < classes:
        raise InputError(
            f"background class {background} is not one of {classes} classes; use 0 to {classes - 1} or null"
        )


def _check_training(learning_rate: float, weight_decay: float, schedule: str) -> None:
    if not learning_rate > 0:
        raise InputError(f"victim.learning_rate={learning_rate} must be positive")
    if not weight_decay >= 0:
        raise InputError(f"victim.weight_decay={weight_decay} must not be negative")
    if schedule not in SCHEDULES:
        raise InputError(f"victim.schedule={schedule!r} is unknown; use one of {', '.join(SCHEDULES)}")
