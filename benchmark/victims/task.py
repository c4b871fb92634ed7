"""The victim: a segmentation network with its normalisation inside, and how it is trained."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassConfusionMatrix

from benchmark import metrics
from benchmark.errors import InputError
from benchmark.images.output_window import InputFrame, OutputWindow
from benchmark.label_subsets import NO_LABEL
from benchmark.model_errors import as_model_error
from benchmark.victims import adapters
from benchmark.victims.backward_pass import BackwardPass
from benchmark.victims.deployment import Deployment
from benchmark.victims.hyper_parameters import check_outputs, check_padding, check_training, normalisation, output_count
from benchmark.victims.losses import VOID, SegmentationLoss
from benchmark.victims.monai_bundle.bundle import BundleNetwork
from benchmark.victims.network_outputs import Choice, ChosenOutput, as_logits, checked_choice, chosen_output
from benchmark.victims.padding import Padding, pad
from benchmark.victims.smp_networks import build_network, network_stride


class Victim(BackwardPass):
    """Segmentation network that takes images in [0, 1] of any size.

    Args:
        architecture: name of an smp architecture, or of an adapter ("python", ...) for the module given as `network`.
        encoder: name of an smp encoder; unused for adapters.
        encoder_weights: None or the name of pretrained weights, such as "imagenet".
        classes: number of classes of the data, at least 2.
        head: "softmax", one logit per class; "sigmoid", one logit, positive for class 1 (two classes only); or
            "multilabel", one logit for each of K labels that may overlap, whose subsets are the 2^K classes.
        channels: of the images.
        background: the class that is not foreground in validation IoU and Dice; None: all are foreground.
        mean, std: per channel, or one number for all, on the [0, 1] scale. None: ImageNet's for three channels, .5 for
            other numbers; 0 and 1 for adapters, whose modules are taken as they are.
        stride: images are padded to multiples of it. None: what the network declares (smp's do), else 1.
        input_size: smaller images are first padded to that many pixels, evenly on all sides. None: not.
        output: which of several outputs of the network is the prediction; see `network_outputs.chosen_output`.
        options: further keyword arguments of the architecture.
        learning_rate, weight_decay: AdamW's; the rate is the highest of the schedule.
        schedule: "one_cycle", "cosine" or "none", over the optimizer's steps.
        deployment: keywords of `Deployment`, the steps before and after the network; None: no steps.
        network: the module that an adapter has made. It is not saved as a hyper-parameter, so that no checkpoint can
            name code to import.

    Raises:
        InputError: a value out of range, an unknown name, or pretrained weights that cannot be had.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        architecture: str,
        *,
        encoder: str | None = "resnet18",
        encoder_weights: str | None = None,
        classes: int = 2,
        head: str = "softmax",
        channels: int = 3,
        background: int | None = 0,
        mean: Sequence[float] | float | None = None,
        std: Sequence[float] | float | None = None,
        stride: int | None = None,
        input_size: int | None = None,
        output: Choice | None = None,
        options: Mapping[str, Any] | None = None,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-4,
        schedule: str = "one_cycle",
        deployment: Mapping[str, Any] | None = None,
        network: nn.Module | None = None,
    ) -> None:
        super().__init__()
        mean, std = normalisation(mean, std, channels, adapted=architecture in adapters.names())
        options = dict(options or {})
        around = Deployment.of(deployment or {})
        around.check_against(classes, NO_LABEL if head == "multilabel" else background)
        deployment = around.plain()
        if head == "multilabel" and background is not None:
            background = int(background)  # `NO_LABEL` is no plain value
        check_outputs(classes, head, background)
        check_padding(stride, input_size)
        check_training(learning_rate, weight_decay, schedule)
        # Lightning reads the local variables, so it saves the resolved, plain values.
        self.save_hyperparameters(ignore=["network"], logger=False)
        self.outputs = output_count(classes, head)
        self.deployment = around
        self.configure_models(network)
        # An adapter that knows which output is the prediction is overruled.
        self._output = checked_choice(output)
        if isinstance(self.network, ChosenOutput | BundleNetwork) and output is not None:
            self.network.choose_output(output)
            self._output = None
        self.configure_losses()
        self.configure_metrics()
        self.padding = Padding(stride or network_stride(self.network), input_size or 0)
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(values).view(-1, 1, 1), persistent=False)

    @property
    def multilabel(self) -> bool:
        """Whether the outputs are one logit per label, and classes the subsets of labels; for `AttackedModel`."""
        return bool(self.hparams["head"] == "multilabel")

    @property
    def background(self) -> int | None:
        """The class that is not foreground; `NO_LABEL` for a multilabel head."""
        return NO_LABEL if self.multilabel else self.hparams["background"]

    @property
    def label(self) -> str:
        """The victim's name in rows: architecture, encoder, and the steps of its deployment."""
        names = (self.hparams[key] for key in ("architecture", "encoder"))
        return "_".join(str(name) for name in names if name) + self.deployment.label()

    def configure_models(self, network: nn.Module | None) -> None:
        """Set `network`: the smp network that the hyper-parameters name, or the module that an adapter has made."""
        architecture = self.hparams["architecture"]
        if architecture in adapters.names():
            if network is None:
                key = adapters.needed(architecture)[0]
                raise InputError(f"victim of architecture {architecture} has no network; give victim.{key}")
            self.network = network
            return
        if network is not None:
            raise InputError(f"your own module needs architecture 'python', found {architecture!r}; use victim=python")
        keys = {key: self.hparams[key] for key in ("encoder_weights", "channels", "options")}
        self.network = build_network(architecture, encoder=str(self.hparams["encoder"]), outputs=self.outputs, **keys)

    def configure_losses(self) -> None:
        """Set `loss`, of logits, labels and valid pixels."""
        self.loss = SegmentationLoss(self.outputs, self.multilabel)

    def configure_metrics(self) -> None:
        """Set the metrics of validation: a confusion matrix, from which all scores are computed, and the mean loss."""
        self.confusion = MulticlassConfusionMatrix(self.hparams["classes"], ignore_index=VOID, validate_args=False)
        self.val_loss = MeanMetric()

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, K, H, W) of images (B, C, H, W) in [0, 1], as deployed; raises InputError as `network_logits`."""
        return self.deployment.logits(self.network_logits, images, sigmoids=self.multilabel)

    def postprocess(self, preds: Tensor) -> Tensor:
        """Predicted maps (B, H, W) after the deployment's post-processing."""
        return self.deployment.predictions(preds, self.hparams["classes"], self.background)

    def frame(self, height: int, width: int) -> InputFrame:
        """Where an image H × W lies in the network's padded input, and what the output shows; see `Padding.frame`."""
        return self.padding.frame(self.network, height, width)

    def window(self, height: int, width: int) -> OutputWindow:
        """The part of an image H × W that the logits are of."""
        return self.frame(height, width).shown(height, width)

    def pad(self, images: Tensor) -> Tensor:
        """The padded input of the network for images (..., C, H, W); padded images come back unchanged."""
        return pad(images, self.frame(*images.shape[-2:]))

    def network_logits(self, images: Tensor) -> Tensor:
        """The network's logits (B, K, h, w) of images (B, C, H, W) in [0, 1]; K = 1 for a sigmoid head, and of a
        multilabel head the number of labels.

        Images are padded and normalised first; logits of the padding are cut off. (h, w) is (H, W), unless the output
        of the network is smaller than its input; see `window`.

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
        returned = self.network((pad(images, frame) - self.mean) / self.std)
        expected = (images.shape[0], self.outputs, frame.output.height, frame.output.width)
        return frame.cut(as_logits(chosen_output(returned, self._output), expected), *size)

    def _windowed(self, batch: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
        """The parts (B, h, w) of mask and valid that the logits are of."""
        window = self.window(*batch["image"].shape[-2:])
        return window.crop(batch["mask"]), window.crop(batch["valid"])

    def training_step(self, batch: Mapping[str, Any], batch_idx: int) -> Tensor:
        """Cross-entropy plus Dice loss of {"image", "mask", "valid"}."""
        with as_model_error(self, batch["image"]):
            logits = self(batch["image"])
        loss = self.loss(logits, *self._windowed(batch))
        size = len(batch["image"])
        self.log("train/loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=size, sync_dist=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Reset both metrics, so that their tensors are created in inference mode, in which they are updated."""
        self.confusion.reset()
        self.val_loss.reset()

    def validation_step(self, batch: Mapping[str, Any], batch_idx: int) -> None:
        """Add the batch to the mean loss and to the confusion matrix."""
        with as_model_error(self, batch["image"]):
            logits = self(batch["image"])
        mask, valid = self._windowed(batch)
        # Weighted by the number of images, because several processes have shares of different sizes.
        self.val_loss.update(self.loss(logits, mask, valid), len(batch["image"]))
        if self.outputs == 1 or self.multilabel:
            logits = metrics.subset_logits(logits)
        preds = metrics.predicted(logits)
        self.confusion.update(self.postprocess(preds), mask.masked_fill(~valid, VOID))

    def on_validation_epoch_end(self) -> None:
        """Log pixel accuracy, and IoU and Dice of the foreground or of the labels, over all validation pixels."""
        self.log("val/loss", self.val_loss.compute())
        counts = self.confusion.compute()
        self.log("val/iou", metrics.iou(counts, self.background).float(), prog_bar=True)
        self.log("val/dice", metrics.dice(counts, self.background).float())
        self.log("val/accuracy", metrics.pixel_accuracy(counts).float())

    def test_step(self, batch: Mapping[str, Any], batch_idx: int) -> None:
        """Do nothing: the callback `AttackEpoch` predicts, attacks and measures, and writes the results as rows."""

    def configure_optimizers(self) -> Any:
        """AdamW, and the schedule stepped once per optimizer step."""
        rate, schedule = self.hparams["learning_rate"], self.hparams["schedule"]
        optimizer = torch.optim.AdamW(self.parameters(), lr=rate, weight_decay=self.hparams["weight_decay"])
        if schedule == "none":
            return optimizer
        steps = self.trainer.estimated_stepping_batches
        if steps == float("inf"):
            raise InputError(f"victim.schedule={schedule} needs an end; set trainer.max_epochs or victim.schedule=none")
        scheduler: LRScheduler
        if schedule == "one_cycle":
            scheduler = OneCycleLR(optimizer, rate, total_steps=max(int(steps), 2))
        else:
            scheduler = CosineAnnealingLR(optimizer, T_max=max(int(steps), 1))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


HYPER_PARAMETERS = frozenset(inspect.signature(Victim).parameters) - {"network"}
"""The hyper-parameters that a checkpoint of a victim holds."""
