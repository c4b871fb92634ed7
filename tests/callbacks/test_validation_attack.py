"""Attacks on validation images between the epochs of a training."""

import copy

import pytest
import pytorch_lightning as pl
import torch

from benchmark.callbacks.validation_attack import ValidationAttack


class _Log(pl.loggers.logger.Logger):
    """Keeps what is logged."""

    name, version = "log", "0"

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, float]] = []

    def log_metrics(self, metrics, step=None) -> None:
        self.lines.append(dict(metrics))

    def log_hyperparams(self, *_, **__) -> None:
        pass


class _State(pl.Callback):
    """Looks at the victim as each training batch starts."""

    def __init__(self) -> None:
        self.trainable: list[bool] = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        parameters = all(parameter.requires_grad for parameter in pl_module.parameters())
        self.trainable.append(pl_module.training and pl_module.network[1].training and parameters)


def _attacked(lines: list[dict[str, float]]) -> list[dict[str, float]]:
    return [line for line in lines if any(name.startswith("val_attack/") for name in line)]


@pytest.mark.parametrize(("every", "attacks"), [(1, 4), (2, 2), (5, 0)])
def test_it_attacks_every_few_epochs(victim, data, plan, make_trainer, every: int, attacks: int) -> None:
    log, state = _Log(), _State()
    trainer = make_trainer(ValidationAttack(plan, every, 2), state, max_epochs=4, logger=log, num_sanity_val_steps=1)
    trainer.fit(victim, datamodule=data)
    assert len(_attacked(log.lines)) == attacks
    assert state.trainable == [True] * 8


def test_what_is_logged_are_means_over_the_images(victim, data, plan, make_trainer) -> None:
    log = _Log()
    trainer = make_trainer(ValidationAttack(plan, 1, 100), max_epochs=1, logger=log, num_sanity_val_steps=0)
    trainer.fit(victim, datamodule=data)
    (line,) = _attacked(log.lines)
    # Nothing succeeds against this victim in three steps, so there is no norm.
    names = ("success8_rate", "steps", "adv8_iou_target", "adv8_iou_truth", "adv8_pixel_acc_target")
    assert set(line) == {f"val_attack/{attack}/{name}" for attack in ("one", "two") for name in names}
    assert (line["val_attack/one/steps"], line["val_attack/two/steps"]) == (3, 2)


def test_training_goes_on_as_if_nothing_had_been(victim, data, plan, make_trainer) -> None:
    other = copy.deepcopy(victim)
    for model, callbacks in ((victim, [ValidationAttack(plan, 1, 2)]), (other, [])):
        pl.seed_everything(0, verbose=False)
        make_trainer(*callbacks, max_epochs=2, num_sanity_val_steps=0).fit(model, datamodule=data)
    states = victim.state_dict(), other.state_dict()
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
