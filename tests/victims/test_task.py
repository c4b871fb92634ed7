from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmark.errors import InputError
from benchmark.label_subsets import NO_LABEL
from benchmark.victims.task import Victim

SMALL: dict[str, Any] = {"architecture": "unet", "options": {"encoder_depth": 2, "decoder_channels": [8, 4]}}


def identity(network: nn.Module | None = None, **config: Any) -> Victim:
    """A victim whose logits are its normalised images, so that results are known by hand."""
    return Victim(architecture="python", network=network or nn.Identity(), **config)


def samples(n: int = 4, size: int = 24) -> list[dict[str, Any]]:
    torch.manual_seed(1)
    masks = (torch.rand(n, size, size) > 0.5).long()
    images = torch.rand(n, 3, size, size)
    return [
        {"image": i, "mask": m, "valid": torch.ones_like(m, dtype=torch.bool), "id": str(k)}
        for k, (i, m) in enumerate(zip(images, masks, strict=True))
    ]


class Recorder(nn.Module):
    """Keeps what the network is given."""

    def forward(self, inputs: Tensor) -> Tensor:
        self.inputs = inputs
        return inputs


def test_forward_normalises_pads_by_the_border_and_crops() -> None:
    network = Recorder()
    victim = identity(network, classes=3, stride=8, mean=[0.1, 0.2, 0.3], std=[0.5, 0.25, 2.0])
    images = torch.rand(2, 3, 9, 13)
    logits = victim(images)
    expected = (images - torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1)) / torch.tensor([0.5, 0.25, 2.0]).view(3, 1, 1)
    torch.testing.assert_close(logits, expected)
    assert network.inputs.shape == (2, 3, 16, 16)
    torch.testing.assert_close(network.inputs[..., 9:, :13], expected[..., 8:, :].expand(2, 3, 7, 13), rtol=0, atol=0)
    torch.testing.assert_close(network.inputs[..., 13:], network.inputs[..., 12:13].expand(2, 3, 16, 3))


