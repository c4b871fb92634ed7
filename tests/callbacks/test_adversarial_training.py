"""Adversarial training: what is attacked, how far, seeded by what, and that it is logged and left as it was."""

from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from benchmark.attacks.asma import ASMA
from benchmark.attacks.pgd import PGD
from benchmark.callbacks.adversarial_training import MONITOR, AdversarialTraining, TrainingAttack
from benchmark.errors import InputError
from benchmark.victims.task import Victim

EPS = 8 / 255
RULE = PGD(targeted=False, norm="inf", eps=EPS, relative_step=0.5)


class _Epoch:
    """As much of a Trainer as the callback asks for."""

    def __init__(self, current_epoch: int) -> None:
        self.current_epoch = current_epoch


def _batch(data) -> dict[str, Any]:
    return next(iter(data.train_dataloader()))


def _attacked(victim, batch: dict[str, Any], epoch: int = 0, seed: int = 0, **options: Any) -> torch.Tensor:
    """The batch's images after the hook."""
    copy = dict(batch)
    how = AdversarialTraining(TrainingAttack(**{"rule": RULE, "max_steps": 2, "share": 1.0} | options), seed, 0)
    how.on_train_batch_start(_Epoch(epoch), victim, copy, 0)  # type: ignore[arg-type]
    assert torch.equal(batch["mask"], copy["mask"])
    return copy["image"]


def _loss(victim, images, batch) -> torch.Tensor:
    with torch.no_grad():
        return victim.eval().loss(victim(images), batch["mask"], batch["valid"])


def test_images_leave_the_truth_within_the_budget(victim, data) -> None:
    batch = _batch(data)
    adv = _attacked(victim, batch, max_steps=5)
    assert (adv - batch["image"]).abs().max() <= EPS + 1e-6
    assert ((adv - batch["image"]).flatten(1).abs().amax(1) > EPS / 2).all()
    assert adv.min() >= 0
    assert adv.max() <= 1
    assert _loss(victim, adv, batch) > _loss(victim, batch["image"], batch)


def test_a_targeted_rule_goes_to_the_next_images_mask(victim, data) -> None:
    batch = _batch(data)
    adv = _attacked(victim, batch, rule=ASMA(tau=1e-2, beta=1e-1), max_steps=20)
    aimed = batch | {"mask": batch["mask"].roll(-1, 0)}
    assert _loss(victim, adv, aimed) < _loss(victim, batch["image"], aimed)
    alone = {name: values[:1] for name, values in batch.items()}
    assert _attacked(victim, alone, rule=ASMA()) is alone["image"]


def test_an_images_perturbation_depends_on_seed_epoch_and_id_alone(victim, data) -> None:
    batch, victim = _batch(data), victim.double()
    batch["image"] = batch["image"].double()
    adv = _attacked(victim, batch)
    backwards = {name: values.flip(0) if torch.is_tensor(values) else values[::-1] for name, values in batch.items()}
    torch.testing.assert_close(_attacked(victim, backwards).flip(0), adv, rtol=0, atol=1e-9)
    assert torch.equal(_attacked(victim, batch), adv)
    assert not torch.equal(_attacked(victim, batch, epoch=1), adv)
    assert not torch.equal(_attacked(victim, batch, seed=1), adv)


def test_batch_norm_and_modes_are_left_alone(victim, data) -> None:
    victim.train()
    victim.network[0].eval()
    before = {name: value.clone() for name, value in victim.state_dict().items()}
    modes = [module.training for module in victim.modules()]
    _attacked(victim, _batch(data))
    assert all(torch.equal(before[name], value) for name, value in victim.state_dict().items())
    assert [module.training for module in victim.modules()] == modes
    assert all(parameter.requires_grad for parameter in victim.parameters())


def test_the_share_is_drawn_image_by_image_and_anew_every_epoch(victim, data) -> None:
    batch = _batch(data)
    chosen = []
    for epoch in range(100):
        changed = (_attacked(victim, batch, epoch, share=0.3, max_steps=1) != batch["image"]).flatten(1).any(1)
        chosen += changed.tolist()
    # 200 draws of probability .3: five standard deviations are .16.
    assert abs(sum(chosen) / len(chosen) - 0.3) < 0.16
    assert len(set(zip(chosen[::2], chosen[1::2], strict=True))) == 4


def test_the_warm_up_is_clean(victim, data) -> None:
    batch = _batch(data)
    assert _attacked(victim, batch, epoch=1, warmup_epochs=2) is batch["image"]
    assert not torch.equal(_attacked(victim, batch, epoch=2, warmup_epochs=2), batch["image"])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"share": 0.0}, "adversarial_training.share=0.0: must be above 0 and at most 1"),
        ({"share": 1.5}, "adversarial_training.share=1.5: must be above 0 and at most 1"),
        ({"max_steps": 0}, "adversarial_training.max_steps=0: must be at least 1"),
        ({"warmup_epochs": -1}, "adversarial_training.warmup_epochs=-1: must be at least 0"),
    ],
)
def test_values_out_of_range(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        TrainingAttack(RULE, **wrong)


def test_clean_and_attacked_iou_are_logged(victim, data, make_trainer) -> None:
    """The attacked one is what the same attack does, image by image, to the victim as it is after the epoch."""
    adversarial_training = TrainingAttack(RULE, max_steps=2, share=1.0)
    trainer: pl.Trainer = make_trainer(
        AdversarialTraining(adversarial_training, 0, 0), max_epochs=1, num_sanity_val_steps=1
    )
    trainer.fit(victim, datamodule=data)
    logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
    assert {"val/iou", MONITOR, "train/loss"} <= logged.keys()
    assert logged[MONITOR] <= logged["val/iou"] + 0.05
    counts = torch.zeros(2, 2, dtype=torch.int64)
    from benchmark import metrics
    from benchmark.engine import attack

    for item in (data.val_dataloader().dataset[i] for i in range(3)):
        options: dict[str, Any] = {"judge": _away(), "max_steps": 2, "stop": False, "keep": "last"}
        done = attack(
            victim,
            item["image"][None],
            item["mask"][None],
            RULE,
            ids=[item["id"]],
            name="adversarial_training, validation",
            **options,
        )
        counts += metrics.confusion(done.finished[0].adv_preds[None], item["mask"][None], item["valid"][None], 2)[0]
    assert logged[MONITOR] == pytest.approx(metrics.iou(counts[None], 0).item(), abs=0.02)


def _away():
    from benchmark.criterion import Criterion

    return Criterion("iou", "truth", "<=", 0)


def test_a_victim_of_smaller_output_is_hardened_too(data) -> None:
    victim = Victim("unet_valid", encoder=None, input_size=28, options={"widths": [4, 6]}, schedule="none")
    batch = _batch(data)
    assert victim.window(16, 16) == (2, 2, 12, 12)
    assert (_attacked(victim, batch) - batch["image"]).abs().max() > EPS / 2