@pytest.mark.parametrize(
    ("architecture", "channels", "mean", "std"),
    [
        ("unet", 3, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ("unet", 2, [0.5, 0.5], [0.5, 0.5]),
        ("python", 3, [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]),
    ],
)
def test_default_normalisation(architecture: str, channels: int, mean: list[float], std: list[float]) -> None:
    network = nn.Identity() if architecture == "python" else None
    victim = Victim(**(SMALL | {"architecture": architecture, "channels": channels}), network=network)
    assert victim.hparams["mean"] == mean
    assert victim.hparams["std"] == std
    torch.testing.assert_close(victim.mean.flatten(), torch.tensor(mean))
    torch.testing.assert_close(victim.std.flatten(), torch.tensor(std))


def test_one_number_is_that_of_all_channels() -> None:
    victim = identity(Recorder(), classes=3, mean=0.5, std=2)
    assert (victim.hparams["mean"], victim.hparams["std"]) == ([0.5] * 3, [2.0] * 3)


def test_mapping_with_out_is_read_as_logits() -> None:
    class Torchvision(nn.Module):
        def forward(self, inputs: Tensor) -> dict[str, Tensor]:
            return {"out": inputs[:, :2], "aux": inputs}

    images = torch.rand(1, 3, 5, 5)
    assert torch.equal(identity(Torchvision())(images), images[:, :2])


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_forward_under_bf16_autocast_and_channels_last(memory_format: torch.memory_format) -> None:
    torch.manual_seed(0)
    victim = Victim(**SMALL).eval().to(memory_format=memory_format)  # type: ignore[call-overload]
    images = torch.rand(2, 3, 22, 30)
    with torch.no_grad():
        exact = victim(images)
        with torch.autocast("cpu", torch.bfloat16):
            reduced = victim(images.contiguous(memory_format=memory_format))
    assert reduced.dtype == torch.bfloat16
    torch.testing.assert_close(reduced.float(), exact, rtol=0.1, atol=0.1)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"classes": 1}, "at least 2 classes, found 1"),
        ({"head": "softmx"}, "head='softmx' is unknown; use one of softmax, sigmoid"),
        ({"head": "sigmoid", "classes": 3}, "the data have 3; use victim.head=softmax"),
        ({"background": 2}, "background=2 is not one of 2"),
        ({"stride": 0}, "stride=0 must be at least 1"),
        ({"schedule": "linear"}, "schedule='linear' is unknown"),
        ({"learning_rate": 0.0}, "learning_rate=0.0 must be positive"),
        ({"weight_decay": -1.0}, "weight_decay=-1.0 must not be negative"),
        ({"encoder": None}, "unknown encoder 'None' in victim.encoder"),
        ({"mean": [0.5]}, "mean has 1 values, the images 3 channels"),
        (
            {"mean": "dark"},
            r"victim.mean=dark: must be one number, or one per channel, such as victim.mean=\[.5,.5,.5\]",
        ),
        ({"std": [0.5, None, 0.5]}, r"victim.std=\[0.5, None, 0.5\]: must be one number"),
        ({"mean": {"r": 0.5}}, "must be one number, or one per channel"),
        ({"mean": float("nan")}, "must be one number, or one per channel"),
        ({"std": True}, "must be one number, or one per channel"),
        ({"std": [1.0, 1.0, 0.0]}, r"std=.* must be positive"),
        ({"architecture": "python"}, "give victim.factory"),
        ({"network": nn.Identity()}, "needs architecture 'python', found 'unet'"),
    ],
)
def test_bad_hyper_parameters(config: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Victim(**(SMALL | config))


def test_images_of_other_channels_are_refused() -> None:
    with pytest.raises(InputError, match=r"takes images \(B, 3, H, W\), found shape \(1, 1, 8, 8\)"):
        identity()(torch.rand(1, 1, 8, 8))


@pytest.mark.parametrize("network", [nn.Conv2d(3, 5, 1), nn.Conv2d(3, 2, 1, stride=2), nn.Flatten(0)])
def test_network_with_other_output_is_refused(network: nn.Module) -> None:
    with pytest.raises(InputError, match=r"expected logits of shape \(1, 2, 8, 8\)"):
        identity(network)(torch.rand(1, 3, 8, 8))


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_validation_scores_match_counts_by_hand(head: str) -> None:
    # Rows of 4 pixels; class 1 is predicted on the first two, true on the middle two; the last pixel is void.
    z = torch.tensor([1.0, 0.6, 0.0, 0.0]).view(1, 1, 1, 4)
    if head == "softmax":
        victim = identity(channels=2, head=head)
        image = torch.cat([0.5 - z / 2, z / 2 + 0.25], 1)
    else:
        victim = identity(channels=1, head=head, mean=[0.3])
        image = z
    batch = {
        "image": image,
        "mask": torch.tensor([[[0, 1, 1, 1]]]),
        "valid": torch.tensor([[[True, True, True, False]]]),
        "id": ["a"],
    }
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False)
    (scores,) = trainer.validate(victim, DataLoader([batch], batch_size=None), verbose=False)
    assert scores["val/iou"] == pytest.approx(1 / 3)
    assert scores["val/dice"] == pytest.approx(1 / 2)
    assert scores["val/accuracy"] == pytest.approx(1 / 3)
    assert scores["val/loss"] > 0


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "none"])
def test_fit_learns_and_steps_the_schedule(head: str, schedule: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    data = samples()
    for sample in data:  # linearly separable, so that a single convolution learns it
        sample["mask"] = (sample["image"][0] > 0.5).long()
    network = nn.Conv2d(3, 2 if head == "softmax" else 1, 1)
    victim = identity(network, head=head, schedule=schedule, learning_rate=0.5)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=12,
        logger=CSVLogger(tmp_path),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
    )
    untrained = trainer.validate(victim, DataLoader(data, 4), verbose=False)[0]
    trainer.fit(victim, DataLoader(data, 2), DataLoader(data, 4))
    assert trainer.global_step == 24
    final = {name: float(value) for name, value in trainer.callback_metrics.items()}
    assert {"train/loss", "val/loss", "val/iou", "val/dice", "val/accuracy"} <= final.keys()
    assert final["val/iou"] > max(untrained["val/iou"], 0.8)
    rate = trainer.optimizers[0].param_groups[0]["lr"]
    assert rate == pytest.approx(0.5) if schedule == "none" else rate < 0.01


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine"])
def test_schedule_over_a_single_step(schedule: str) -> None:
    trainer = pl.Trainer(
        accelerator="cpu", max_steps=1, logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    victim = Victim(**SMALL, schedule=schedule)
    trainer.fit(victim, DataLoader(samples(), 4))
    assert trainer.global_step == 1


def test_schedule_without_an_end_is_refused() -> None:
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=-1, logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    with pytest.raises(InputError, match=r"set trainer.max_epochs or victim.schedule=none"):
        trainer.fit(Victim(**SMALL), DataLoader(samples(), 4))


def test_testing_logs_nothing() -> None:
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False)
    assert trainer.test(Victim(**SMALL), DataLoader(samples(), 4), verbose=False) == [{}]


def test_validation_of_labels_that_overlap() -> None:
    victim = identity(classes=8, head="multilabel", background=NO_LABEL)
    assert (victim.outputs, victim.multilabel, victim.hparams["background"]) == (3, True, 0)
    assert type(victim.hparams["background"]) is int
    batch = {"image": torch.zeros(1, 3, 1, 2), "mask": torch.tensor([[[3, 4]]]), "valid": torch.ones(1, 1, 2).bool()}
    batch["image"] -= torch.tensor([-1.0, 1, 1]).view(3, 1, 1)  # label 0 everywhere, no other one
    logged: dict[str, float] = {}
    victim.log = lambda name, value, **_: logged.update({name: float(value)})  # type: ignore[method-assign]
    victim.on_validation_epoch_start()
    victim.validation_step(batch, 0)
    victim.on_validation_epoch_end()
    assert logged["val/iou"] == pytest.approx((1 / 2 + 0 + 0) / 3)
    assert logged["val/dice"] == pytest.approx((2 / 3 + 0 + 0) / 3)


@pytest.mark.parametrize(
    ("classes", "background", "message"),
    [
        (6, 0, "victim.head=multilabel: 6 classes are not the subsets of 1 to 6 labels"),
        (128, 0, "victim.head=multilabel: 128 classes are not the subsets of 1 to 6 labels"),
        (4, None, "victim.head=multilabel: background=None: class 0 is the subset without labels"),
    ],
)
def test_classes_of_a_multilabel_head(classes: int, background: int | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Victim(**SMALL, head="multilabel", classes=classes, background=background)
